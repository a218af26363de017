import { Flags } from "#oclif";
import { monitorEvents } from "../actions/monitor-events.js";
import { openTarget } from "../actions/open-target.js";
import type { StreamNotice } from "../model/event-stream.js";
import type { MonitorVerbosity } from "../output/cilium/monitor/monitor-formatter.js";
import { monitorList } from "../output/lists/monitor-list.js";
import { isUpstreamFormat, parseOutput } from "../output/output-format.js";
import { eventFilterFlags, toEventFilter } from "./flags/event-flags.js";
import { identityFilterFlag, nameFilterFlags, protocolFilterFlags, serviceFilterFlag } from "./flags/filter-flags.js";
import { listFlags } from "./flags/list-flags.js";
import { targetFlags, targetOf } from "./flags/target-flags.js";
import { toRowSelection } from "./flags/to-row-selection.js";
import { ReadCommand } from "./read-command.js";

/** Upstream's, by how often -v is said. */
const levels: readonly MonitorVerbosity[] = ["info", "debug", "verbose"];

const farewell = "\nReceived an interrupt, disconnecting from monitor...\n";

/** Events of the datapath as they happen. */
export default class Monitor extends ReadCommand {
  static override summary = "Show what the datapath does with packets, as it happens";
  static override description =
    "Drops with their reason, file and line, traces, policy verdicts, and what the agents say of themselves, merged from all nodes. " +
    "The nodes' agents hand the events on, ours or upstream's; no map is read or written. What an agent could not keep is counted as lost.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --type drop",
    "<%= config.bin %> <%= command.id %> --pod shop/client --limit 20",
    "<%= config.bin %> <%= command.id %> --related-to 1623 -o cilium -v",
    '<%= config.bin %> <%= command.id %> --drop-reason "policy denied" -o jsonl',
  ];
  static override flags = {
    ...eventFilterFlags,
    ...nameFilterFlags,
    ...serviceFilterFlag,
    ...protocolFilterFlags,
    ...identityFilterFlag,
    ...targetFlags,
    "monitor-socket": Flags.string({
      summary: "monitor socket of the nodes' upstream agents, as the nodes see it (default: looked for)",
      env: "CILIUM_MONITOR_SOCK",
      helpValue: "PATH",
      helpGroup: "TARGET",
    }),
    output: listFlags.output,
    "no-headers": listFlags["no-headers"],
    limit: listFlags.limit,
    "max-rows": listFlags["max-rows"],
    "allow-partial": listFlags["allow-partial"],
    json: Flags.boolean({ char: "j", summary: "same as -o cilium-json", helpGroup: "OUTPUT", exclusive: ["output"] }),
    verbose: Flags.boolean({
      char: "v",
      summary: "with -o cilium: say more; twice: dissect the packets",
      helpGroup: "OUTPUT",
    }),
    hex: Flags.boolean({ summary: "with -o cilium -v -v: packets as bytes", helpGroup: "OUTPUT" }),
    numeric: Flags.boolean({ summary: "with -o cilium: identities as numbers only", helpGroup: "OUTPUT" }),
  };

  private hasBegun = false;

  override async run(): Promise<void> {
    const { flags, raw } = await this.parse(Monitor);
    const level = raw.filter((token) => token.type === "flag" && token.flag === "verbose").length;
    const output = flags.json ? "cilium-json" : flags.output;
    await using target = await openTarget(targetOf(flags));
    const isUpstreamForm = isUpstreamFormat(parseOutput(output));
    if (isUpstreamForm) this.signal.addEventListener("abort", () => this.note(farewell), { once: true });
    const isMerged = target.nodes.length > 1;
    const open = () =>
      monitorEvents(target, {
        selection: toRowSelection(flags),
        filter: toEventFilter(flags),
        dropReasons: flags["drop-reason"],
        monitorSocket: flags["monitor-socket"] || undefined,
        isNamed: !isUpstreamForm,
        signal: this.signal,
        onNote: (note) => this.note(note),
        onNotice: (notice) => this.sayNotice(notice, isMerged),
      });
    const format = monitorList({ verbosity: levels[level] ?? "verbose", isNumeric: flags.numeric, isHex: flags.hex });
    await this.printRows(format, { ...flags, output, watch: false }, open, { isLive: true });
  }

  /** As upstream's tool says it, on a single node; its end is told with the list's. */
  private sayNotice(notice: StreamNotice, isMerged: boolean): void {
    const who = isMerged ? `${notice.node}: ` : "";
    if (notice.kind === "stream-opened") {
      const { cpus, pages, pageBytes } = notice.ring;
      this.note(`${who}Listening for events on ${cpus} CPUs with ${pages}x${pageBytes} of shared memory`);
      if (!this.hasBegun) this.note("Press Ctrl-C to quit");
      this.hasBegun = true;
    } else if (isMerged) this.note(`${who}no more events: ${notice.reason}`);
  }
}

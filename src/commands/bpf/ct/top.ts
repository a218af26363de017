import { Flags } from "#oclif";
import { openTarget } from "../../../actions/open-target.js";
import { ConntrackTop } from "../../../actions/top-conntrack.js";
import { ctDimensions, defaultMaxGroups } from "../../../model/conntrack-groups.js";
import { conntrackTopList } from "../../../output/lists/conntrack-top-list.js";
import { clockFlags } from "../../flags/clock-flags.js";
import { clusterArgs, clustersOf } from "../../flags/cluster-args.js";
import { conntrackFilterFlags, toConntrackSelection, waitRemark } from "../../flags/conntrack-flags.js";
import { boundedInteger } from "../../flags/flag-types.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** Conntrack entries, counted on the nodes while their maps are read. */
export default class BpfCtTop extends ReadCommand {
  static override summary = "Count connection tracking entries by service, pod, node, identity and more";
  static override description = [
    "Every node counts while it reads its maps, without asking any agent, and sends no more than the groups.",
    "A service is the one that an entry names, or else the one that has its destination as a backend; where several have, all are named.",
    "A pod is the end whose programs made the entry: the destination of incoming connections, else the source.",
    "Packets and bytes are what the entries hold: 0 where the datapath does not account (bpf-conntrack-accounting).",
  ].join(" ");
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --by pod,state --limit 10",
    "<%= config.bin %> <%= command.id %> --by node --by proto --watch",
    "<%= config.bin %> <%= command.id %> --by pod --service shop/cart --sort -bytes",
  ];
  static override args = clusterArgs;
  static override flags = {
    by: Flags.option({
      summary: "what to count by; several, separated by commas or repeated, count each combination",
      options: ctDimensions,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
      default: ["service"],
    })(),
    "max-groups": boundedInteger({
      summary: "groups that a node counts apart; the entries of all that come later are one group, (other)",
      helpValue: "N",
      default: defaultMaxGroups,
      min: 1,
      max: 16 * defaultMaxGroups,
    }),
    ...conntrackFilterFlags,
    ...targetFlags,
    ...clockFlags,
    ...listFlags,
    "sort-by": Flags.string({
      summary: "column header or JSON field (.entries); a leading - sorts downwards (default: -ENTRIES)",
      aliases: ["sort"],
      helpValue: "COLUMN",
      helpGroup: "OUTPUT",
    }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfCtTop);
    await using target = await openTarget(targetOf(flags));
    const selection = { ...toConntrackSelection(flags), clusters: clustersOf(args) };
    const by = [...new Set(flags.by)];
    const top = new ConntrackTop(target, selection, { by, maxGroups: flags["max-groups"] });
    if (selection.arrivalsMs !== undefined) this.note(waitRemark(selection.arrivalsMs));
    const open = () => top.read({ signal: this.signal });
    await this.printRows(conntrackTopList(by, { isWatched: flags.watch }), flags, open);
  }
}

import { Flags } from "#oclif";
import { listMetrics } from "../../../actions/list-node-facts.js";
import { openTarget } from "../../../actions/open-target.js";
import { metricsList } from "../../../output/lists/metrics-list.js";
import { directionFilterFlag } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** The datapath's own counters. */
export default class BpfMetricsList extends ReadCommand {
  static override summary = "List packets forwarded and dropped, by reason, direction and place in the source";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --drops"];
  static override flags = {
    drops: Flags.boolean({ summary: "only packets that were dropped" }),
    ...directionFilterFlag(["ingress", "egress", "service", "unknown"]),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfMetricsList);
    await using target = await openTarget(targetOf(flags));
    const selection = { directions: flags.direction, isDropsOnly: flags.drops };
    await this.printRows(metricsList, flags, async () => listMetrics(target, selection, { signal: this.signal }));
  }
}

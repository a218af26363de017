import { Flags } from "#oclif";
import { listConntrack } from "../../../actions/list-conntrack.js";
import { openTarget } from "../../../actions/open-target.js";
import { clusterConntrackList, conntrackList, withAge } from "../../../output/lists/conntrack-list.js";
import { clockFlags } from "../../flags/clock-flags.js";
import { clusterArgs, clustersOf } from "../../flags/cluster-args.js";
import { conntrackFilterFlags, toConntrackSelection, waitRemark } from "../../flags/conntrack-flags.js";
import { listFlags, timeDiffFlag } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** Conntrack entries, streamed as the kernel hands them over. */
export default class BpfCtList extends ReadCommand {
  static override summary = "List connection tracking entries";
  static override description =
    "Reads the conntrack maps of every node, without asking any agent. Entries come in the kernel's order unless --sort-by is given.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> global",
    "<%= config.bin %> <%= command.id %> --service shop/cart --state established",
    "<%= config.bin %> <%= command.id %> --pod web-0 --proto tcp --port 8080 -o wide",
    "<%= config.bin %> <%= command.id %> -o cilium | grep 59668",
    "<%= config.bin %> <%= command.id %> cluster 3",
  ];
  static override args = clusterArgs;
  static override flags = {
    ...conntrackFilterFlags,
    age: Flags.boolean({
      summary:
        "also show when an entry's last packet was reported: the later of last_rx_report and last_tx_report, which are renewed every few seconds while packets pass; maps hold no time of creation",
      helpGroup: "OUTPUT",
    }),
    ...targetFlags,
    ...clockFlags,
    ...listFlags,
    "time-diff": timeDiffFlag,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfCtList);
    const clusters = clustersOf(args);
    await using target = await openTarget(targetOf(flags));
    const selection = { ...toConntrackSelection(flags), clusters };
    const open = () => listConntrack(target, selection, this.readingFor(flags));
    const format = clusters === undefined ? conntrackList : clusterConntrackList;
    if (selection.arrivalsMs !== undefined) this.note(waitRemark(selection.arrivalsMs));
    await this.printRows(flags.age ? withAge(format) : format, flags, open, { hasTimeDiff: flags["time-diff"] });
  }
}

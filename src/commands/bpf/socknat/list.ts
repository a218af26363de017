import { listSocketReverseNat } from "../../../actions/list-socket-reverse-nat.js";
import { openTarget } from "../../../actions/open-target.js";
import { sockRevNatList } from "../../../output/lists/node-lists.js";
import { nameFilterFlags, serviceFilterFlag } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { toRowSelection } from "../../flags/to-row-selection.js";
import { ReadCommand } from "../../read-command.js";

/** The socket load balancer's reverse map. */
export default class BpfSocknatList extends ReadCommand {
  static override summary = "List which frontend each socket dialled, by the backend that it was given";
  static override description =
    "-o cilium prints ports and service ids with their bytes swapped, and ports above 32767 as negative numbers: so does upstream's tool.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --node node-1",
    "<%= config.bin %> <%= command.id %> --service shop/cart",
  ];
  static override flags = { ...nameFilterFlags, ...serviceFilterFlag, ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfSocknatList);
    await using target = await openTarget(targetOf(flags));
    const selection = toRowSelection(flags);
    await this.printRows(sockRevNatList, flags, () => listSocketReverseNat(target, selection, this.readingFor(flags)));
  }
}

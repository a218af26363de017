import { listSocketReverseNat } from "../../../actions/list-socket-reverse-nat.js";
import { openTarget } from "../../../actions/open-target.js";
import { sockRevNatList } from "../../../output/lists/node-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** The socket load balancer's reverse map. */
export default class BpfSocknatList extends ReadCommand {
  static override summary = "List which frontend each socket dialled, by the backend that it was given";
  static override examples = ["<%= config.bin %> <%= command.id %> --node node-1"];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfSocknatList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(sockRevNatList, flags, async () => listSocketReverseNat(target, { signal: this.signal }));
  }
}

import { listServices } from "../../actions/list-services.js";
import { openTarget } from "../../actions/open-target.js";
import { serviceList } from "../../output/lists/agent-lists.js";
import { nameFilterFlags, protocolFilterFlags, serviceFilterFlag } from "../flags/filter-flags.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { toRowSelection } from "../flags/to-row-selection.js";
import { ReadCommand } from "../read-command.js";

/** List services as the datapath load-balances them. */
export default class ServiceList extends ReadCommand {
  static override summary = "List services as the datapath load-balances them";
  static override description =
    "Put together from the maps of each node: what packets meet, also while agents are down.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> -n shop -o wide",
    "<%= config.bin %> <%= command.id %> --node node-1 -o cilium",
  ];
  static override flags = {
    ...nameFilterFlags,
    ...serviceFilterFlag,
    ...protocolFilterFlags,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(ServiceList);
    await using target = await openTarget(targetOf(flags));
    const open = () => listServices(target, toRowSelection(flags), { signal: this.signal });
    await this.printRows(serviceList, flags, open);
  }
}

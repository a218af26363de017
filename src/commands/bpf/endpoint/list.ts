import { listLocalEndpoints } from "../../../actions/list-addresses.js";
import { openTarget } from "../../../actions/open-target.js";
import { localEndpointList } from "../../../output/lists/endpoint-lists.js";
import { identityFilterFlag, nameFilterFlags } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { toRowSelection } from "../../flags/to-row-selection.js";
import { ReadCommand } from "../../read-command.js";

/** List the endpoints that the datapath of each node delivers to. */
export default class BpfEndpointList extends ReadCommand {
  static override summary = "List the endpoints that the datapath of each node delivers to";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --node node-1 -o wide",
  ];
  static override flags = {
    ...nameFilterFlags,
    ...identityFilterFlag,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfEndpointList);
    await using target = await openTarget(targetOf(flags));
    const open = () => listLocalEndpoints(target, toRowSelection(flags), { signal: this.signal });
    await this.printRows(localEndpointList, flags, open);
  }
}

import { listEndpoints } from "../../actions/list-endpoints.js";
import { openTarget } from "../../actions/open-target.js";
import { endpointList } from "../../output/lists/endpoint-lists.js";
import { identityFilterFlag, nameFilterFlags } from "../flags/filter-flags.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { toRowSelection } from "../flags/to-row-selection.js";
import { ReadCommand } from "../read-command.js";

/** Endpoints as the agents published them. */
export default class EndpointList extends ReadCommand {
  static override summary = "List endpoints with their pods, identities and addresses";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> -n shop --node node-1",
  ];
  static override flags = {
    ...nameFilterFlags,
    ...identityFilterFlag,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(EndpointList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(endpointList, flags, () => listEndpoints(target, toRowSelection(flags)));
  }
}

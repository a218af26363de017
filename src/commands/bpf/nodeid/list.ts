import { listNodeIds } from "../../../actions/list-node-ids.js";
import { openTarget } from "../../../actions/open-target.js";
import { nodeIdList } from "../../../output/lists/agent-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** The node map. */
export default class BpfNodeidList extends ReadCommand {
  static override summary = "List the numbers that each node gave to node addresses";
  static override examples = ["<%= config.bin %> <%= command.id %>"];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfNodeidList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(nodeIdList, flags, async () => listNodeIds(target, { signal: this.signal }));
  }
}

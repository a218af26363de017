import { listNodes } from "../../actions/list-cluster.js";
import { openTarget } from "../../actions/open-target.js";
import { nodeList } from "../../output/lists/agent-lists.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** Nodes with their addresses and pod prefixes. */
export default class NodeList extends ReadCommand {
  static override summary = "List the nodes of the cluster";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o wide"];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(nodeList, flags, () => listNodes(target));
  }
}

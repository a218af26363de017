import { listTemplates } from "../../../actions/list-node-facts.js";
import { openTarget } from "../../../actions/open-target.js";
import { templateList } from "../../../output/lists/node-file-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** What upstream's agent has compiled, and for whom. */
export default class BpfShaList extends ReadCommand {
  static override summary = "List the templates that upstream's agent has compiled, with the endpoints that use them";
  static override description = "They are read from the agent's folder on the node; the agent is not asked.";
  static override examples = ["<%= config.bin %> <%= command.id %>"];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfShaList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(templateList, flags, async () => listTemplates(target, { signal: this.signal }));
  }
}

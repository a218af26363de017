import { finishedList } from "../../actions/row-list.js";
import { labList } from "../../output/lists/lab-lists.js";
import { listFlags } from "../flags/list-flags.js";
import { ReadCommand } from "../read-command.js";

/** Labs of this machine. */
export default class LabList extends ReadCommand {
  static override summary = "List the labs of this machine";
  static override description = "A broken lab is what an interrupted command left behind: lab down removes it.";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o json"];
  static override flags = { ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LabList);
    const { describeLabs } = await import("../../lab/describe-lab.js");
    await this.printRows(labList, flags, async () => finishedList(await describeLabs()));
  }
}

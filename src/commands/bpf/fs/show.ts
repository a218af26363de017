import { listMounts } from "../../../actions/list-node-facts.js";
import { openTarget } from "../../../actions/open-target.js";
import { mountList } from "../../../output/lists/node-file-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** Where pins are kept. */
export default class BpfFsShow extends ReadCommand {
  static override summary = "Show the BPF file systems that are mounted on the nodes";
  static override description = "Upstream's tool shows the first, and takes it for its own; -o cilium prints that one.";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o wide"];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfFsShow);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(mountList, flags, async () => listMounts(target, { signal: this.signal }));
  }
}

import { Args } from "#oclif";
import { readTemplateHeader } from "../../../actions/list-node-facts.js";
import { openTarget } from "../../../actions/open-target.js";
import { templateHeaderList } from "../../../output/lists/node-file-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** What a template was compiled with. */
export default class BpfShaGet extends ReadCommand {
  static override summary = "Show the header that a template of upstream's agent was compiled with";
  static override examples = ["<%= config.bin %> <%= command.id %> ee26f8e6afb7… -o cilium"];
  static override args = { sha: Args.string({ description: "as bpf sha list shows it", required: true }) };
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfShaGet);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(templateHeaderList, flags, async () =>
      readTemplateHeader(target, args.sha, { signal: this.signal }),
    );
  }
}

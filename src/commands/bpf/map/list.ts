import { Args, Flags } from "#oclif";
import { listMaps } from "../../../actions/list-node-facts.js";
import { openTarget } from "../../../actions/open-target.js";
import { mapFillList } from "../../../output/lists/node-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** What is pinned on the nodes, whatever its layout. */
export default class BpfMapList extends ReadCommand {
  static override summary = "List the pinned maps with their fill level";
  static override description =
    "Counting entries reads every key; --no-count leaves it out. Maps that others have pinned elsewhere on the BPF file system are listed by their paths.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> ct4 --node node-1",
  ];
  static override args = { name: Args.string({ description: "only maps whose name contains this" }) };
  static override flags = {
    "no-count": Flags.boolean({ summary: "do not count entries" }),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfMapList);
    await using target = await openTarget(targetOf(flags));
    const selection = { nameContains: args.name, countEntries: !flags["no-count"] };
    await this.printRows(mapFillList, flags, async () => listMaps(target, selection, { signal: this.signal }));
  }
}

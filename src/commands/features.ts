import { listFeatures } from "../actions/list-node-facts.js";
import { openTarget } from "../actions/open-target.js";
import { featureList } from "../output/lists/node-lists.js";
import { listFlags } from "./flags/list-flags.js";
import { targetFlags, targetOf } from "./flags/target-flags.js";
import { ReadCommand } from "./read-command.js";

/** Probes by trying, never by version numbers. */
export default class Features extends ReadCommand {
  static override summary = "Show what the kernel can do, and what each missing feature costs";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --local",
    "<%= config.bin %> <%= command.id %> -o wide",
  ];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Features);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(featureList, flags, async () => listFeatures(target, { signal: this.signal }));
  }
}

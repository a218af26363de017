import { openTarget } from "../../actions/open-target.js";
import { listPolicySelectors } from "../../actions/policy/list-policy-rules.js";
import { policySelectorList } from "../../output/lists/policy-rule-lists.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** Selectors and whom they select. */
export default class PolicySelectors extends ReadCommand {
  static override summary = "List the selectors of policies and the identities that they select";
  static override examples = ["<%= config.bin %> <%= command.id %>"];
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PolicySelectors);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(policySelectorList, flags, () => listPolicySelectors(target));
  }
}

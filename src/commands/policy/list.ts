import { Flags } from "#oclif";
import { openTarget } from "../../actions/open-target.js";
import { listPolicyRules } from "../../actions/policy/list-policy-rules.js";
import { policyRuleList } from "../../output/lists/policy-rule-lists.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** Rules of all kinds of policies in one form. */
export default class PolicyList extends ReadCommand {
  static override summary = "List the rules of all policies, and what of them is not in force";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> -n shop -o wide",
  ];
  static override flags = {
    namespace: Flags.string({ char: "n", summary: "only policies of this namespace", helpValue: "NAMESPACE" }),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PolicyList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(policyRuleList, flags, () => listPolicyRules(target, flags.namespace));
  }
}

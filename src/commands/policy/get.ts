import { Args, Flags } from "#oclif";
import { openTarget } from "../../actions/open-target.js";
import { getPolicies } from "../../actions/policy/get-policies.js";
import { knownPolicyList } from "../../output/lists/policy-rule-lists.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** Policies as the nodes' agents have them. */
export default class PolicyGet extends ReadCommand {
  static override summary = "Show the policies that agents have in force, their rules and what of them is refused";
  static override description =
    "Asks the agents: each says with which of its revisions a policy came into force, and for which of its endpoints. policy list reads the cluster's objects instead.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> shop/web --node node-1 -o yaml",
  ];
  static override strict = false;
  static override args = {
    policy: Args.string({ description: "NAME or NAMESPACE/NAME; may be repeated (default: all policies)" }),
  };
  static override flags = {
    namespace: Flags.string({ char: "n", summary: "only policies of this namespace", helpValue: "NAMESPACE" }),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { argv, flags } = await this.parse(PolicyGet);
    await using target = await openTarget(targetOf(flags));
    const choice = { names: argv.map(String), namespace: flags.namespace };
    await this.printRows(knownPolicyList, flags, () => getPolicies(target, choice));
  }
}

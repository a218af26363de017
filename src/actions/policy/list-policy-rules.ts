import { StateError } from "../../lib/errors.js";
import { policyProblemTexts } from "../../model/policy/policy-problems.js";
import type { PolicyRule } from "../../model/policy/policy-rule.js";
import { selectorsOf } from "../../model/policy/rule-peers.js";
import { describeRule, type PolicyRuleRow, type PolicySelectorRow } from "../../model/policy/rule-rows.js";
import type { Target } from "../open-target.js";
import { finishedList, type RowList } from "../row-list.js";
import { type PolicyWorld, readPolicyWorld } from "./policy-world.js";

/** @throws StateError on a node alone, which has no objects */
export async function openPolicyWorld(
  target: Target,
  proposed: Parameters<typeof readPolicyWorld>[1] = [],
): Promise<PolicyWorld> {
  if (target.state !== undefined) return readPolicyWorld(target.state, proposed);
  throw new StateError(
    "state-missing",
    "policies are read from the cluster's objects, which a node alone does not have",
    {
      nextSteps: ["name a lab: --lab NAME"],
    },
  );
}

/** What of the policies is not in force, one sentence each. */
export function worldProblems({ policies, config }: PolicyWorld): readonly string[] {
  return policies.flatMap(({ object, parsed }) => policyProblemTexts(object, parsed, config));
}

/** Every rule of every policy. */
export async function listPolicyRules(target: Target, namespace?: string): Promise<RowList<PolicyRuleRow>> {
  const world = await openPolicyWorld(target);
  const rules = world.rules.filter(({ origin }) => namespace === undefined || origin.namespace === namespace);
  return finishedList(rules.map(describeRule), [...target.notes, ...worldProblems(world)]);
}

/** Every selector of the policies. */
export async function listPolicySelectors(target: Target): Promise<RowList<PolicySelectorRow>> {
  const world = await openPolicyWorld(target);
  const rows = selectorsOf(world.rules).map((selector): PolicySelectorRow => {
    const uses = ({ subject, peers }: PolicyRule) =>
      subject.selector.key === selector.key ||
      peers.some((peer) => peer.kind === "selector" && peer.selector.key === selector.key);
    const selected = world.selectors.select({ kind: "selector", selector });
    return {
      selector: selector.key === "" ? "*" : selector.key,
      rules: world.rules.filter(uses).length,
      // Everybody, known or not, is identity 0.
      identities: selected === undefined ? [0] : [...selected].sort((a, b) => a - b),
    };
  });
  return finishedList(rows, target.notes);
}

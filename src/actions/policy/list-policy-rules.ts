import { StateError } from "../../lib/errors.js";
import { policyProblemTexts } from "../../model/policy/policy-problems.js";
import type { PolicyPeer, PolicyPort, PolicyRule } from "../../model/policy/policy-rule.js";
import { selectorsOf } from "../../model/policy/rule-peers.js";
import type { PolicyRuleRow, PolicySelectorRow } from "../../model/policy/rule-rows.js";
import { protocolName } from "../../model/protocol-names.js";
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
export function policyProblems({ policies }: PolicyWorld): readonly string[] {
  return policies.flatMap(({ object, parsed }) => policyProblemTexts(object, parsed));
}

/** Every rule of every policy. */
export async function listPolicyRules(target: Target, namespace?: string): Promise<RowList<PolicyRuleRow>> {
  const world = await openPolicyWorld(target);
  const rules = world.rules.filter(({ origin }) => namespace === undefined || origin.namespace === namespace);
  return finishedList(rules.map(toRow), [...target.notes, ...policyProblems(world)]);
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

function toRow({ origin, subject, direction, verdict, hasDefaultDeny, peers, ports }: PolicyRule): PolicyRuleRow {
  const { kind, namespace, name, path } = origin;
  return {
    ...{ kind, namespace, name, path, direction, verdict, hasDefaultDeny },
    subject: `${subject.kind === "node" ? "node " : ""}${subject.selector.key || "*"}`,
    peers: peers.map(peerText),
    ports: ports.map(portText),
  };
}

function peerText(peer: PolicyPeer): string {
  switch (peer.kind) {
    case "any":
      return "*";
    case "selector":
      return peer.selector.key || "*";
    case "cidr":
      return [peer.prefix.text, ...peer.except.map(({ text }) => `!${text}`)].join(" ");
    case "service":
      return `service ${peer.namespace ?? "*"}/${peer.name ?? peer.selector?.key ?? "*"}`;
  }
}

function portText(port: PolicyPort): string {
  const protocol = port.protocol === 0 ? "ANY" : protocolName(port.protocol);
  if (port.kind === "named") return `${port.name}/${protocol}`;
  const { first, last } = port;
  if (first === 0 && last === 0xffff) return protocol;
  return `${first === last ? first : `${first}-${last}`}/${protocol}`;
}

import { protocolName } from "../protocol-names.js";
import type { PolicyDirection, PolicyKind, PolicyPeer, PolicyPort, PolicyProblem, PolicyRule } from "./policy-rule.js";

/** One rule of a policy in the form that all kinds come down to (`policy list`). */
export interface PolicyRuleRow {
  readonly kind: PolicyKind;
  readonly namespace?: string | undefined;
  readonly name: string;
  /** `spec.ingress[0]` */
  readonly path: string;
  /** Whose policy it is part of. */
  readonly subject: string;
  readonly direction: PolicyDirection;
  readonly verdict: "allow" | "deny";
  readonly hasDefaultDeny: boolean;
  readonly peers: readonly string[];
  readonly ports: readonly string[];
  /** As upstream gives them to a rule: `k8s:io.cilium.k8s.policy.name=web` and its own. */
  readonly labels: readonly string[];
  readonly description?: string | undefined;
}

/** One selector of policies, and whom it selects now (`policy selectors`). */
export interface PolicySelectorRow {
  readonly selector: string;
  /** Rules that use it for their subject or a peer. */
  readonly rules: number;
  readonly identities: readonly number[];
}

/** One policy object as an agent has it in force (`policy get`). Plain values: agents hand it out as JSON. */
export interface KnownPolicy {
  readonly kind: PolicyKind;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly uid?: string | undefined;
  /** The agent's revision with which this version of the object came into force. */
  readonly revision: number;
  /** `partial`: parts of it are refused. `none`: nothing of it is asked. */
  readonly state: "whole" | "partial" | "none";
  readonly rules: readonly PolicyRuleRow[];
  readonly problems: readonly PolicyProblem[];
  /** Ids of the node's endpoints that it is about. */
  readonly endpoints: readonly number[];
}

/** One policy on one node. */
export interface KnownPolicyRow extends KnownPolicy {
  readonly node: string;
  /** What the node's agent is at now. */
  readonly agentRevision: number;
}

/** What an agent says of policies: `GET /v1/policies`. */
export interface PolicyDocument {
  /** Counts changes of policy objects that came into force, from 1 at the agent's start. */
  readonly revision: number;
  readonly policies: readonly KnownPolicy[];
}

/** Cookies of policy entries with the rules behind them, as {@link originKey} writes them: `GET /v1/policy-cookies`. */
export interface PolicyCookies {
  readonly items: readonly (readonly [cookie: number, rules: readonly string[]])[];
}

export function describeRule({ origin, subject, direction, verdict, ...rule }: PolicyRule): PolicyRuleRow {
  const { kind, namespace, name, path, labels, description } = origin;
  return {
    ...{ kind, namespace, name, path, direction, verdict, labels },
    ...(description === undefined ? {} : { description }),
    hasDefaultDeny: rule.hasDefaultDeny,
    subject: `${subject.kind === "node" ? "node " : ""}${subject.selector.key || "*"}`,
    peers: rule.peers.map(peerText),
    ports: rule.ports.map(portText),
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

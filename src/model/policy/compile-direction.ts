import type { PolicyEntry } from "../datapath-port.js";
import { HOST_IDENTITY, type NumericIdentity } from "../identity.js";
import type { SubjectFacts } from "./compiled-policy.js";
import { groupIdentities, type Selected } from "./group-identities.js";
import type { NamedContainerPort } from "./policy-identity.js";
import { anyPort, type NamedPort, type PolicyDirection, type PolicyRule } from "./policy-rule.js";
import { createPortKey, FULL_BITS, keysOfRange, type PortKey, PROTOCOL_BITS, partsOfPortKey } from "./port-keys.js";
import { type PortTerm, PortTerms, reduce, reduceShared } from "./reduce-terms.js";
import type { RuleTable } from "./rule-table.js";
import { peerKey, type SelectorCache } from "./selector-cache.js";

export interface DirectionOptions {
  readonly direction: PolicyDirection;
  /** Of the subject and this direction, in an order that depends on nothing but themselves. */
  readonly rules: readonly PolicyRule[];
  /** What is allowed beside the rules. */
  readonly implied: "all" | "local-host" | "none";
  readonly subject: SubjectFacts;
  readonly selectors: SelectorCache;
  readonly ruleTable: RuleTable;
}

const ANY_IDENTITY = 0;

/** A rule with its ports as nodes of the tree. Index 0 of a list of them is what is implied: no rule. */
interface CompiledRule {
  readonly rule: PolicyRule | undefined;
  readonly verdict: "allow" | "deny";
  readonly keys: readonly PortKey[];
  /** Of the peers, for egress: known for each identity only. */
  readonly namedPorts: readonly NamedPort[];
}

/** The entries of one direction, sorted by identity, protocol, port and prefix. */
export function compileDirection(options: DirectionOptions): readonly PolicyEntry[] {
  const rules = [impliedRule, ...options.rules.map((rule) => compileRule(rule, options))];
  const { everybody, selected } = peersOfRules(options, rules);
  const shared = reduceShared(termsOf(everybody, rules, []));
  const terms = new Map<NumericIdentity, readonly PortTerm[]>([[ANY_IDENTITY, shared.terms]]);
  for (const { ids, rules: indexes } of groupIdentities(selected)) {
    const hasNamedPorts = indexes.some((index) => rules[index]!.namedPorts.length > 0);
    const reduceFor = (ports: readonly NamedContainerPort[]) => reduce(termsOf(indexes, rules, ports), shared);
    const same = hasNamedPorts ? undefined : reduceFor([]);
    for (const id of ids) terms.set(id, same ?? reduceFor(options.selectors.get(id)?.namedPorts ?? []));
  }
  return toEntries(terms, rules, options);
}

const impliedRule: CompiledRule = { rule: undefined, verdict: "allow", keys: keysOfRange(anyPort), namedPorts: [] };

function compileRule(rule: PolicyRule, { direction, subject }: DirectionOptions): CompiledRule {
  const named = rule.ports.filter((port) => port.kind === "named");
  const keys = rule.ports.flatMap((port) => (port.kind === "range" ? keysOfRange(port) : []));
  const isIngress = direction === "ingress";
  return {
    rule,
    verdict: rule.verdict,
    keys: isIngress ? [...keys, ...keysOfNames(named, subject.namedPorts ?? [])] : keys,
    namedPorts: isIngress ? [] : named,
  };
}

function keysOfNames(wanted: readonly NamedPort[], ports: readonly NamedContainerPort[]): readonly PortKey[] {
  return wanted.flatMap(({ name, protocol }) =>
    ports
      .filter((port) => port.name.toLowerCase() === name && port.protocol === protocol)
      .map(({ port }) => createPortKey(protocol, port, FULL_BITS)),
  );
}

interface RulePeers {
  /** Indexes of the rules whose peers include everybody. */
  readonly everybody: readonly number[];
  /** Each other peer once, with what it selects and the rules that name it. */
  readonly selected: readonly Selected[];
}

function peersOfRules({ rules, selectors, implied }: DirectionOptions, compiled: readonly CompiledRule[]): RulePeers {
  const everybody = new Set<number>(implied === "all" ? [0] : []);
  const selected = new Map<string, Selected & { readonly rules: number[] }>();
  const add = (key: string, ids: ReadonlySet<NumericIdentity>, rule: number) => {
    const known = selected.get(key);
    if (known === undefined) selected.set(key, { ids, rules: [rule] });
    else known.rules.push(rule);
  };
  if (implied === "local-host") add("", new Set([HOST_IDENTITY]), 0);
  rules.forEach((rule, before) => {
    const index = before + 1;
    for (const peer of rule.peers) {
      const ids = selectors.select(peer);
      if (ids !== undefined) {
        add(peerKey(peer), ids, index);
        continue;
      }
      everybody.add(index);
      // Everybody's ports by name are those of everybody who has such.
      if (compiled[index]!.namedPorts.length > 0) add("named", selectors.withNamedPorts, index);
    }
  });
  return { everybody: [...everybody], selected: [...selected.values()] };
}

function termsOf(
  indexes: readonly number[],
  rules: readonly CompiledRule[],
  ports: readonly NamedContainerPort[],
): PortTerms {
  const terms = new PortTerms();
  for (const index of indexes) {
    const { verdict, keys, namedPorts } = rules[index]!;
    for (const key of keys) terms.add(key, verdict, index);
    if (ports.length > 0) for (const key of keysOfNames(namedPorts, ports)) terms.add(key, verdict, index);
  }
  return terms;
}

function toEntries(
  terms: ReadonlyMap<NumericIdentity, readonly PortTerm[]>,
  rules: readonly CompiledRule[],
  { direction, ruleTable }: DirectionOptions,
): readonly PolicyEntry[] {
  // Identities of a group share their terms: their rules are looked up once.
  const cookies = new Map<PortTerm, number>();
  const cookieOf = (term: PortTerm): number => {
    const known = cookies.get(term);
    if (known !== undefined) return known;
    const cookie = ruleTable.cookieOf(term.rules.flatMap((index) => rules[index]!.rule?.origin ?? []));
    cookies.set(term, cookie);
    return cookie;
  };
  const entries: PolicyEntry[] = [];
  for (const identity of [...terms.keys()].sort((a, b) => a - b)) {
    for (const term of terms.get(identity)!) {
      const { protocol, port, bits } = partsOfPortKey(term.key);
      const portPrefixLength = Math.max(0, bits - PROTOCOL_BITS);
      const { verdict } = term;
      entries.push({ direction, identity, protocol, port, portPrefixLength, verdict, cookie: cookieOf(term) });
    }
  }
  return entries;
}

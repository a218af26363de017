import { PortCover } from "./port-cover.js";
import type { PortKey } from "./port-keys.js";

/**
 * As many rules as an entry names. What hundreds of rules say together would otherwise get another name, and so another entry in
 * the map, with each rule that joins them.
 */
export const MAX_NAMED_RULES = 16;

/** What some rules say of the ports below one node, for one peer. */
export interface PortTerm {
  readonly key: PortKey;
  readonly verdict: "allow" | "deny";
  /** Indexes of the rules that say so, ascending; the first ones of many. */
  readonly rules: readonly number[];
}

/** Terms of one peer as they came together: deny has taken the place of allow for the same node. */
export class PortTerms {
  readonly #rules = { allow: new Map<PortKey, number[]>(), deny: new Map<PortKey, number[]>() };

  /** @param rule not lower than those added before */
  add(key: PortKey, verdict: "allow" | "deny", rule: number): void {
    const byKey = this.#rules[verdict];
    const rules = byKey.get(key);
    if (rules === undefined) byKey.set(key, [rule]);
    else if (rules.length < MAX_NAMED_RULES && rules.at(-1) !== rule) rules.push(rule);
  }

  get allowed(): ReadonlyMap<PortKey, readonly number[]> {
    return this.#rules.allow;
  }

  get denied(): ReadonlyMap<PortKey, readonly number[]> {
    return this.#rules.deny;
  }
}

/** What everybody's terms leave to say for a single peer. */
export interface SharedTerms {
  readonly terms: readonly PortTerm[];
  readonly denied: PortCover;
  /** Every node that has a verdict. */
  readonly decidedKeys: ReadonlySet<PortKey>;
}

/** The terms for everybody, without those that change nothing. */
export function reduceShared(terms: PortTerms): SharedTerms {
  const reduced = reduce(terms, { denied: new PortCover(new Set()), decidedKeys: new Set() });
  const keysOf = (wanted: readonly PortTerm[]) => new Set(wanted.map(({ key }) => key));
  const denied = new PortCover(keysOf(reduced.filter(({ verdict }) => verdict === "deny")));
  return { terms: reduced, denied, decidedKeys: keysOf(reduced) };
}

/**
 * The terms of one peer, beside those for everybody, without those that change no verdict; by key.
 *
 * The longest match among the peer's own entries and the one among everybody's compete, and deny wins. So a deny holds for all
 * that is below it: what else is there goes. An allow below another allow says nothing new. What is left of allows matters only
 * where neither a deny of the peer nor anything for everybody has decided already; what is left of denies, where there is no deny
 * for everybody.
 */
export function reduce(terms: PortTerms, shared: Omit<SharedTerms, "terms">): readonly PortTerm[] {
  const denied = new PortCover(new Set(terms.denied.keys()));
  const denies = [...terms.denied].filter(([key]) => !denied.hasAncestor(key) && !shared.denied.covers(key));
  const allowed = new PortCover(new Set(terms.allowed.keys()));
  const candidates = [...terms.allowed].filter(([key]) => !allowed.hasAncestor(key));
  const decided = new PortCover(new Set([...terms.denied.keys(), ...shared.decidedKeys]));
  const allows = candidates.filter(([key]) => !decided.covers(key));
  const toTerm =
    (verdict: PortTerm["verdict"]) =>
    ([key, rules]: readonly [PortKey, readonly number[]]): PortTerm => ({ key, verdict, rules });
  return [...denies.map(toTerm("deny")), ...allows.map(toTerm("allow"))].sort((a, b) => a.key - b.key);
}

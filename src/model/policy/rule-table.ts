import type { RuleOrigin } from "./policy-rule.js";

/**
 * Numbers for sets of rules: the cookies of policy entries. The same set has the same number for as long as the table lives,
 * so that the entries of endpoints and of old and new policies are comparable, and a verdict event finds its rules even when the
 * policy has changed meanwhile. 0 is "no rule".
 */
export class RuleTable {
  readonly #sets: (readonly RuleOrigin[])[] = [[]];
  readonly #cookies = new Map<string, number>([["", 0]]);

  /** @param origins in any order */
  cookieOf(origins: readonly RuleOrigin[]): number {
    const sorted = sortOrigins(origins);
    const key = sorted.map(originKey).join("\n");
    const cookie = this.#cookies.get(key) ?? this.#sets.length;
    this.#cookies.set(key, cookie);
    // Labels and descriptions of a rule may have changed since.
    this.#sets[cookie] = sorted;
    return cookie;
  }

  /** None for 0 and for a number that this table did not give. */
  rulesOf(cookie: number): readonly RuleOrigin[] {
    return this.#sets[cookie] ?? [];
  }
}

/** Unique for a rule: `CiliumNetworkPolicy/shop/web spec.ingress[0]`. */
export function originKey({ kind, namespace, name, path }: RuleOrigin): string {
  return `${kind}/${namespace === undefined ? "" : `${namespace}/`}${name} ${path}`;
}

/** By key, each once. */
export function sortOrigins(origins: Iterable<RuleOrigin>): readonly RuleOrigin[] {
  const byKey = new Map<string, RuleOrigin>();
  for (const origin of origins) byKey.set(originKey(origin), origin);
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, origin]) => origin);
}

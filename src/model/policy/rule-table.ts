import { createHash } from "node:crypto";
import type { RuleOrigin } from "./policy-rule.js";

/**
 * Numbers for sets of rules: the cookies of policy entries. A number comes from the rules' names alone, so the entries of
 * endpoints, nodes and old and new policies are comparable, counters and events mean the same rules before and after a restart
 * of the agent, and who knows the policies can name the rules of an entry without asking it. 0 is "no rule".
 */
export class RuleTable {
  readonly #sets = new Map<number, readonly RuleOrigin[]>([[0, []]]);
  readonly #cookies = new Map<string, number>([["", 0]]);

  /** @param origins in any order */
  cookieOf(origins: readonly RuleOrigin[]): number {
    const sorted = sortOrigins(origins);
    const key = sorted.map(originKey).join("\n");
    const cookie = this.#cookies.get(key) ?? this.#freeNumber(key);
    this.#cookies.set(key, cookie);
    // Labels and descriptions of a rule may have changed since.
    this.#sets.set(cookie, sorted);
    return cookie;
  }

  /** None for 0 and for a number that this table did not give. */
  rulesOf(cookie: number): readonly RuleOrigin[] {
    return this.#sets.get(cookie) ?? [];
  }

  /** Every number that was given, 0 left out, with its rules. */
  entries(): readonly (readonly [number, readonly RuleOrigin[]])[] {
    return [...this.#sets].filter(([cookie]) => cookie !== 0);
  }

  /** Of two sets with the same hash (one pair among some 100,000 sets) the one that comes second gets the next number. */
  #freeNumber(key: string): number {
    let cookie = createHash("sha256").update(key).digest().readUInt32LE(0);
    while (this.#sets.has(cookie)) cookie = (cookie + 1) >>> 0;
    return cookie;
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

import type { IpPrefix } from "../../lib/ip.js";
import type { PolicyRule } from "./policy-rule.js";
import type { PolicySelector } from "./policy-selector.js";

/** The prefixes that rules name, excepted ones too, each once: each needs an identity of local scope. Sorted. */
export function cidrsOf(_rules: readonly PolicyRule[]): readonly IpPrefix[] {
  throw new Error("follows");
}

/** What `toServices` needs to know of a Service. */
export interface PolicyService {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent or empty: its endpoints are addresses that somebody else wrote down. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Of its endpoints; asked for only where there is no selector. */
  readonly prefixes: readonly IpPrefix[];
}

/**
 * The same rules with Services replaced by who is behind them, as upstream: the pods that a Service selects, or the addresses of
 * one without a selector. A rule whose Services do not exist is about nobody.
 */
export function resolveServicePeers(
  _rules: readonly PolicyRule[],
  _services: readonly PolicyService[],
): readonly PolicyRule[] {
  throw new Error("follows");
}

/** Every selector that the rules use for peers and subjects, each once: `policy selectors`. Sorted by key. */
export function selectorsOf(_rules: readonly PolicyRule[]): readonly PolicySelector[] {
  throw new Error("follows");
}

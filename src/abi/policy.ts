import type { PolicyRow } from "../model/policy-rows.js";
import { be, bit, bitGroup, bits, optional, orElse, u64, uint } from "../model/struct-fields.js";
import type { Codec } from "./codec.js";
import { newestOf, type Release, type Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/** Key of a policy map (12 bytes): longest prefix match over protocol and port behind identity and direction. */
export interface PolicyKey {
  /** {@link policyStaticPrefixBits}, + 8 with the protocol, + the bits of the port that count. */
  readonly prefixLength: number;
  /** Peer; 0 is any. */
  readonly identity: number;
  readonly isEgress: boolean;
  readonly protocol: number;
  /** Destination port, or the first one of the range that the prefix covers. */
  readonly port: number;
}

/** Identity and direction: always compared. 40 alone is "any protocol, any port", 64 everything. */
export const policyStaticPrefixBits = 40;

/** Value of a policy map: 24 bytes up to 1.17, 8 in 1.18, 12 since. */
export interface PolicyEntry {
  readonly proxyPort: number;
  readonly isDeny: boolean;
  /** Bits of protocol and port that count (0–24); 0 up to 1.15. */
  readonly lpmPrefixLength: number;
  readonly authType: number;
  readonly hasExplicitAuthType: boolean;
  /** Since 1.19. Highest wins; see {@link policyPrecedence}. */
  readonly precedence: number | undefined;
  /** Since 1.19. */
  readonly cookie: number | undefined;
  /** 1.17 and 1.18. */
  readonly proxyPortPriority: number | undefined;
  /** Up to 1.17; later the counters are in `cilium_policystats`. */
  readonly packets: bigint | undefined;
  readonly bytes: bigint | undefined;
}

/** Low byte of a precedence in 1.20; the upper 24 bits are 0xFFFFFF minus the rule's priority. */
export const policyPrecedence = { pass: 0, allow: 1, redirect: 2, deny: 255 } as const;

/** Key of `cilium_policystats` (12 bytes, since 1.18): the endpoint and the policy entry that matched. */
export interface PolicyStatsKey {
  readonly endpointId: number;
  /** Bits of protocol and port that count (0–24). */
  readonly prefixLength: number;
  readonly identity: number;
  readonly isEgress: boolean;
  readonly protocol: number;
  readonly port: number;
}

/** Value of `cilium_policystats` (16 bytes a CPU). */
export interface PolicyStats {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface PolicyStatsCodecs {
  readonly key: Codec<PolicyStatsKey>;
  readonly value: Codec<PolicyStats>;
  keyOf(endpointId: number, key: PolicyKey): PolicyStatsKey;
}

/** What a row is made of. */
export interface PolicyRowParts {
  readonly map: string;
  readonly endpointId: number;
  readonly key: PolicyKey;
  readonly entry: PolicyEntry;
  /** The byte of the deny bit as it is. */
  readonly flags: number;
  /** Of `cilium_policystats`, where the entry has no counters of its own. */
  readonly stats?: PolicyStats | undefined;
  readonly node?: string;
}

export interface PolicyCodecs {
  readonly key: Codec<PolicyKey>;
  readonly value: Codec<PolicyEntry>;
  readonly flags: Codec<{ readonly flags: number }>;
  row(parts: PolicyRowParts): PolicyRow;
}

export function createPolicyCodecs(releases: Releases): PolicyCodecs {
  const value = structCodec<PolicyEntry>("policy_entry", releases, {
    proxyPort: be("proxy_port"),
    isDeny: bit("deny"),
    lpmPrefixLength: orElse(bits("lpm_prefix_length"), 0),
    authType: bits("auth_type"),
    hasExplicitAuthType: orElse(bit("has_explicit_auth_type"), false),
    precedence: optional(uint("precedence")),
    cookie: optional(uint("cookie")),
    proxyPortPriority: optional(uint("proxy_port_priority")),
    packets: optional(u64("packets")),
    bytes: optional(u64("bytes")),
  });
  return {
    key: structCodec<PolicyKey>("policy_key", releases, {
      prefixLength: uint("prefixlen"),
      identity: uint("sec_label"),
      isEgress: bit("egress"),
      protocol: uint("protocol"),
      port: be("dport"),
    }),
    value,
    flags: structCodec<{ readonly flags: number }>("policy_entry", releases, { flags: bitGroup(1, "deny") }),
    row: (parts) => policyRow(parts, releases),
  };
}

/** @throws AbiError `abi-layout` up to 1.17: the counters are in the policy entries */
export function createPolicyStatsCodecs(releases: Releases): PolicyStatsCodecs {
  return {
    key: structCodec<PolicyStatsKey>("policy_stats_key", releases, {
      endpointId: uint("endpoint_id"),
      prefixLength: uint("prefix_len"),
      identity: uint("sec_label"),
      isEgress: bit("egress"),
      protocol: uint("protocol"),
      port: be("dport"),
    }),
    value: structCodec<PolicyStats>("policy_stats_value", releases, { packets: u64("packets"), bytes: u64("bytes") }),
    keyOf: (endpointId, { prefixLength, identity, isEgress, protocol, port }) => ({
      endpointId,
      prefixLength: (prefixLength - policyStaticPrefixBits) & 0xff,
      identity,
      isEgress,
      protocol,
      port,
    }),
  };
}

function policyRow({ map, endpointId, key, entry, flags, stats, node }: PolicyRowParts, releases: Releases): PolicyRow {
  const portBits = Math.min(16, Math.max(0, key.prefixLength - policyStaticPrefixBits - 8));
  const { packets, bytes, precedence } = entry;
  return {
    node,
    release: newestOf(releases),
    map,
    endpointId,
    prefixLength: key.prefixLength,
    identity: key.identity,
    direction: key.isEgress ? "egress" : "ingress",
    // Below 48 bits the protocol does not count, whatever stands in the key.
    protocol: key.prefixLength < policyStaticPrefixBits + 8 ? 0 : key.protocol,
    port: key.port,
    lastPort: key.port | (0xffff >> portBits),
    isDeny: entry.isDeny,
    flags,
    lpmPrefixLength: entry.lpmPrefixLength,
    proxyPort: entry.proxyPort,
    authType: entry.authType,
    hasExplicitAuthType: entry.hasExplicitAuthType,
    proxyPortPriority: entry.proxyPortPriority,
    precedence,
    rulePriority: precedence === undefined ? undefined : 0xffffff - (precedence >>> 8),
    ...decisionOf(entry, releases),
    cookie: entry.cookie,
    packets: packets ?? stats?.packets,
    bytes: bytes ?? stats?.bytes,
  };
}

type Decision = Pick<PolicyRow, "verdict" | "listenerPriority">;

function decisionOf(entry: PolicyEntry, releases: Releases): Decision {
  const verdict = entry.isDeny ? "deny" : "allow";
  if (entry.precedence !== undefined) return decisionOfPrecedence(entry, entry.precedence & 0xff, releases);
  const priority = entry.proxyPortPriority;
  return { verdict, listenerPriority: priority === undefined ? undefined : priority <= 1 ? 0 : 128 - priority };
}

/**
 * What the low byte of a precedence says. 1.20 counts 255 deny, 254–129 redirects to listeners of the priorities 1–126, 2
 * redirects without one, 1 allow, 0 pass. When 1.19 was branched off, 127–2 were the listeners, 1 redirects without a
 * priority and 0 allow; the patch releases that can be had count as 1.20 does. What the two leave open is unknown.
 */
function decisionOfPrecedence({ isDeny, proxyPort }: PolicyEntry, byte: number, releases: Releases): Decision {
  if (isDeny || byte === policyPrecedence.deny) return { verdict: "deny", listenerPriority: 0 };
  if (byte >= 129) return { verdict: "allow", listenerPriority: 255 - byte };
  const isSettled = !releases.includes("1.19" satisfies Release);
  if (byte >= 3) return { verdict: "allow", listenerPriority: isSettled ? undefined : 128 - byte };
  if (byte === policyPrecedence.redirect) return { verdict: "allow", listenerPriority: isSettled ? 0 : undefined };
  if (byte === policyPrecedence.allow || proxyPort !== 0) return { verdict: "allow", listenerPriority: 0 };
  return { verdict: isSettled ? "pass" : undefined, listenerPriority: 0 };
}

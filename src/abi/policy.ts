import type { PolicyRow } from "../model/rows.js";
import { be, bit, bits, optional, orElse, u64, uint } from "../model/struct-fields.js";
import type { Codec } from "./codec.js";
import type { Releases } from "./release.js";
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

export interface PolicyCodecs {
  readonly key: Codec<PolicyKey>;
  readonly value: Codec<PolicyEntry>;
  row(endpointId: number, key: PolicyKey, entry: PolicyEntry, node?: string): PolicyRow;
}

export function createPolicyCodecs(releases: Releases): PolicyCodecs {
  return {
    key: structCodec<PolicyKey>("policy_key", releases, {
      prefixLength: uint("prefixlen"),
      identity: uint("sec_label"),
      isEgress: bit("egress"),
      protocol: uint("protocol"),
      port: be("dport"),
    }),
    value: structCodec<PolicyEntry>("policy_entry", releases, {
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
    }),
    row: policyRow,
  };
}

function policyRow(endpointId: number, key: PolicyKey, entry: PolicyEntry, node?: string): PolicyRow {
  const portBits = Math.min(16, Math.max(0, key.prefixLength - policyStaticPrefixBits - 8));
  return {
    node,
    endpointId,
    prefixLength: key.prefixLength,
    identity: key.identity,
    direction: key.isEgress ? "egress" : "ingress",
    // Below 48 bits the protocol does not count, whatever stands in the key.
    protocol: key.prefixLength < policyStaticPrefixBits + 8 ? 0 : key.protocol,
    port: key.port,
    lastPort: key.port | (0xffff >> portBits),
    isDeny: entry.isDeny,
    lpmPrefixLength: entry.lpmPrefixLength,
    proxyPort: entry.proxyPort,
    authType: entry.authType,
    precedence: entry.precedence ?? 0,
    cookie: entry.cookie ?? 0,
    packets: entry.packets,
    bytes: entry.bytes,
  };
}

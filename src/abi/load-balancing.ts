import { type IpAddress, IpPrefix } from "../lib/ip.js";
import type { BackendState, L4Address, LbBackendRow, LbServiceRow, RevNatRow } from "../model/rows.js";
import { serviceFlag } from "../model/service-flag.js";
import { be, ip4, ip6, optional, orElse, u64, uint } from "../model/struct-fields.js";
import { isReleaseSince } from "../model/upstream-release.js";
import { AbiError, type Codec, mapCodec } from "./codec.js";
import { parseLayout } from "./layout.js";
import { newestOf, type Release, type Releases } from "./release.js";
import { serviceFlagTexts, serviceType } from "./service-flags.js";
import { layoutCodec, structCodec } from "./struct-codec.js";

/** Key of `cilium_lb4_services_v2` (12 bytes) and `cilium_lb6_services_v2` (24). Slot 0 is the master entry. */
export interface ServiceKey {
  readonly address: IpAddress;
  readonly port: number;
  readonly slot: number;
  /** 0 in every entry up to 1.16. */
  readonly protocol: number;
  /** 0 external, 1 internal. */
  readonly scope: number;
}

/** Value of the service maps (12 bytes). */
export interface ServiceValue {
  /** Backend id in slots; in the master {@link masterUnion} or, with an L7 proxy, the proxy port in network order. */
  readonly union0: number;
  readonly count: number;
  readonly revNatId: number;
  readonly flags: number;
  readonly flags2: number;
  /** 0 up to 1.16. */
  readonly quarantinedCount: number;
}

/**
 * Value of `cilium_lb4_backends_v3` (12 bytes) and `cilium_lb6_backends_v3` (24), and of the `_v2` maps of agents before
 * 1.13, which an upgrade may have left (8 and 20). The key is the u32 id.
 */
export interface BackendValue extends L4Address {
  /** 0 active, 1 terminating, 2 quarantined, 3 maintenance */
  readonly state: number;
  /** Not in the `_v2` maps. */
  readonly clusterId: number | undefined;
  /** 0 up to 1.15. */
  readonly zone: number;
}

/** Value of `cilium_lb4_reverse_nat` (6 bytes) and `cilium_lb6_reverse_nat` (18). The key is the service id in network order. */
export interface RevNatValue {
  readonly address: IpAddress;
  readonly port: number;
}

/**
 * Key of `cilium_lb4_source_range` (12 bytes) and `cilium_lb6_source_range` (24): longest prefix match over a service id and
 * a client's address.
 */
export interface SourceRangeKey {
  readonly revNatId: number;
  readonly prefix: IpPrefix;
}

/** Service id and padding: always compared. */
export const sourceRangeStaticPrefixBits = 32;

/** Key of `cilium_lb4_reverse_sk` (16 bytes) and `cilium_lb6_reverse_sk` (32): a socket and the backend it was sent to. */
export interface SockRevNatKey {
  readonly cookie: bigint;
  readonly address: IpAddress;
  readonly port: number;
}

/** Value of `cilium_lb4_reverse_sk` (8 bytes) and `cilium_lb6_reverse_sk` (20): the frontend that was dialled. */
export interface SockRevNatValue extends RevNatValue {
  readonly revNatId: number;
}

export interface LbFamilyCodecs {
  readonly serviceKey: Codec<ServiceKey>;
  readonly serviceValue: Codec<ServiceValue>;
  readonly backendValue: Codec<BackendValue>;
  readonly backendValueV2: Codec<BackendValue>;
  readonly sourceRangeKey: Codec<SourceRangeKey>;
  readonly revNatValue: Codec<RevNatValue>;
  readonly sockRevNatKey: Codec<SockRevNatKey>;
  readonly sockRevNatValue: Codec<SockRevNatValue>;
}

export interface LbCodecs {
  /** The newest of those that the maps may be of. */
  readonly release: Release;
  readonly v4: LbFamilyCodecs;
  readonly v6: LbFamilyCodecs;
  /** u32 in host order. */
  readonly backendId: Codec<number>;
  /** u16 in network order. */
  readonly revNatId: Codec<number>;
  serviceRow(key: ServiceKey, value: ServiceValue, backend: LbServiceRow["backend"], node?: string): LbServiceRow;
  backendRow(id: number, value: BackendValue, node?: string): LbBackendRow;
  revNatRow(id: number, value: RevNatValue, node?: string): RevNatRow;
}

export function createLbCodecs(releases: Releases): LbCodecs {
  const scalar = <Value>(codec: Codec<{ readonly value: Value }>): Codec<Value> =>
    mapCodec(
      codec,
      (raw) => raw.value,
      (value) => ({ value }),
    );
  const release = newestOf(releases);
  const flagTexts = new Map<number, readonly string[]>();
  return {
    release,
    v4: createFamily("lb4", "ipv4", releases),
    v6: createFamily("lb6", "ipv6", releases),
    backendId: scalar(
      layoutCodec<{ readonly value: number }>("backend id", [parseLayout(4, "id@0:4")], { value: uint("id") }),
    ),
    revNatId: scalar(
      layoutCodec<{ readonly value: number }>("service id", [parseLayout(2, "id@0:2/be")], { value: be("id") }),
    ),
    serviceRow: (key, value, backend, node) => serviceRow(key, value, { backend, node, release, flagTexts }),
    backendRow: (id, value, node) => ({
      node,
      release,
      backendId: id,
      address: value.address,
      port: value.port,
      protocol: value.protocol,
      state: backendStateName(value.state),
      clusterId: value.clusterId,
      zone: value.zone,
    }),
    revNatRow: (id, value, node) => ({ node, release, revNatId: id, address: value.address, port: value.port }),
  };
}

function createFamily(prefix: "lb4" | "lb6", family: "ipv4" | "ipv6", releases: Releases): LbFamilyCodecs {
  const address = (prefix === "lb4" ? ip4 : ip6)("address");
  const struct = <T extends object>(name: string, specs: Parameters<typeof structCodec<T>>[2]): Codec<T> =>
    structCodec<T>(name, releases, specs);
  const backend = {
    address,
    port: be("port"),
    protocol: uint("proto"),
    state: uint("flags"),
    clusterId: optional(uint("cluster_id")),
    zone: orElse(uint("zone"), 0),
  };
  return {
    serviceKey: struct<ServiceKey>(`${prefix}_key`, {
      address,
      port: be("dport"),
      slot: uint("backend_slot"),
      protocol: uint("proto"),
      scope: uint("scope"),
    }),
    serviceValue: struct<ServiceValue>(`${prefix}_service`, {
      union0: uint("backend_id"),
      count: uint("count"),
      revNatId: be("rev_nat_index"),
      flags: uint("flags"),
      flags2: uint("flags2"),
      quarantinedCount: orElse(uint("qcount"), 0),
    }),
    backendValue: struct<BackendValue>(`${prefix}_backend`, backend),
    backendValueV2: struct<BackendValue>(`${prefix}_backend_v2`, backend),
    sourceRangeKey: mapCodec(
      struct<RawSourceRange>(`${prefix}_src_range_key`, {
        prefixLength: uint("lpm_key"),
        revNatId: be("rev_nat_id"),
        address: (prefix === "lb4" ? ip4 : ip6)("addr"),
      }),
      sourceRangeOfRaw,
      rawOfSourceRange,
    ),
    revNatValue: struct<RevNatValue>(`${prefix}_reverse_nat`, { address, port: be("port") }),
    sockRevNatKey: struct<SockRevNatKey>(`${family}_revnat_tuple`, {
      cookie: u64("cookie"),
      address,
      port: be("port"),
    }),
    sockRevNatValue: struct<SockRevNatValue>(`${family}_revnat_entry`, {
      address,
      port: be("port"),
      revNatId: be("rev_nat_index"),
    }),
  };
}

interface RawSourceRange {
  readonly prefixLength: number;
  readonly revNatId: number;
  readonly address: IpAddress;
}

function sourceRangeOfRaw({ prefixLength, revNatId, address }: RawSourceRange): SourceRangeKey {
  const length = prefixLength - sourceRangeStaticPrefixBits;
  if (length < 0 || length > address.bitLength) {
    throw new AbiError("abi-prefix", `a source range of IPv${address.family} cannot have ${prefixLength} prefix bits`, {
      details: { prefixLength, family: address.family },
    });
  }
  return { revNatId, prefix: IpPrefix.of(address, length) };
}

function rawOfSourceRange({ revNatId, prefix }: SourceRangeKey): RawSourceRange {
  return { prefixLength: sourceRangeStaticPrefixBits + prefix.length, revNatId, address: prefix.address };
}

/** Load-balancing algorithms as the master's top byte numbers them, since 1.17; 0 is the agent's default. */
export const lbAlgorithms = ["default", "random", "maglev", "first"] as const;
export type LbAlgorithm = (typeof lbAlgorithms)[number];

/** The u32 of a master entry. Up to 1.16 all of it is the time-out. */
export function masterUnion(affinityTimeoutSeconds: number, algorithm: LbAlgorithm): number {
  return ((affinityTimeoutSeconds & 0xffffff) | (lbAlgorithms.indexOf(algorithm) << 24)) >>> 0;
}

function serviceRow(
  key: ServiceKey,
  value: ServiceValue,
  parts: {
    readonly backend: LbServiceRow["backend"];
    readonly node: string | undefined;
    readonly release: Release;
    /** Those of the flags that came so far: ten thousand Services have a few of them. */
    readonly flagTexts: Map<number, readonly string[]>;
  },
): LbServiceRow {
  const flags = value.flags | (value.flags2 << 8);
  const flagTexts = parts.flagTexts.get(flags) ?? serviceFlagTexts(flags, parts.release);
  parts.flagTexts.set(flags, flagTexts);
  const isMaster = key.slot === 0;
  const isL7 = isMaster && (flags & serviceFlag.l7LoadBalancer) !== 0;
  // A time-out of more than 194 days would fill the byte that holds the algorithm since 1.17: nobody sets one.
  const hasAlgorithm = isReleaseSince(parts.release, "1.17");
  const timeout = hasAlgorithm ? value.union0 & 0xffffff : value.union0;
  return {
    node: parts.node,
    release: parts.release,
    address: key.address,
    port: key.port,
    protocol: key.protocol,
    scope: key.scope === 1 ? "internal" : "external",
    slot: key.slot,
    union0: value.union0,
    backendId: isMaster ? 0 : value.union0,
    count: value.count,
    quarantinedCount: value.quarantinedCount,
    revNatId: value.revNatId,
    flags: value.flags,
    flags2: value.flags2,
    serviceType: serviceType(flags),
    flagTexts,
    affinityTimeoutSeconds: isMaster && !isL7 ? timeout : 0,
    algorithm: (isMaster && !isL7 && hasAlgorithm ? lbAlgorithms[value.union0 >>> 24] : undefined) ?? "default",
    // The low half holds the port in network order.
    l7ProxyPort: isL7 ? ((value.union0 & 0xff) << 8) | ((value.union0 >> 8) & 0xff) : 0,
    backend: parts.backend,
    serviceName: undefined,
    backendName: undefined,
  };
}

const backendStates = ["active", "terminating", "quarantined", "maintenance"] as const;

export function backendStateName(state: number): BackendState {
  return backendStates[state] ?? "unknown";
}

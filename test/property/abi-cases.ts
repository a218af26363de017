import * as fc from "fast-check";
import { type Abi, createAbi } from "../../src/abi/abi.js";
import type { Codec } from "../../src/abi/codec.js";
import { ipcacheFlag } from "../../src/abi/ipcache.js";
import { ownerKinds } from "../../src/abi/owner.js";
import { createPolicyStatsCodecs } from "../../src/abi/policy.js";
import type { Release } from "../../src/abi/release.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { isReleaseSince } from "../../src/model/upstream-release.js";
import { partsOf, sourceIn } from "../support/small-map-samples.js";

export const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => IpAddress.fromBytes(bytes));
const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => IpAddress.fromBytes(bytes));
const ip = fc.oneof(ip4, ip6);
const prefixOf = (address: fc.Arbitrary<IpAddress>) =>
  fc
    .tuple(address, fc.integer({ min: 0, max: 128 }))
    .map(([base, length]) => IpPrefix.of(base, Math.min(length, base.bitLength)));
const prefix = prefixOf(ip);
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(":"));
const word = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."abcXYZ019-_."), maxLength });
const only = <T>(value: T): fc.Arbitrary<T> => fc.constant(value);

/** Values of one codec, in the range that the release's layout has. */
export interface Case {
  readonly name: string;
  readonly codec: Codec<never>;
  readonly values: fc.Arbitrary<never>;
}

function item<T>(name: string, codec: Codec<T>, values: fc.Arbitrary<T>): Case {
  return { name, codec: codec as unknown as Codec<never>, values: values as unknown as fc.Arbitrary<never> };
}

/** A case for every codec of the release. */
export function casesOf(release: Release): readonly Case[] {
  const abi = createAbi(release);
  return [
    ...conntrackCases(abi),
    ...loadBalancingCases(abi),
    ...endpointCases(abi),
    ...policyCases(abi),
    ...eventCases(abi),
    ...smallMapCases(release),
    ...(release === "1.20" ? ownerCases(abi) : []),
  ];
}

function conntrackCases({ conntrack, release }: Abi): readonly Case[] {
  const tuple = (address: fc.Arbitrary<IpAddress>) =>
    fc.record({ daddr: address, saddr: address, dport: u16, sport: u16, protocol: u8, flags: u8 });
  return [
    item("ct tuple v4", conntrack.tuple4, tuple(ip4)),
    item("ct tuple v6", conntrack.tuple6, tuple(ip6)),
    item(
      "ct entry",
      conntrack.entry,
      fc.record({
        union0: u64,
        backendId: u64,
        packets: u64,
        bytes: u64,
        lifetimeSeconds: u32,
        flags: u16,
        revNatId: u16,
        natPort: isReleaseSince(release, "1.19") ? u16 : only(undefined),
        interfaceIndex: isReleaseSince(release, "1.18") ? only(undefined) : u16,
        txFlagsSeen: u8,
        rxFlagsSeen: u8,
        sourceIdentity: u32,
        lastTxReportSeconds: u32,
        lastRxReportSeconds: u32,
      }),
    ),
  ];
}

function loadBalancingCases({ loadBalancing, release }: Abi): readonly Case[] {
  const cluster = isReleaseSince(release, "1.15") ? u16 : u8;
  return [
    item("backend id", loadBalancing.backendId, u32),
    item("service id", loadBalancing.revNatId, u16),
    ...(
      [
        ["v4", ip4],
        ["v6", ip6],
      ] as const
    ).flatMap(([family, address]) => {
      const codecs = loadBalancing[family];
      return [
        item(
          `service key ${family}`,
          codecs.serviceKey,
          fc.record({ address, port: u16, slot: u16, protocol: u8, scope: u8 }),
        ),
        item(
          `service value ${family}`,
          codecs.serviceValue,
          fc.record({
            union0: u32,
            count: u16,
            revNatId: u16,
            flags: u8,
            flags2: u8,
            quarantinedCount: isReleaseSince(release, "1.17") ? u16 : only(0),
          }),
        ),
        item(
          `backend ${family}`,
          codecs.backendValue,
          fc.record({
            address,
            port: u16,
            protocol: u8,
            state: u8,
            clusterId: cluster,
            zone: isReleaseSince(release, "1.16") ? u8 : only(0),
          }),
        ),
        item(
          `backend v2 ${family}`,
          codecs.backendValueV2,
          fc.record({ address, port: u16, protocol: u8, state: u8, clusterId: only(undefined), zone: only(0) }),
        ),
        item(`source range ${family}`, codecs.sourceRangeKey, fc.record({ revNatId: u16, prefix: prefixOf(address) })),
        item(`revnat ${family}`, codecs.revNatValue, fc.record({ address, port: u16 })),
        item(`sock revnat key ${family}`, codecs.sockRevNatKey, fc.record({ cookie: u64, address, port: u16 })),
        item(`sock revnat value ${family}`, codecs.sockRevNatValue, fc.record({ address, port: u16, revNatId: u16 })),
      ];
    }),
  ];
}

function endpointCases(abi: Abi): readonly Case[] {
  const { release, ipcache, endpoints } = abi;
  const cluster = isReleaseSince(release, "1.15") ? u16 : u8;
  const isV2 = isReleaseSince(release, "1.18");
  const nonZero = (address: IpAddress): boolean => address.bytes.some((byte) => byte !== 0);
  const v4Flags = fc
    .constantFrom(0, 1, ...(isV2 ? [2, 10] : []))
    .map((flags) => (isReleaseSince(release, "1.16") ? flags : 0));
  const tunnelV4 = fc.record({ tunnelEndpoint: fc.option(ip4.filter(nonZero), { nil: undefined }), flags: v4Flags });
  const tunnelV6 = fc.record({
    tunnelEndpoint: ip6.filter(nonZero),
    flags: only(ipcacheFlag.hasTunnelEndpoint | ipcacheFlag.ipv6TunnelEndpoint),
  });
  return [
    item("ipcache key", ipcache.key, fc.record({ prefix, clusterId: cluster })),
    item(
      "ipcache value",
      ipcache.value,
      fc
        .tuple(fc.record({ identity: u32, encryptKey: u8 }), isV2 ? fc.oneof(tunnelV4, tunnelV6) : tunnelV4)
        .map(([head, tunnel]) => ({ ...head, ...tunnel })),
    ),
    item("endpoint key", endpoints.key, fc.record({ address: ip, key: u8, clusterId: cluster })),
    item(
      "endpoint info",
      endpoints.value,
      fc.record({
        interfaceIndex: u32,
        endpointId: u16,
        flags: u32,
        routeInfo: isReleaseSince(release, "1.20") ? u32 : only(0),
        mac,
        nodeMac: mac,
        identity: u32,
        parentInterfaceIndex: isReleaseSince(release, "1.17") ? u32 : only(0),
        eventOptions: release === "1.20" ? u8 : only(0),
      }),
    ),
    ...(isV2
      ? []
      : [
          item("tunnel key", abi.tunnel.key, fc.record({ address: ip, clusterId: cluster })),
          item("tunnel value", abi.tunnel.value, fc.record({ address: ip, encryptKey: u8 })),
        ]),
  ];
}

function policyCases({ release, policy, metrics }: Abi): readonly Case[] {
  const when = <T>(has: boolean, values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    has ? values : only(undefined);
  const hasPrecedence = isReleaseSince(release, "1.19");
  const hasExplicitAuth = isReleaseSince(release, "1.17");
  return [
    item(
      "policy key",
      policy.key,
      fc.record({ prefixLength: u32, identity: u32, isEgress: fc.boolean(), protocol: u8, port: u16 }),
    ),
    item(
      "policy entry",
      policy.value,
      fc.record({
        proxyPort: u16,
        isDeny: fc.boolean(),
        lpmPrefixLength: isReleaseSince(release, "1.16") ? fc.integer({ min: 0, max: 31 }) : only(0),
        authType: fc.integer({ min: 0, max: hasExplicitAuth ? 127 : 255 }),
        hasExplicitAuthType: hasExplicitAuth ? fc.boolean() : only(false),
        precedence: when(hasPrecedence, u32),
        cookie: when(hasPrecedence, u32),
        proxyPortPriority: when(release === "1.17" || release === "1.18", u8),
        packets: when(!isReleaseSince(release, "1.18"), u64),
        bytes: when(!isReleaseSince(release, "1.18"), u64),
      }),
    ),
    ...(isReleaseSince(release, "1.18") ? policyStatsCases(release) : []),
    item(
      "metric key",
      metrics.key,
      fc.record({
        reason: u8,
        direction: fc.integer({ min: 0, max: 3 }),
        line: when(isReleaseSince(release, "1.16"), u16),
        file: when(isReleaseSince(release, "1.16"), u8),
      }),
    ),
    item("metric value", metrics.value, fc.record({ count: u64, bytes: u64 })),
  ];
}

function policyStatsCases(release: Release): readonly Case[] {
  const { key, value } = createPolicyStatsCodecs([release]);
  return [
    item(
      "policy stats key",
      key,
      fc.record({
        endpointId: u16,
        prefixLength: u8,
        identity: u32,
        isEgress: fc.boolean(),
        protocol: u8,
        port: u16,
      }),
    ),
    item("policy stats", value, fc.record({ packets: u64, bytes: u64 })),
  ];
}

function eventCases({ release, events }: Abi): readonly Case[] {
  const header = {
    source: u16,
    hash: u32,
    originalLengthBytes: u32,
    capturedLengthBytes: u16,
    version: u8,
  };
  const s8 = fc.integer({ min: -128, max: 127 });
  const s32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const hasIds = isReleaseSince(release, "1.19");
  const hasDropFlags = isReleaseSince(release, "1.17");
  return [
    item(
      "drop",
      events.drop,
      fc.record({
        ...header,
        reason: u8,
        sourceIdentity: u32,
        destinationIdentity: u32,
        destinationEndpoint: u32,
        line: u16,
        file: u8,
        extendedError: s8,
        interfaceIndex: u32,
        flags: hasDropFlags ? u8 : only(0),
        ipTraceId: hasIds ? u64 : only(0n),
      }),
    ),
    item(
      "trace",
      events.trace,
      fc
        .tuple(
          fc.record({
            ...header,
            observationPoint: u8,
            sourceIdentity: u32,
            destinationIdentity: u32,
            destinationId: u16,
            reason: u8,
            flags: u8,
            interfaceIndex: u32,
            ipTraceId: hasIds ? u64 : only(0n),
          }),
          ip,
        )
        // The first flag says which family the address has.
        .map(([rest, originalAddress]) => ({
          ...rest,
          flags: originalAddress.family === 6 ? rest.flags | 1 : rest.flags & ~1,
          originalAddress,
        })),
    ),
    item(
      "policy verdict",
      events.policyVerdict,
      fc.record({
        ...header,
        remoteIdentity: u32,
        verdict: s32,
        destinationPort: u16,
        protocol: u8,
        direction: fc.integer({ min: 0, max: 3 }),
        isIpv6: fc.boolean(),
        matchType: fc.integer({ min: 0, max: 7 }),
        isAudited: fc.boolean(),
        isL3Device: fc.boolean(),
        authType: u8,
        cookie: hasIds ? u32 : only(0),
      }),
    ),
    item("debug", events.debug, fc.record({ source: u16, hash: u32, code: u8, arg1: u32, arg2: u32, arg3: u32 })),
    item("capture", events.capture, fc.record({ ...header, code: u8, arg1: u32, arg2: u32 })),
    item(
      "recorder",
      events.recorder,
      fc.record({
        direction: u8,
        ruleId: u16,
        timestampNs: u64,
        capturedLengthBytes: u32,
        originalLengthBytes: u32,
      }),
    ),
    item(
      "trace sock",
      events.traceSock,
      fc.record({
        xlatePoint: u8,
        protocol: fc.constantFrom(0, 6, 17),
        destination: ip,
        destinationPort: u16,
        socketCookie: u64,
        cgroupId: u64,
      }),
    ),
  ];
}

function ownerCases({ owner }: Abi): readonly Case[] {
  return [
    item("owner key", owner.key, fc.record({ kind: fc.constantFrom(...ownerKinds), name: word(60) })),
    item("owner value", owner.value, fc.record({ installId: word(36), objectId: u32, version: u32 })),
  ];
}

/** Key and value of every map that is declared in one place. */
function smallMapCases(release: Release): readonly Case[] {
  return smallMaps.flatMap(({ sources }) =>
    sources.flatMap((source) => {
      const found = sourceIn(source, release);
      if (found === undefined) return [];
      const { structs, codecs } = found;
      return [
        item(`${source.pin} key`, codecs.key, partsOf(structs.key, source.key, release)),
        item(`${source.pin} value`, codecs.value, partsOf(structs.value, source.value, release)),
      ];
    }),
  );
}

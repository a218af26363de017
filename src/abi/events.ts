import type { IpAddress } from "../lib/ip.js";
import type { AddressReader } from "./address-reader.js";
import { AbiError, type Codec, checkBounds, mapCodec } from "./codec.js";
import type { Release } from "./release.js";
import { structCodec } from "./struct-codec.js";
import { bit, bitGroup, bits, type FieldSpecs, ip4, ip6, orElse, sint, u64, uint } from "./struct-fields.js";

/** First byte of every record of `cilium_events` and `cts_events`. */
export const messageType = { drop: 1, debug: 2, capture: 3, trace: 4, policyVerdict: 5, traceSock: 7 } as const;

/** What drop, trace and verdict records begin with (16 bytes). */
export interface CaptureHeader {
  /** Endpoint whose program sent it; 0 for the host's programs. */
  readonly source: number;
  /** Hash of the packet's flow. */
  readonly hash: number;
  readonly originalLengthBytes: number;
  readonly capturedLengthBytes: number;
  readonly version: number;
}

/** `drop_notify`: 36 bytes up to 1.16, 40 in 1.17 and 1.18, 48 since. */
export interface DropHeader extends CaptureHeader {
  /** Positive code, see drop-reasons.ts. */
  readonly reason: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly destinationEndpoint: number;
  readonly line: number;
  /** Id of a source file, see source-files.ts. */
  readonly file: number;
  /** Helper's error or the like, 0 for none. */
  readonly extendedError: number;
  readonly interfaceIndex: number;
  /** {@link packetFlag}; since 1.17. */
  readonly flags: number;
  /** Since 1.19; 0 for none. */
  readonly ipTraceId: bigint;
}

/** `trace_notify`: 48 bytes up to 1.18, 56 since. */
export interface TraceHeader extends CaptureHeader {
  /** Index into `observationPoints`. */
  readonly observationPoint: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  /** Endpoint id; for `to-proxy` the proxy's port. */
  readonly destinationId: number;
  /** Index into `traceReasons`, with `traceReasonEncrypted`. */
  readonly reason: number;
  /** {@link packetFlag} */
  readonly flags: number;
  readonly interfaceIndex: number;
  /** Address before translation; all zeros when there was none. */
  readonly originalAddress: IpAddress;
  readonly ipTraceId: bigint;
}

/** `policy_verdict_notify`: 32 bytes up to 1.18, 40 since, under the same version number. */
export interface PolicyVerdictHeader extends CaptureHeader {
  readonly remoteIdentity: number;
  /** 0 allowed, above a proxy port, below a drop code. */
  readonly verdict: number;
  /** Host order; the type for ICMP. */
  readonly destinationPort: number;
  readonly protocol: number;
  /** 1 ingress, 2 egress. */
  readonly direction: number;
  readonly isIpv6: boolean;
  /** Index into `policyMatchTypes`. */
  readonly matchType: number;
  readonly isAudited: boolean;
  readonly authType: number;
  /** Since 1.19. */
  readonly cookie: number;
}

/** `trace_sock_notify`: 38 bytes up to 1.18, 40 in another order since. */
export interface TraceSockEvent {
  /** Index into `xlatePoints`. */
  readonly xlatePoint: number;
  /** IP protocol number. */
  readonly protocol: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  readonly socketCookie: bigint;
  readonly cgroupId: bigint;
}

export const packetFlag = { ipv6: 1, l3Device: 2, vxlan: 4, geneve: 8 } as const;

/** A record with the packet's first bytes, as many as the record holds. */
export type DatapathEvent =
  | ({ readonly kind: "drop"; readonly packet: Uint8Array } & DropHeader)
  | ({ readonly kind: "trace"; readonly packet: Uint8Array } & TraceHeader)
  | ({ readonly kind: "policy-verdict"; readonly packet: Uint8Array } & PolicyVerdictHeader)
  | ({ readonly kind: "trace-sock" } & TraceSockEvent)
  /** A type that this decoder does not interpret; `bytes` is the whole record. */
  | { readonly kind: "other"; readonly type: number; readonly bytes: Uint8Array };

export interface EventCodecs {
  readonly drop: Codec<DropHeader>;
  readonly trace: Codec<TraceHeader>;
  readonly policyVerdict: Codec<PolicyVerdictHeader>;
  readonly traceSock: Codec<TraceSockEvent>;
  /**
   * Decodes one record, `lengthBytes` bytes at `offset`.
   * @throws AbiError `abi-size` for a record that is cut short, `abi-version` for an unknown version
   */
  decode(bytes: Uint8Array, offset?: number, lengthBytes?: number): DatapathEvent;
}

const headerSpecs: FieldSpecs<CaptureHeader> = {
  source: uint("source"),
  hash: uint("hash"),
  originalLengthBytes: uint("len_orig"),
  capturedLengthBytes: uint("len_cap"),
  version: uint("version"),
};

/** Version byte of drop and trace records → a release that sends it. */
const releaseOfVersion: Readonly<Record<"drop" | "trace", Readonly<Record<number, Release>>>> = {
  drop: { 0: "1.16", 1: "1.16", 2: "1.18", 3: "1.20" },
  trace: { 1: "1.18", 2: "1.20" },
};

export function createEventCodecs(release: Release, addresses: AddressReader): EventCodecs {
  const drops = perRelease((of) => createDropCodec(of));
  const traces = perRelease((of) => createTraceCodec(of, addresses));
  const policyVerdict = createPolicyVerdictCodec(release);
  const traceSock = createTraceSockCodec(release, addresses);
  return {
    drop: drops(release),
    trace: traces(release),
    policyVerdict,
    traceSock,
    decode(bytes, offset = 0, lengthBytes = bytes.length - offset) {
      checkBounds("event", bytes, offset, Math.max(1, lengthBytes));
      const record = bytes.subarray(offset, offset + lengthBytes);
      switch (record[0]) {
        case messageType.drop:
          return withPacket("drop", drops(releaseOfRecord("drop", record)), record);
        case messageType.trace:
          return withPacket("trace", traces(releaseOfRecord("trace", record)), record);
        case messageType.policyVerdict:
          return withPacket("policy-verdict", policyVerdict, record);
        case messageType.traceSock:
          return { kind: "trace-sock", ...traceSock.decode(record) };
        default:
          return { kind: "other", type: record[0]!, bytes: Uint8Array.from(record) };
      }
    },
  };
}

function withPacket<Kind extends string, Header extends CaptureHeader>(
  kind: Kind,
  codec: Codec<Header>,
  record: Uint8Array,
): { readonly kind: Kind; readonly packet: Uint8Array } & Header {
  const header = codec.decode(record);
  // A ring's record may be padded behind the packet, and a perf record cut before its end.
  const packet = Uint8Array.from(record.subarray(codec.sizeBytes, codec.sizeBytes + header.capturedLengthBytes));
  return { kind, packet, ...header };
}

/** The version is at byte 14 of the header in all releases; it grew from two bytes to one, with the same value. */
function releaseOfRecord(kind: "drop" | "trace", record: Uint8Array): Release {
  checkBounds(`${kind} event`, record, 0, 16);
  const version = record[14]!;
  const found = releaseOfVersion[kind][version];
  if (found === undefined) {
    throw new AbiError("abi-version", `${version} is no known version of a ${kind} event`, {
      details: { kind, version },
    });
  }
  return found;
}

function perRelease<T>(create: (release: Release) => T): (release: Release) => T {
  const made = new Map<Release, T>();
  return (release) => {
    let codec = made.get(release);
    if (codec === undefined) {
      codec = create(release);
      made.set(release, codec);
    }
    return codec;
  };
}

function createDropCodec(release: Release): Codec<DropHeader> {
  return withType(
    messageType.drop,
    structCodec<Typed<DropHeader>>("drop_notify", [release], {
      type: uint("type"),
      ...headerSpecs,
      reason: uint("subtype"),
      sourceIdentity: uint("src_label"),
      destinationIdentity: uint("dst_label"),
      destinationEndpoint: uint("dst_id"),
      line: uint("line"),
      file: uint("file"),
      extendedError: sint("ext_error"),
      interfaceIndex: uint("ifindex"),
      flags: orElse(uint("flags"), 0),
      ipTraceId: orElse(u64("ip_trace_id"), 0n),
    }),
  );
}

function createTraceCodec(release: Release, addresses: AddressReader): Codec<TraceHeader> {
  type Raw = Omit<Typed<TraceHeader>, "originalAddress"> & { readonly v4: IpAddress; readonly v6: IpAddress };
  const raw = structCodec<Raw>(
    "trace_notify",
    [release],
    {
      type: uint("type"),
      ...headerSpecs,
      observationPoint: uint("subtype"),
      sourceIdentity: uint("src_label"),
      destinationIdentity: uint("dst_label"),
      destinationId: uint("dst_id"),
      reason: uint("reason"),
      flags: bitGroup(1, "flags"),
      interfaceIndex: uint("ifindex"),
      v4: ip4("orig_ip4"),
      v6: ip6("orig_ip6"),
      ipTraceId: orElse(u64("ip_trace_id"), 0n),
    },
    addresses,
  );
  return {
    sizeBytes: raw.sizeBytes,
    decode(bytes, offset) {
      const { type: _, v4, v6, ...event } = raw.decode(bytes, offset);
      return { ...event, originalAddress: (event.flags & packetFlag.ipv6) !== 0 ? v6 : v4 };
    },
    encode({ originalAddress, ...event }) {
      const bytes = Buffer.alloc(16);
      bytes.set(originalAddress.bytes);
      return raw.encode({
        type: messageType.trace,
        ...event,
        v4: addresses.v4(bytes, 0),
        v6: addresses.v6(bytes, 0),
      });
    },
  };
}

function createPolicyVerdictCodec(release: Release): Codec<PolicyVerdictHeader> {
  return withType(
    messageType.policyVerdict,
    structCodec<Typed<PolicyVerdictHeader>>("policy_verdict_notify", [release], {
      type: uint("type"),
      ...headerSpecs,
      remoteIdentity: uint("remote_label"),
      verdict: sint("verdict"),
      destinationPort: uint("dst_port"),
      protocol: uint("proto"),
      direction: bits("dir"),
      isIpv6: bit("ipv6"),
      matchType: bits("match_type"),
      isAudited: bit("audited"),
      authType: uint("auth_type"),
      cookie: orElse(uint("cookie"), 0),
    }),
  );
}

/** `l4_proto` is an enumeration of its own. */
const sockProtocols: Readonly<Record<number, number>> = { 0: 0, 1: 6, 2: 17 };

function createTraceSockCodec(release: Release, addresses: AddressReader): Codec<TraceSockEvent> {
  type Raw = Omit<TraceSockEvent, "destination" | "protocol"> & {
    readonly type: number;
    readonly l4: number;
    readonly isIpv6: boolean;
    readonly v4: IpAddress;
    readonly v6: IpAddress;
  };
  const raw = structCodec<Raw>(
    "trace_sock_notify",
    [release],
    {
      type: uint("type"),
      xlatePoint: uint("xlate_point"),
      l4: uint("l4_proto"),
      isIpv6: bit("ipv6"),
      v4: ip4("dst_ip.ip4"),
      v6: ip6("dst_ip.ip6"),
      destinationPort: uint("dst_port"),
      socketCookie: u64("sock_cookie"),
      cgroupId: u64("cgroup_id"),
    },
    addresses,
  );
  return {
    sizeBytes: raw.sizeBytes,
    decode(bytes, offset) {
      const { type: _, l4, isIpv6, v4, v6, ...event } = raw.decode(bytes, offset);
      return { ...event, protocol: sockProtocols[l4] ?? 0, destination: isIpv6 ? v6 : v4 };
    },
    encode({ destination, protocol, ...event }) {
      const bytes = Buffer.alloc(16);
      bytes.set(destination.bytes);
      const l4 = Number(Object.entries(sockProtocols).find(([, number]) => number === protocol)?.[0] ?? 0);
      return raw.encode({
        type: messageType.traceSock,
        ...event,
        l4,
        isIpv6: destination.family === 6,
        v4: addresses.v4(bytes, 0),
        v6: addresses.v6(bytes, 0),
      });
    },
  };
}

type Typed<Header> = Header & { readonly type: number };

/** Writes the type byte and leaves it out of the value. */
function withType<Header extends object>(type: number, codec: Codec<Typed<Header>>): Codec<Header> {
  return mapCodec(
    codec,
    ({ type: _, ...header }) => header as unknown as Header,
    (header) => ({ ...header, type }),
  );
}

import type { IpAddress } from "../../lib/ip.js";
import { messageTypes, packetFlag, type TraceHeader } from "../../model/monitor.js";
import { bitGroup, type FieldSpecs, ip4, ip6, orElse, u64, uint } from "../../model/struct-fields.js";
import { readIp4, readIp6 } from "../address-reader.js";
import { type Codec, mapCodec } from "../codec.js";
import type { Release } from "../release.js";
import { structCodec } from "../struct-codec.js";
import { captureHeaderSpecs, type Typed } from "./typed-codec.js";

type Plain = Omit<Typed<TraceHeader>, "originalAddress">;

const plainSpecs: FieldSpecs<Plain> = {
  type: uint("type"),
  ...captureHeaderSpecs,
  observationPoint: uint("subtype"),
  sourceIdentity: uint("src_label"),
  destinationIdentity: uint("dst_label"),
  destinationId: uint("dst_id"),
  reason: uint("reason"),
  flags: bitGroup(1, "flags"),
  interfaceIndex: uint("ifindex"),
  ipTraceId: orElse(u64("ip_trace_id"), 0n),
};

/** `trace_notify` of versions 1 and 2: 48 bytes up to 1.18, 56 since. */
export function createTraceCodec(release: Release): Codec<TraceHeader> {
  type Raw = Plain & { readonly v4: IpAddress; readonly v6: IpAddress };
  const raw = structCodec<Raw>("trace_notify", [release], { ...plainSpecs, v4: ip4("orig_ip4"), v6: ip6("orig_ip6") });
  return mapCodec(
    raw,
    ({ type: _, v4, v6, ...event }) => ({ ...event, originalAddress: isIpv6(event.flags) ? v6 : v4 }),
    ({ originalAddress, ...event }) => {
      const bytes = Buffer.alloc(16);
      bytes.set(originalAddress.bytes);
      return { type: messageTypes.trace, ...event, v4: readIp4(bytes, 0), v6: readIp6(bytes, 0) };
    },
  );
}

/** `trace_notify` of version 0, 32 bytes, from before all supported releases; they still read it. */
export function createOldTraceCodec(): Codec<TraceHeader> {
  const none = Buffer.alloc(16);
  return mapCodec(
    structCodec<Plain>("trace_notify_v0", ["1.14"], plainSpecs),
    ({ type: _, ...event }) => ({
      ...event,
      originalAddress: isIpv6(event.flags) ? readIp6(none, 0) : readIp4(none, 0),
    }),
    ({ originalAddress: _, ...event }) => ({ type: messageTypes.trace, ...event }),
  );
}

function isIpv6(flags: number): boolean {
  return (flags & packetFlag.ipv6) !== 0;
}

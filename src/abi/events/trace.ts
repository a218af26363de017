import { IpAddress } from "../../lib/ip.js";
import { messageTypes, packetFlag, type TraceHeader } from "../../model/monitor.js";
import { bitGroup, type FieldSpecs, ip6, orElse, u64, uint } from "../../model/struct-fields.js";
import { type Codec, mapCodec } from "../codec.js";
import type { Release } from "../release.js";
import { structCodec } from "../struct-codec.js";
import { captureHeaderSpecs } from "./capture-header.js";

type Plain = Omit<TraceHeader, "originalAddress">;

const type = messageTypes.trace;
const plainSpecs: FieldSpecs<Plain> = {
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

/** `trace_notify` of versions 1 and 2: 48 bytes up to 1.18, 56 since. The address is an IPv4 one in its first word, or IPv6. */
export function createTraceCodec(release: Release): Codec<TraceHeader> {
  const specs = { ...plainSpecs, originalAddress: ip6("orig_ip6") };
  const raw = structCodec<TraceHeader>("trace_notify", [release], specs, { type });
  return mapCodec(
    raw,
    (event) =>
      isIpv6(event.flags) ? event : { ...event, originalAddress: IpAddress.ofV4(event.originalAddress.word0) },
    (event) => {
      const { word0, word1, word2, word3 } = event.originalAddress;
      return { ...event, originalAddress: IpAddress.ofV6(word0, word1, word2, word3) };
    },
  );
}

/** `trace_notify` of version 0, 32 bytes, from before all supported releases; they still read it. */
export function createOldTraceCodec(): Codec<TraceHeader> {
  return mapCodec(
    structCodec<Plain>("trace_notify_v0", ["1.14"], plainSpecs, { type }),
    (event) => ({
      ...event,
      originalAddress: isIpv6(event.flags) ? IpAddress.ofV6(0, 0, 0, 0) : IpAddress.ofV4(0),
    }),
    ({ originalAddress: _, ...event }) => event,
  );
}

function isIpv6(flags: number): boolean {
  return (flags & packetFlag.ipv6) !== 0;
}

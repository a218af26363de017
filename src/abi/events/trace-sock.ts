import type { IpAddress } from "../../lib/ip.js";
import { messageTypes, type TraceSockHeader } from "../../model/monitor.js";
import { bit, type FieldSpecs, ip4, ip6, u64, uint } from "../../model/struct-fields.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import { readIp4, readIp6 } from "../address-reader.js";
import { type Codec, mapCodec } from "../codec.js";
import { newestOf, type Release, type Releases } from "../release.js";
import { structCodec } from "../struct-codec.js";

/** `l4_proto` is an enumeration of its own. */
const sockProtocols: Readonly<Record<number, number>> = { 0: 0, 1: 6, 2: 17 };
const highestProtocol = 2;

/** `trace_sock_notify`: 38 bytes up to 1.18, 40 in another order since. */
export function createTraceSockCodec(release: Release): Codec<TraceSockHeader> {
  type Raw = Omit<TraceSockHeader, "destination" | "protocol"> & {
    readonly l4: number;
    readonly isIpv6: boolean;
    readonly v4: IpAddress;
    readonly v6: IpAddress;
  };
  const specs: FieldSpecs<Raw> = {
    xlatePoint: uint("xlate_point"),
    l4: uint("l4_proto"),
    isIpv6: bit("ipv6"),
    v4: ip4("dst_ip.ip4"),
    v6: ip6("dst_ip.ip6"),
    destinationPort: uint("dst_port"),
    socketCookie: u64("sock_cookie"),
    cgroupId: u64("cgroup_id"),
  };
  const raw = structCodec("trace_sock_notify", [release], specs, { type: messageTypes["trace-sock"] });
  return mapCodec(
    raw,
    ({ l4, isIpv6, v4, v6, ...event }) => ({
      ...event,
      protocol: sockProtocols[l4] ?? 0,
      destination: isIpv6 ? v6 : v4,
    }),
    ({ destination, protocol, ...event }) => {
      const bytes = Buffer.alloc(16);
      bytes.set(destination.bytes);
      return {
        ...event,
        l4: Number(Object.entries(sockProtocols).find(([, number]) => number === protocol)?.[0] ?? 0),
        isIpv6: destination.family === 6,
        v4: readIp4(bytes, 0),
        v6: readIp6(bytes, 0),
      };
    },
  );
}

/**
 * The release whose form a record has where both remain: in a perf ring both are padded to 44 bytes, so protocol and flag
 * must tell, which lie at either end.
 */
export function traceSockRelease(candidates: Releases, record: Uint8Array): Release {
  const newest = newestOf(candidates);
  const older = newestOf(candidates.filter((release) => !isReleaseSince(release, "1.19")));
  if (!isReleaseSince(newest, "1.19") || isReleaseSince(older, "1.19")) return newest;
  if (record.length < 40) return older;
  const isOlder = record[36]! > 0 && record[36]! <= highestProtocol && record[37]! <= 1;
  const isNewer = record[2]! <= highestProtocol && record[3]! <= 1 && record[6] === 0 && record[7] === 0;
  return isOlder && !isNewer ? older : newest;
}

import { tc } from "../harness.js";
import { internetChecksum } from "../packet-builder.js";
import type { Outcome } from "./judge-frame.js";
import type { ReadPacket } from "./packet-reader.js";

const ETHERNET_BYTES = 14;
const shape = {
  4: { type: 0x0800, headerBytes: 20, source: 12, addressBytes: 4, protocolAt: 9, protocol: 1, longest: 576 },
  6: { type: 0x86dd, headerBytes: 40, source: 8, addressBytes: 16, protocolAt: 6, protocol: 58, longest: 1280 },
} as const;

/** What is wrong with an ICMP error of the node to the sender of a packet; undefined: nothing. None at all is no mistake. */
export function judgeAnswer(
  frame: Buffer,
  { verdict, data }: Outcome,
  packet: ReadPacket,
  hostAddresses: ReadonlySet<string>,
): string | undefined {
  if (verdict === tc.shot) return undefined;
  if (verdict !== tc.redirect) return `verdict ${verdict} instead of an answer`;
  const of = shape[packet.family];
  const icmpAt = ETHERNET_BYTES + of.headerBytes;
  if (data.length < icmpAt + 8 || data.length > ETHERNET_BYTES + of.longest) return `an answer of ${data.length} bytes`;
  if (data.readUInt16BE(12) !== of.type || data[ETHERNET_BYTES + of.protocolAt] !== of.protocol) return "no ICMP error";
  const addresses = data.subarray(ETHERNET_BYTES + of.source, ETHERNET_BYTES + of.source + 2 * of.addressBytes);
  const source = addresses.toString("hex", 0, of.addressBytes);
  if (!hostAddresses.has(source)) return `an answer from ${source}`;
  if (addresses.toString("hex", of.addressBytes) !== packet.source) return "an answer to somebody else";
  const icmp = data.subarray(icmpAt);
  const pseudo = Buffer.concat([addresses, Buffer.from([icmp.length >> 8, icmp.length & 0xff, 0, of.protocol])]);
  if (packet.family === 4 && internetChecksum(data.subarray(ETHERNET_BYTES, icmpAt)) !== 0)
    return "a wrong IP checksum";
  if (internetChecksum(packet.family === 6 ? pseudo : Buffer.alloc(0), icmp) !== 0) return "a wrong ICMP checksum";
  const quoted = icmp.subarray(8);
  const isWhole = quoted.equals(frame.subarray(ETHERNET_BYTES, ETHERNET_BYTES + quoted.length));
  return isWhole ? undefined : `quotes ${quoted.toString("hex")}`;
}

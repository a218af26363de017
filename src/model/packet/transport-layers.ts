import { be16, be32, type Decoding, decoded, undecodable } from "./decoding.js";
import type { SctpLayer, TcpLayer, TcpOption, UdpLayer } from "./layers.js";

const minTcpBytes = 20;

export function decodeTcp(data: Uint8Array): Decoding<TcpLayer> {
  if (data.length < minTcpBytes) return undecodable(`Invalid TCP header. Length ${data.length} less than 20`, true);
  const headerWords = data[12]! >> 4;
  const headerBytes = 4 * headerWords;
  if (headerWords < 5) return undecodable(`Invalid TCP data offset ${headerWords} < 5`);
  if (headerBytes > data.length) return undecodable("TCP data offset greater than packet length", true);
  const options = tcpOptions(data.subarray(minTcpBytes, headerBytes));
  if ("error" in options) return undecodable(options.error, options.isTruncated);
  return decoded({
    kind: "tcp",
    contents: data.subarray(0, headerBytes),
    payload: data.subarray(headerBytes),
    sourcePort: be16(data, 0),
    destinationPort: be16(data, 2),
    sequence: be32(data, 4),
    acknowledgement: be32(data, 8),
    headerWords,
    flags: data[13]!,
    hasNonce: (data[12]! & 1) !== 0,
    window: be16(data, 14),
    checksum: be16(data, 16),
    urgent: be16(data, 18),
    ...options,
  });
}

function tcpOptions(
  area: Uint8Array,
): Pick<TcpLayer, "options" | "padding"> | { readonly error: string; readonly isTruncated: boolean } {
  const options: TcpOption[] = [];
  const empty = new Uint8Array(0);
  let rest = area;
  while (rest.length > 0) {
    const kind = rest[0]!;
    if (kind <= 1) {
      options.push({ kind, length: 1, data: empty });
      rest = rest.subarray(1);
      if (kind === 0) return { options, padding: rest };
      continue;
    }
    const length = rest[1];
    if (length === undefined) {
      return { error: `Invalid TCP option length. Length ${rest.length} less than 2`, isTruncated: true };
    }
    if (length < 2) return { error: `Invalid TCP option length ${length} < 2`, isTruncated: false };
    if (length > rest.length) {
      const error = `Invalid TCP option length ${length} exceeds remaining ${rest.length} bytes`;
      return { error, isTruncated: true };
    }
    options.push({ kind, length, data: rest.subarray(2, length) });
    rest = rest.subarray(length);
  }
  return { options, padding: empty };
}

const udpBytes = 8;

export function decodeUdp(data: Uint8Array): Decoding<UdpLayer> {
  if (data.length < udpBytes) return undecodable(`Invalid UDP header. Length ${data.length} less than 8`, true);
  const length = be16(data, 4);
  if (length > 0 && length < udpBytes) return undecodable(`UDP packet too small: ${length} bytes`);
  const layer: UdpLayer = {
    kind: "udp",
    contents: data.subarray(0, udpBytes),
    // 0 is a jumbogram: all the rest.
    payload: data.subarray(udpBytes, length === 0 ? data.length : Math.min(length, data.length)),
    sourcePort: be16(data, 0),
    destinationPort: be16(data, 2),
    length,
    checksum: be16(data, 6),
  };
  return decoded(layer, length > data.length);
}

export function decodeSctp(data: Uint8Array): Decoding<SctpLayer> {
  if (data.length < 12) return undecodable("Invalid SCTP common header length");
  return decoded({
    kind: "sctp",
    contents: data.subarray(0, 12),
    payload: data.subarray(12),
    sourcePort: be16(data, 0),
    destinationPort: be16(data, 2),
    verificationTag: be32(data, 4),
    checksum: be32(data, 8),
  });
}

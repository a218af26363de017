import { tc } from "../harness.js";
import { internetChecksum, macBytes, proto } from "../packet-builder.js";
import { judgeErrorContent } from "./edge-errors.js";
import { judgeAnswer } from "./judge-answer.js";
import type { Expectation, Route, WorldService } from "./packet-oracle.js";
import { isIcmp, type ReadPacket, readQuoted } from "./packet-reader.js";

export interface Outcome {
  readonly verdict: number;
  readonly data: Buffer;
}

interface Field {
  readonly from: number;
  readonly bytes: number;
}

const ETHERNET_BYTES = 14;
const checksumAt: Readonly<Record<number, number>> = {
  [proto.tcp]: 16,
  [proto.udp]: 6,
  [proto.icmp]: 2,
  [proto.icmpv6]: 2,
};

/** What is wrong with what became of a packet; undefined: nothing. */
export function judgeOutcome(
  frame: Buffer,
  outcome: Outcome,
  expected: Expectation,
  services: readonly WorldService[],
): string | undefined {
  if (outcome.verdict === tc.shot) return undefined;
  if (expected.kind === "drop") return `let through with verdict ${outcome.verdict}`;
  if (expected.kind === "link") return undefined;
  if (expected.kind === "answer") return judgeAnswer(frame, outcome, expected.packet, expected.hostAddresses);
  const { packet } = expected;
  if (outcome.data.length !== frame.length) return `${frame.length} bytes became ${outcome.data.length}`;
  const fields = fieldsOf(packet);
  const destination = text(outcome.data, fields.destination);
  const port = packet.fragment === "later" ? undefined : outcome.data.readUInt16BE(packet.l4Offset + 2);
  const route = expected.routes.find((one) => isRoute(one, packet, destination, port));
  if (route === undefined) return `sent to ${destination}:${port}`;
  return (
    judgeRoute(outcome, route) ??
    (hasOtherQuote(frame, outcome.data, packet)
      ? judgeQuote(frame, outcome.data, packet, services)
      : judgeChanges(frame, outcome.data, packet, route, services))
  );
}

function hasOtherQuote(before: Buffer, after: Buffer, packet: ReadPacket): boolean {
  const from = packet.l4Offset + 8;
  return isIcmp(packet) && !before.subarray(from).equals(after.subarray(from));
}

/** An error about a pod's connection to a Service quotes the frontend that it has dialled, and comes from there if the backend has sent it. */
function judgeQuote(
  before: Buffer,
  after: Buffer,
  packet: ReadPacket,
  services: readonly WorldService[],
): string | undefined {
  const [was, is] = [before, after].map((frame) => readQuoted(frame, packet));
  const { source } = fieldsOf(packet);
  const senders = [text(before, source), was?.destination === text(before, source) ? is?.destination : undefined];
  const isDialled = services.some(
    (service) =>
      service.address === is?.destination &&
      service.protocol === is.protocol &&
      service.port === is.ports.destination &&
      service.backends.some((one) => one.address === was?.destination && one.port === was.ports.destination),
  );
  const isOwn = was?.source === packet.destination && is?.source === was.source && is.ports.source === was.ports.source;
  if (!isDialled || !isOwn || !senders.includes(text(after, source)))
    return `quote changed to ${after.toString("hex")}`;
  return judgeErrorContent(before, after, packet);
}

function isRoute(route: Route, packet: ReadPacket, destination: string, port: number | undefined): boolean {
  if (route.destination !== destination) return false;
  return port === undefined || isIcmp(packet) || route.port === port;
}

function judgeRoute({ verdict, data }: Outcome, { verdict: wanted, mac }: Route): string | undefined {
  if (verdict !== tc[wanted]) return `verdict ${verdict} instead of ${wanted}`;
  if (mac !== undefined && !data.subarray(0, 6).equals(macBytes(mac))) return `handed to ${data.toString("hex", 0, 6)}`;
  return undefined;
}

export function fieldsOf({ family, l4Offset, protocol }: ReadPacket): Readonly<Record<string, Field>> & {
  readonly source: Field;
  readonly destination: Field;
} {
  const bytes = family === 4 ? 4 : 16;
  const source = ETHERNET_BYTES + (family === 4 ? 12 : 8);
  return {
    macs: { from: 0, bytes: 12 },
    hopLimit: { from: ETHERNET_BYTES + (family === 4 ? 8 : 7), bytes: 1 },
    headerChecksum: { from: ETHERNET_BYTES + 10, bytes: family === 4 ? 2 : 0 },
    source: { from: source, bytes },
    destination: { from: source + bytes, bytes },
    echo: { from: l4Offset + 4, bytes: 2 },
    sourcePort: { from: l4Offset, bytes: 2 },
    destinationPort: { from: l4Offset + 2, bytes: 2 },
    checksum: { from: l4Offset + (checksumAt[protocol] ?? 0), bytes: protocol in checksumAt ? 2 : 0 },
  };
}

function text(frame: Buffer, { from, bytes }: Field): string {
  return frame.toString("hex", from, from + bytes);
}

function judgeChanges(
  before: Buffer,
  after: Buffer,
  packet: ReadPacket,
  route: Route,
  services: readonly WorldService[],
): string | undefined {
  const fields = fieldsOf(packet);
  const isReversed = text(before, fields.source) !== text(after, fields.source);
  if (isReversed && !isFrontendOf(before, after, packet, services))
    return `source became ${text(after, fields.source)}`;
  const isTranslated = route.isTranslated || isReversed;
  const changeable = ["macs", "hopLimit", "headerChecksum"];
  if (isTranslated) changeable.push("checksum");
  if (route.isTranslated) changeable.push("destination", "destinationPort");
  if (isReversed) changeable.push("source", "sourcePort");
  const cleared = [before, after].map((frame) => clear(frame, packet, fields, changeable));
  if (!cleared[0]!.equals(cleared[1]!)) return `changed to ${after.toString("hex")}`;
  return judgeChecksums(before, after, packet);
}

/** Fields of L4 are only there where the packet has an L4 header. */
export function clear(
  frame: Buffer,
  packet: ReadPacket,
  fields: Readonly<Record<string, Field>>,
  names: readonly string[],
): Buffer {
  const copy = Buffer.from(frame);
  const l4 = ["checksum", "sourcePort", "destinationPort", "echo"];
  for (const name of names) {
    const { from, bytes } = fields[name]!;
    if (packet.fragment !== "later" || !l4.includes(name))
      copy.fill(0, Math.min(from, copy.length), Math.min(from + bytes, copy.length));
  }
  return copy;
}

function isFrontendOf(before: Buffer, after: Buffer, packet: ReadPacket, services: readonly WorldService[]): boolean {
  const { source } = fieldsOf(packet);
  const address = text(after, source);
  const port = packet.fragment === "later" ? undefined : after.readUInt16BE(packet.l4Offset);
  return services.some(
    (service) =>
      service.address === address &&
      service.protocol === packet.protocol &&
      (port === undefined || service.port === port) &&
      service.backends.some((one) => one.address === text(before, source) && one.port === packet.ports.source),
  );
}

/** A right checksum stays right, a wrong one stays as wrong as it was: the sum over what it covers does not change. */
function judgeChecksums(before: Buffer, after: Buffer, packet: ReadPacket): string | undefined {
  return judgeHeaderChecksum(before, after, packet) ?? judgeL4Checksum(before, after, packet);
}

/** Of the IPv4 header, however long it has become. */
export function judgeHeaderChecksum(before: Buffer, after: Buffer, { family }: ReadPacket): string | undefined {
  if (family === 6) return undefined;
  const endOf = (frame: Buffer): number => ETHERNET_BYTES + (frame[ETHERNET_BYTES]! & 0xf) * 4;
  const [was, is] = [before, after].map((frame) => sum(frame.subarray(ETHERNET_BYTES, endOf(frame))));
  return was === is ? undefined : `IP checksum off by ${was} became ${is}`;
}

export function judgeL4Checksum(before: Buffer, after: Buffer, packet: ReadPacket): string | undefined {
  const at = checksumAt[packet.protocol];
  if (packet.fragment === "later" || at === undefined || before.length < packet.l4Offset + at + 2) return undefined;
  const isUdp = packet.protocol === proto.udp;
  const [fieldBefore, fieldAfter] = [before, after].map((frame) => frame.readUInt16BE(packet.l4Offset + at));
  if (isUdp && fieldBefore === 0) return fieldAfter === 0 ? undefined : "a UDP checksum out of nothing";
  if (isUdp && fieldAfter === 0) return "a UDP checksum that says there is none";
  const [was, is] = [before, after].map((frame) => sum(covered(frame, packet)));
  return was === is ? undefined : `L4 checksum off by ${was} became ${is}`;
}

/** ICMPv4 alone does not cover the addresses. Lengths and protocol stay as they are. */
function covered(frame: Buffer, packet: ReadPacket): Buffer {
  const l4 = frame.subarray(packet.l4Offset);
  if (packet.protocol === proto.icmp) return l4;
  const { source, destination } = fieldsOf(packet);
  return Buffer.concat([frame.subarray(source.from, destination.from + destination.bytes), l4]);
}

/** One's complement has two zeros. */
function sum(bytes: Buffer): number {
  return internetChecksum(bytes) % 0xffff;
}

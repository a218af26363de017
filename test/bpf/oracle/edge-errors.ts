import { tc } from "../harness.js";
import { internetChecksum, macBytes, proto } from "../packet-builder.js";
import type { ConnectionLedger, End, Flow } from "./connection-ledger.js";
import { from, replyOf, towards } from "./connection-ledger.js";
import type { EdgeNode } from "./edge-node.js";
import type { Outcome } from "./judge-frame.js";
import { flowOf } from "./packet-oracle.js";
import { hasPort, type Quoted, type ReadPacket, readQuoted } from "./packet-reader.js";

/** How an ICMP error about a translated packet has to be translated. */
export interface ErrorWay {
  readonly quoted: Flow;
  /** Of the error itself. */
  readonly source: string;
  readonly destination: string;
}

/** An error that comes in, about what left the node with another source, or about what a frontend has answered. */
export function errorWaysIn(
  frame: Buffer,
  packet: ReadPacket,
  node: EdgeNode,
  ledger: ConnectionLedger,
): { readonly ways: readonly ErrorWay[]; readonly isCertain: boolean } {
  const quoted = readQuoted(frame, packet);
  if (quoted === undefined || quoted.source !== packet.destination) return { ways: [], isCertain: true };
  const owner = hasPort(quoted, "request") ? ledger.ownerOf(replyOf(quoted)) : undefined;
  if (owner !== undefined) return { ways: [rewritten(packet, quoted, owner, owner.frontend)], isCertain: true };
  const dialled = replyOf(quoted);
  const frontend = node.frontends.find(
    (one) => one.isRoutable && one.address === quoted.source && one.port === quoted.ports.source,
  );
  if (frontend === undefined) return { ways: [], isCertain: true };
  // A connection whose first packet was dropped may have a backend all the same.
  const known = ledger.backendOf(dialled);
  const backends = known === undefined ? frontend.backends : [known];
  const wayTo = (backend: End) => rewritten(packet, quoted, backend, ledger.sourceOf(towards(dialled, backend)));
  return { ways: backends.map(wayTo), isCertain: known !== undefined };
}

/** An error that a pod sends about what reached it as an answer. */
export function errorWaysOut(frame: Buffer, packet: ReadPacket, ledger: ConnectionLedger): readonly ErrorWay[] {
  const quoted = readQuoted(frame, packet);
  const source = quoted && ledger.sourceOf(replyOf(quoted));
  if (quoted === undefined || source === undefined) return [];
  const isOuterToo = packet.source === quoted.destination;
  return [
    {
      quoted: towards(quoted, source),
      source: isOuterToo ? source.address : packet.source,
      destination: packet.destination,
    },
  ];
}

function rewritten(packet: ReadPacket, quoted: Quoted, sender: End, receiver: End | undefined): ErrorWay {
  const isOuterToo = receiver !== undefined && packet.source === quoted.destination;
  const inner = from(quoted, sender);
  return {
    quoted: receiver === undefined ? inner : towards(inner, receiver),
    source: isOuterToo ? receiver.address : packet.source,
    destination: sender.address,
  };
}

/** What is wrong with an ICMP error that was translated. */
export function judgeErrorWay(
  frame: Buffer,
  { verdict, data }: Outcome,
  packet: ReadPacket,
  ways: readonly ErrorWay[],
  node: EdgeNode,
): string | undefined {
  if (verdict === tc.shot) return undefined;
  if (data.length !== frame.length) return `${frame.length} bytes became ${data.length}`;
  const after = { ...packet, ...addressesIn(data, packet) };
  const quoted = readQuoted(data, packet);
  const way = ways.find(
    (one) =>
      one.source === after.source &&
      one.destination === after.destination &&
      quoted !== undefined &&
      flowOf(one.quoted) === flowOf(quoted),
  );
  if (way === undefined)
    return `an error to ${after.destination} from ${after.source} about ${quoted && flowOf(quoted)}, not ${ways.map((one) => `${one.destination} about ${flowOf(one.quoted)}`)}`;
  const pod = node.world.pods.find(({ addresses }) => addresses.includes(after.destination));
  if (pod !== undefined && verdict === tc.redirect && !data.subarray(0, 6).equals(macBytes(pod.mac)))
    return "an error handed to another pod";
  return judgeErrorContent(frame, data, packet);
}

function addressesIn(frame: Buffer, { family }: ReadPacket): { readonly source: string; readonly destination: string } {
  const [at, bytes] = family === 4 ? [26, 4] : [22, 16];
  const [source, destination] = [at, at + bytes].map((start) => frame.toString("hex", start, start + bytes));
  return { source: source!, destination: destination! };
}

/** Nothing but addresses and ports has changed, and the checksums over them are as right as they were. */
/** What an error's translation leaves alone, and its checksums. */
export function judgeErrorContent(frame: Buffer, data: Buffer, packet: ReadPacket): string | undefined {
  const [before, after] = [frame, data].map((bytes) => withoutEnds(bytes, packet));
  if (!before!.equals(after!)) return `changed to ${data.toString("hex")}`;
  const [was, is] = [frame, data].map((bytes) => sumsOf(bytes, packet));
  return was === is ? undefined : `checksums off by ${was} became ${is}`;
}

function withoutEnds(frame: Buffer, packet: ReadPacket): Buffer {
  const copy = Buffer.from(frame);
  const { family, l4Offset } = packet;
  const quote = l4Offset + 8;
  const [ttl, source, addressBytes, protocolAt] = family === 4 ? [8, 12, 8, 9] : [7, 8, 32, 6];
  copy.fill(0, 0, 12);
  copy.fill(0, 14 + ttl, 15 + ttl);
  copy.fill(0, 14 + source, 14 + source + addressBytes);
  if (family === 4) copy.fill(0, 24, 26);
  copy.fill(0, l4Offset + 2, l4Offset + 4);
  copy.fill(0, quote + source, quote + source + addressBytes);
  if (family === 4) copy.fill(0, quote + 10, quote + 12);
  const inner = quote + (family === 4 ? (frame[quote]! & 0xf) * 4 : 40);
  const isEcho = frame[quote + protocolAt] === (family === 4 ? proto.icmp : proto.icmpv6);
  if (isEcho) copy.fill(0, inner + 4, inner + 6);
  else copy.fill(0, inner, inner + 4);
  return copy;
}

/** How far off the sums over both IP headers and over the error are; one's complement has two zeros. */
function sumsOf(frame: Buffer, { family, l4Offset }: ReadPacket): string {
  const quote = l4Offset + 8;
  const headerOf = (start: number): Buffer =>
    frame.subarray(start, family === 4 ? start + (frame[start]! & 0xf) * 4 : start);
  const pseudo = family === 4 ? Buffer.alloc(0) : frame.subarray(22, 54);
  const parts = [headerOf(14), headerOf(quote), Buffer.concat([pseudo, frame.subarray(l4Offset)])];
  return parts.map((bytes) => internetChecksum(bytes) % 0xffff).join();
}

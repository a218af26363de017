import { IpAddress } from "../../../src/lib/ip.js";
import { tc } from "../harness.js";
import { internetChecksum, macBytes } from "../packet-builder.js";
import type { End, Flow } from "./connection-ledger.js";
import { clear, fieldsOf, judgeHeaderChecksum, judgeL4Checksum, type Outcome } from "./judge-frame.js";
import { flowOf } from "./packet-oracle.js";
import { isIcmp, type ReadPacket } from "./packet-reader.js";

/** A way that a packet may take through a node's edge. */
export interface Way {
  readonly verdict: "next" | "redirect";
  /** As it leaves. */
  readonly flow: Flow;
  /** The program chooses the source's port (an echo's identifier). */
  readonly choosesPort?: boolean;
  readonly hops: 0 | 1;
  readonly mac?: string;
  /** What the packet grows by: an option that tells its frontend, or another header, for the backend. */
  readonly growth?:
    | { readonly kind: "option"; readonly frontend: End }
    | { readonly kind: "wrapper"; readonly to: End };
  /** The header that an outer one was around is judged as if it had come so. */
  readonly note?: (left: Flow) => string | undefined;
}

const ETHERNET_BYTES = 14;
const l3Bytes = { 4: 20, 6: 40 } as const;
const optionBytes = { 4: 8, 6: 24 } as const;
const DSR_OPTION_4 = 0x9a;
const DSR_OPTION_6 = 0x1b;
const DESTINATION_OPTIONS = 60;

/** What is wrong with the way that a packet took; undefined: nothing. What is dropped is on nobody's way. */
export function judgeWay(
  frame: Buffer,
  outcome: Outcome,
  packet: ReadPacket,
  ways: readonly Way[],
): string | undefined {
  if (outcome.verdict === tc.shot) return undefined;
  for (const way of ways) {
    const core = coreOf(outcome.data, frame.length, packet, way);
    if (outcome.verdict !== tc[way.verdict] || core === undefined) continue;
    const left = flowIn(core, packet);
    const isTaken = flowOf(left) === flowOf(packet.fragment === "later" ? withPorts(way, left) : chosen(way, left));
    if (isTaken) return judgeContent(frame, outcome.data, core, packet, way) ?? way.note?.(left);
  }
  const left = outcome.data.length < packet.l4Offset + 8 ? "something short" : flowOf(flowIn(outcome.data, packet));
  return `verdict ${outcome.verdict} as ${left}, not one of ${ways.map((way) => `${way.verdict} ${flowOf(way.flow)}`)}`;
}

function withPorts({ flow }: Way, { ports }: Flow): Flow {
  return { ...flow, ports };
}

function chosen({ flow, choosesPort }: Way, left: Flow): Flow {
  if (choosesPort !== true) return flow;
  return { ...flow, ports: { ...flow.ports, source: left.ports.source } };
}

/** The connection that a frame belongs to whose headers lie where the packet's lay. */
function flowIn(frame: Buffer, packet: ReadPacket): Flow {
  const { source, destination } = fieldsOf(packet);
  const addresses = {
    source: frame.toString("hex", source.from, source.from + source.bytes),
    destination: frame.toString("hex", destination.from, destination.from + destination.bytes),
  };
  return { ...addresses, protocol: packet.protocol, ports: portsIn(frame, packet) };
}

function portsIn(frame: Buffer, packet: ReadPacket): Flow["ports"] {
  const { fragment, l4Offset, ports, family, icmpType } = packet;
  if (fragment === "later") return ports;
  if (!isIcmp(packet)) return { source: frame.readUInt16BE(l4Offset), destination: frame.readUInt16BE(l4Offset + 2) };
  const [request, reply] = family === 4 ? [8, 0] : [128, 129];
  const id = frame.readUInt16BE(l4Offset + 4);
  return { source: icmpType === request ? id : 0, destination: icmpType === reply ? id : 0 };
}

/** The frame without what its way has added; undefined where it has another length. */
function coreOf(data: Buffer, length: number, { family }: ReadPacket, { growth }: Way): Buffer | undefined {
  const added = growth === undefined ? 0 : growth.kind === "option" ? optionBytes[family] : l3Bytes[family];
  if (data.length !== length + added) return undefined;
  if (growth === undefined) return data;
  const at = growth.kind === "option" ? ETHERNET_BYTES + l3Bytes[family] : ETHERNET_BYTES;
  const core = Buffer.concat([data.subarray(0, at), data.subarray(at + added)]);
  if (growth.kind === "wrapper") return core;
  const lengthAt = ETHERNET_BYTES + (family === 4 ? 2 : 4);
  core.writeUInt16BE((core.readUInt16BE(lengthAt) - added) & 0xffff, lengthAt);
  if (family === 4) core[ETHERNET_BYTES]! -= added / 4;
  else core[ETHERNET_BYTES + 6] = data[at]!;
  return core;
}

function judgeContent(frame: Buffer, data: Buffer, core: Buffer, packet: ReadPacket, way: Way): string | undefined {
  const isUntouched = way.growth === undefined && way.hops === 0 && flowOf(flowIn(core, packet)) === flowOf(packet);
  if (isUntouched && way.verdict === "next")
    return core.equals(frame) ? undefined : `changed to ${data.toString("hex")}`;
  const fields = fieldsOf(packet);
  const hop = fields.hopLimit!.from;
  if (core[hop] !== frame[hop]! - way.hops) return `hop limit ${frame[hop]} became ${core[hop]}`;
  if (way.mac !== undefined && !data.subarray(0, 6).equals(macBytes(way.mac)))
    return `handed to ${data.toString("hex", 0, 6)}`;
  const changeable = ["macs", "hopLimit", "headerChecksum"];
  if (!isUntouched) changeable.push("checksum", "source", "destination");
  if (!isUntouched) changeable.push(...(isIcmp(packet) ? ["echo"] : ["sourcePort", "destinationPort"]));
  const [before, after] = [frame, core].map((bytes) => clear(bytes, packet, fields, changeable));
  if (!before!.equals(after!)) return `changed to ${data.toString("hex")}`;
  const header = way.growth?.kind === "option" ? data : core;
  return (
    judgeHeaderChecksum(frame, header, packet) ?? judgeL4Checksum(frame, core, packet) ?? judgeGrowth(data, packet, way)
  );
}

function judgeGrowth(data: Buffer, packet: ReadPacket, { growth }: Way): string | undefined {
  if (growth === undefined) return undefined;
  return growth.kind === "option" ? judgeOption(data, packet, growth.frontend) : judgeWrapper(data, packet, growth.to);
}

function judgeOption(data: Buffer, { family }: ReadPacket, frontend: End): string | undefined {
  const told = family === 4 ? readOption4(data) : readOption6(data);
  const isRight = told?.address === frontend.address && told.port === frontend.port;
  return isRight ? undefined : `tells of ${told?.address}:${told?.port}`;
}

/** The frontend that a packet's option tells of, where it is one as upstream writes it. */
export function readToldFrontend(frame: Buffer, { family, l4Offset }: ReadPacket): End | undefined {
  if (l4Offset < ETHERNET_BYTES + l3Bytes[family] + optionBytes[family] || frame.length < l4Offset) return undefined;
  return family === 4 ? readOption4(frame) : readOption6(frame);
}

function readOption4(frame: Buffer): End | undefined {
  if (frame[34] !== DSR_OPTION_4 || frame[35] !== optionBytes[4]) return undefined;
  const address = Buffer.from(frame.subarray(38, 42)).reverse().toString("hex");
  return { address, port: frame.readUInt16LE(36) };
}

function readOption6(frame: Buffer): End | undefined {
  const isDestinationOption = frame[20] === DESTINATION_OPTIONS && frame[55] === 2;
  if (!isDestinationOption || frame[56] !== DSR_OPTION_6 || frame[57] !== 20) return undefined;
  return { address: frame.toString("hex", 58, 74), port: frame.readUInt16BE(74) };
}

function judgeWrapper(data: Buffer, { family }: ReadPacket, to: End): string | undefined {
  const outer = data.subarray(ETHERNET_BYTES, ETHERNET_BYTES + l3Bytes[family]);
  const address = IpAddress.fromBytes(family === 4 ? outer.subarray(16, 20) : outer.subarray(24, 40));
  if (Buffer.from(address.bytes).toString("hex") !== to.address) return `wrapped for ${address.text}`;
  const bytes = data.length - ETHERNET_BYTES;
  if (family === 6) {
    const isRight = outer[0] === 0x60 && outer.readUInt16BE(4) === bytes - l3Bytes[6] && outer[6] === 41;
    return isRight ? undefined : `a wrong outer header ${outer.toString("hex")}`;
  }
  const isRight = outer[0] === 0x45 && outer.readUInt16BE(2) === bytes && outer[9] === 4;
  return isRight && internetChecksum(outer) === 0 ? undefined : `a wrong outer header ${outer.toString("hex")}`;
}

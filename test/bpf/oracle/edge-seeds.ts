import { IpAddress } from "../../../src/lib/ip.js";
import { makeInput, type Random } from "../../fuzz/mutate.js";
import {
  fragmentHeader,
  internetChecksum,
  ipv4Packet,
  ipv6Packet,
  type Packet6Options,
  type PacketOptions,
  proto,
  tcpFlag,
} from "../packet-builder.js";
import type { ConnectionLedger, Flow } from "./connection-ledger.js";
import type { EdgeAddresses } from "./edge-node.js";
import { makePacket } from "./packet-seeds.js";

export type EdgeHook = "fromNetdev" | "toNetdev" | "fromContainer" | "fromHost" | "toHost" | "fromOverlay";

export interface EdgeSeed {
  readonly hook: EdgeHook;
  readonly frame: Buffer;
}

interface Source {
  readonly random: Random;
  readonly family: 4 | 6;
  readonly of: EdgeAddresses;
  readonly ledger: ConnectionLedger;
}

const DSR_OPTION_4 = 0x9a;
/** As ports they are the first bytes of an option that tells a frontend. */
const PORT_LIKE_OPTION = 0x9a08;
const ETHERNET_BYTES = 14;
const flags = [
  tcpFlag.syn,
  tcpFlag.ack,
  tcpFlag.ack,
  tcpFlag.syn | tcpFlag.ack,
  tcpFlag.fin | tcpFlag.ack,
  tcpFlag.rst,
];
/** Few, so that packets meet connections of earlier ones. */
const clientPorts = [50_000, 50_001, PORT_LIKE_OPTION, 1025];
const podPorts = [8080, 40_001, 1024, 80];
const nodePorts = [30_080, 30_080, 30_053, 30_081, 30_082, 30_083, 30_083, 9000, 22];
const l4 = [proto.tcp, proto.tcp, proto.udp, proto.udp, proto.sctp];

/** A well-formed packet of each kind that a node's edge sees. */
const kinds: readonly ((source: Source) => EdgeSeed | undefined)[] = [
  dial,
  dial,
  answer,
  toPod,
  toPod,
  wrapped,
  error,
  other,
]
  .flatMap((kind) => [kind, kind])
  .concat([leave, leave, leave, ownLeaves, podErrors, podSends, podSends, inside, inside]);

export function makeEdgeSeed(
  random: Random,
  of: Readonly<Record<4 | 6, EdgeAddresses>>,
  ledger: ConnectionLedger,
): EdgeSeed {
  const family = random.pick([4, 6] as const);
  for (;;) {
    const seed = random.pick(kinds)({ random, family, of: of[family], ledger });
    if (seed !== undefined) return seed;
  }
}

/** The same broken: anywhere, in its headers, or in what a checksum covers. */
export function mutate(frame: Buffer, random: Random): Buffer {
  if (random.below(3) === 0) return makeInput([frame], random);
  const copy = Buffer.from(frame);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = ETHERNET_BYTES + random.below(Math.min(copy.length - ETHERNET_BYTES, 90));
    copy[at] = random.pick([
      copy[at]! ^ (1 << random.below(8)),
      random.below(256),
      copy[at]! + 1,
      copy[at]! - 1,
      0,
      255,
    ]);
  }
  return copy;
}

type Options = Partial<Omit<Packet6Options, "layer4">> & Partial<PacketOptions>;

function build(
  { random, family }: Source,
  hook: EdgeHook,
  options: Options & Pick<PacketOptions, "source" | "destination">,
): EdgeSeed {
  const packet = {
    tcpFlags: random.pick(flags),
    ttl: random.pick([1, 2, 64, 64, 64, 64, 255]),
    payload: Buffer.alloc(random.below(random.below(20) === 0 ? 1300 : 60), random.below(256)),
    ...(random.below(6) === 0 ? { udpChecksum: "zero" as const } : {}),
    ...options,
  };
  if (family === 6)
    return { hook, frame: ipv6Packet({ ...packet, extensions: options.extensions ?? makeExtensions(random) }) };
  const fragment =
    random.below(8) === 0 ? { fragment: random.pick([0x2000, 0x2002, 2]), identification: random.below(3) } : {};
  const frame = ipv4Packet({ ...packet, ...fragment });
  return {
    hook,
    frame: random.below(8) === 0 ? withOption4(frame, Buffer.alloc(4 * (1 + random.below(10)), 1)) : frame,
  };
}

/** Mostly none; some that there are, some that nobody knows, and more than anybody reads. */
function makeExtensions(random: Random): readonly { readonly number: number; readonly bytes: Buffer }[] {
  if (random.below(4) > 0) return [];
  if (random.below(2) === 0) {
    const offset = random.pick([0, 0, 16]);
    return [{ number: 44, bytes: fragmentHeader(random.below(3), offset, offset === 0) }];
  }
  const number = random.pick([0, 60, 60, 43, 51, 139]);
  return Array.from({ length: 1 + random.below(6) }, () => ({ number, bytes: Buffer.from("0000010400000000", "hex") }));
}

function anybody({ random, of }: Source): string {
  if (random.below(6) > 0) return random.pick([of.outsider, of.outsider, of.world, of.remote, of.otherNode]);
  return random.pick([of.client, of.server, of.node, of.gateway]);
}

function dial(source: Source): EdgeSeed {
  const { random, of } = source;
  const destinationPort = random.pick(nodePorts);
  const protocol = destinationPort === 30_053 ? proto.udp : random.below(8) === 0 ? random.pick(l4) : proto.tcp;
  const ends = { source: anybody(source), destination: random.below(10) === 0 ? of.vip : of.node };
  return build(source, "fromNetdev", { ...ends, protocol, destinationPort, sourcePort: random.pick(clientPorts) });
}

/** What somebody waits for, or nearly that. */
function answer(source: Source): EdgeSeed | undefined {
  const { random, family, ledger } = source;
  const awaited = ledger.awaited.filter(({ source: peer }) => peer.length === (family === 4 ? 8 : 32));
  if (awaited.length === 0) return undefined;
  const flow = random.pick(awaited);
  const nearly = random.below(6) === 0 ? random.pick([1, -1]) : 0;
  return build(source, "fromNetdev", { ...optionsOf(flow, family), sourcePort: (flow.ports.source + nearly) & 0xffff });
}

function toPod(source: Source): EdgeSeed {
  const { random, of } = source;
  const ends = { source: anybody(source), destination: random.pick([of.client, of.client, of.server]) };
  const ports = { sourcePort: random.pick(clientPorts), destinationPort: random.pick(podPorts) };
  const seed = build(source, "fromNetdev", { ...ends, ...ports, protocol: random.pick(l4), extensions: [] });
  return random.below(3) === 0
    ? seed
    : { ...seed, frame: told(seed.frame, source, random.pick([of.otherNode, of.vip])) };
}

/** With the frontend that another node tells of, rightly or nearly so. */
function told(frame: Buffer, { random, family }: Source, frontend: string): Buffer {
  const port = random.pick([30_080, 30_081, 0]);
  const { bytes } = IpAddress.parse(frontend);
  if (family === 4) {
    const option = Buffer.alloc(8);
    option.set([DSR_OPTION_4, random.pick([8, 8, 8, 8, 7, 4, 0, 255])]);
    option.writeUInt16LE(port, 2);
    option.set(Buffer.from(bytes).reverse(), 4);
    return withOption4(frame, option);
  }
  const option = Buffer.alloc(24);
  option.set([frame[20]!, random.pick([2, 2, 2, 2, 1, 3]), 0x1b, random.pick([20, 20, 20, 19, 0])]);
  option.set(bytes, 4);
  option.writeUInt16BE(port, 20);
  const whole = Buffer.concat([frame.subarray(0, 54), option, frame.subarray(54)]);
  whole[20] = random.pick([60, 60, 60, 0]);
  whole.writeUInt16BE(whole.length - 54, 18);
  return whole;
}

/** With bytes between the IPv4 header and what follows, as far as there is room. */
function withOption4(frame: Buffer, option: Buffer): Buffer {
  const bytes = (frame[14]! & 15) * 4;
  if (bytes + option.length > 60) return frame;
  const ip = Buffer.concat([frame.subarray(14, 34), option, frame.subarray(34)]);
  ip[0] = 0x40 | ((bytes + option.length) / 4);
  ip.writeUInt16BE(ip.length, 2);
  ip.writeUInt16BE(0, 10);
  ip.writeUInt16BE(internetChecksum(ip.subarray(0, bytes + option.length)), 10);
  return Buffer.concat([frame.subarray(0, 14), ip]);
}

/** A packet in another one, for a backend that it may have or not, from whoever. */
function wrapped(source: Source): EdgeSeed {
  const { random, family, of } = source;
  const destination = random.pick([of.node, of.node, of.otherNode, of.client, of.vip]);
  const destinationPort = random.pick(nodePorts);
  const protocol = destinationPort === 30_053 ? proto.udp : proto.tcp;
  const inner = {
    source: anybody(source),
    destination,
    protocol,
    destinationPort,
    sourcePort: random.pick(clientPorts),
  };
  const { frame } = build(source, "fromNetdev", inner);
  const outer = {
    source: random.pick([of.otherNode, of.remote, of.world]),
    destination: random.pick([of.client, of.client, of.node, of.server, of.remote]),
  };
  const number = family === 4 ? 4 : 41;
  if (family === 6)
    return { hook: "fromNetdev", frame: ipv6Packet({ ...outer, protocol: number, layer4: frame.subarray(14) }) };
  // What the builder makes of a protocol that it does not know begins with ports.
  const header = ipv4Packet({ ...outer, protocol: number, payload: frame.subarray(22) }).subarray(0, 34);
  return { hook: "fromNetdev", frame: Buffer.concat([header, frame.subarray(14)]) };
}

/** An ICMP error about a packet that went out by a translation, or came from a frontend, or never was. */
function error(source: Source): EdgeSeed {
  const { random, family, of, ledger } = source;
  const awaited = ledger.awaited.filter(({ source: peer }) => peer.length === (family === 4 ? 8 : 32));
  const flow = awaited.length > 0 ? optionsOf(random.pick(awaited), family) : undefined;
  const ownOfClient = {
    source: of.node,
    sourcePort: random.pick(nodePorts),
    destination: of.outsider,
    destinationPort: random.pick(clientPorts),
  };
  const about =
    flow === undefined || random.below(3) === 0 ? { ...ownOfClient, protocol: random.pick(l4) } : swapped(flow);
  const destination = random.below(8) === 0 ? of.gateway : about.source;
  return build(source, "fromNetdev", {
    source: random.pick([about.destination, of.world]),
    destination,
    ...errorAbout(random, family, about),
  });
}

function errorAbout(random: Random, family: 4 | 6, about: PacketOptions): Options {
  const inner = (family === 4 ? ipv4Packet(about) : ipv6Packet(about)).subarray(14);
  const type = random.pick(family === 4 ? [3, 3, 11, 12] : [1, 2, 3, 4]);
  const icmp = { type, code: random.below(5) };
  const payload = random.below(4) === 0 ? inner.subarray(0, random.below(inner.length + 1)) : inner;
  return { protocol: family === 4 ? proto.icmp : proto.icmpv6, icmp, payload, extensions: [] };
}

function other(source: Source): EdgeSeed {
  const { random, family, of } = source;
  const protocol = random.pick([proto.gre, 50, family === 4 ? proto.icmp : proto.icmpv6, proto.udp]);
  const destinationPort = random.pick([8472, 53, 22]);
  return build(source, "fromNetdev", {
    source: anybody(source),
    destination: random.pick([of.node, of.vip, of.client, of.world]),
    protocol,
    destinationPort,
  });
}

/** A pod's packet to the world, where it leaves the node. */
function leave(source: Source): EdgeSeed {
  const { random, family, of } = source;
  const protocol = random.pick([...l4, family === 4 ? proto.icmp : proto.icmpv6]);
  const ends = {
    source: random.pick([of.client, of.server]),
    destination: random.pick([of.world, of.outsider, of.otherNode]),
  };
  const icmp = protocol === proto.icmp || protocol === proto.icmpv6 ? { icmp: echo(random, family) } : {};
  return build(source, "toNetdev", {
    ...ends,
    ...icmp,
    protocol,
    sourcePort: random.pick(podPorts),
    destinationPort: random.pick([443, ...clientPorts]),
  });
}

function echo(random: Random, family: 4 | 6): { readonly type: number; readonly rest: Buffer } {
  return {
    type: random.pick(family === 4 ? [8, 8, 0, 13] : [128, 128, 129]),
    rest: Buffer.from([0, random.below(3), 0, 1]),
  };
}

/** The node's own, on ports that translated connections may have, and as a backend. */
function ownLeaves(source: Source): EdgeSeed {
  const { random, of } = source;
  const ends = {
    source: random.pick([of.node, of.gateway]),
    destination: random.pick([of.world, of.outsider, of.otherNode]),
  };
  const ports = {
    sourcePort: random.pick([9000, 40_001, 22]),
    destinationPort: random.pick([443, 8472, ...clientPorts]),
  };
  return build(source, "toNetdev", { ...ends, ...ports, protocol: random.pick(l4) });
}

function podErrors(source: Source): EdgeSeed {
  const { random, family, of } = source;
  const about = {
    source: random.pick([of.world, of.outsider]),
    sourcePort: 443,
    destination: of.client,
    destinationPort: random.pick(podPorts),
  };
  const hook = random.pick(["toNetdev", "fromContainer"] as const);
  const error = errorAbout(random, family, { ...about, protocol: random.pick([proto.tcp, proto.udp]) });
  return build(source, hook, { source: of.client, destination: about.source, ...error });
}

/** A connection of a pod's, or its answer as a backend. */
function podSends(source: Source): EdgeSeed {
  const { random, of } = source;
  const ends = { source: of.client, destination: random.pick([of.outsider, of.outsider, of.world]) };
  const ports = { sourcePort: random.pick(podPorts), destinationPort: random.pick([443, ...clientPorts]) };
  return build(source, "fromContainer", { ...ends, ...ports, protocol: random.pick([proto.tcp, proto.udp]) });
}

/** Between the node's stack, pods and the tunnel. */
function inside({ random }: Source): EdgeSeed {
  return { hook: random.pick(["fromHost", "toHost", "fromOverlay"]), frame: makePacket(random, {}) };
}

function optionsOf(flow: Flow, family: 4 | 6): PacketOptions & { readonly sourcePort: number } {
  const [source, destination] = [flow.source, flow.destination].map(
    (hex) => IpAddress.fromBytes(Buffer.from(hex, "hex")).text,
  );
  const { source: sourcePort, destination: destinationPort } = flow.ports;
  const isEcho = flow.protocol === (family === 4 ? proto.icmp : proto.icmpv6);
  const id = Buffer.alloc(4);
  id.writeUInt16BE(destinationPort, 0);
  const icmp = isEcho ? { icmp: { type: family === 4 ? 0 : 129, rest: id } } : {};
  return { source: source!, destination: destination!, protocol: flow.protocol, sourcePort, destinationPort, ...icmp };
}

function swapped({ source, destination, sourcePort, destinationPort, protocol, icmp }: PacketOptions): PacketOptions {
  const request = icmp === undefined ? {} : { icmp: { ...icmp, type: icmp.type === 0 ? 8 : 128 } };
  const ports = { sourcePort: destinationPort!, destinationPort: sourcePort! };
  return { source: destination, destination: source, protocol: protocol!, ...ports, ...request };
}

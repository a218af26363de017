import type { PolicyEntry } from "../../../src/model/datapath-port.js";
import { proto, tcpFlag } from "../packet-builder.js";
import {
  datagramOf,
  etherType,
  isIcmp,
  isIcmpError,
  type Ports,
  type Quoted,
  type ReadPacket,
  readEtherType,
  readPacket,
  readQuoted,
} from "./packet-reader.js";

/** What the maps hold, in the words of a reader who knows no map. Addresses are hex. */
export interface World {
  readonly pods: readonly WorldPod[];
  readonly hostAddresses: ReadonlySet<string>;
  /** Exact addresses that the ipcache knows; all others are the world's. */
  readonly identities: ReadonlyMap<string, number>;
  readonly tunnelled: ReadonlySet<string>;
  readonly services: readonly WorldService[];
  readonly hostMac: string;
  readonly tunnelPort: number;
}

export interface WorldPod {
  readonly addresses: readonly string[];
  readonly identity: number;
  readonly mac: string;
  readonly policy: readonly PolicyEntry[];
}

export interface WorldService {
  readonly address: string;
  readonly port: number;
  readonly protocol: number;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
}

/** What may become of a packet. */
export type Expectation =
  | { readonly kind: "drop" }
  | { readonly kind: "link" }
  /** Dropped, or turned into an ICMP error to its sender. */
  | { readonly kind: "answer"; readonly packet: ReadPacket; readonly hostAddresses: ReadonlySet<string> }
  /** Sent one of the routes, or dropped where that is not certain. */
  | {
      readonly kind: "forward";
      readonly packet: ReadPacket;
      readonly routes: readonly Route[];
      readonly isCertain: boolean;
    };

export interface Route {
  readonly destination: string;
  readonly port: number;
  readonly isTranslated: boolean;
  readonly verdict: "redirect" | "next";
  /** Of the frame that leaves; undefined: as it came. */
  readonly mac: string | undefined;
  /** Allowed by policy alone: an answer may belong to a connection whose first packet was dropped for another reason. */
  readonly isCertain: boolean;
}

/** By policy, or as an answer to what policy has permitted. */
export type Permission = "permitted" | "answer" | "denied";

export type Target = Pick<Route, "destination" | "port" | "isTranslated">;

const drop: Expectation = { kind: "drop" };
const WORLD = 2;
const HOST = 1;
const ND = { first: 133, last: 137, forbidden: [134, 137] } as const;
const MLD = [131, 132, 143];

export type Peer = Quoted | ReadPacket;

/** Names the connection that a packet would open. */
export function flowOf({
  source,
  destination,
  protocol,
  ports,
}: Pick<Peer, "source" | "destination" | "protocol" | "ports">): string {
  return [source, ports.source, destination, ports.destination, protocol].join();
}

function replyFlowOf({ source, destination, protocol, ports }: Peer): string {
  return [destination, ports.destination, source, ports.source, protocol].join();
}

/** Says what the datapath may do with a packet, from what the maps hold and which connections were allowed before. */
export class PacketOracle {
  readonly #world: World;
  readonly #datagrams = new Map<string, Ports>();
  /** Those that a backend may have got, whichever was chosen: their first fragment was for a Service. */
  readonly #translated = new Set<string>();
  /** Connections that an endpoint was allowed to open, and that one was allowed to take. */
  readonly #opened = new Set<string>();
  readonly #taken = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A packet that `sender` sends. */
  fromContainer(frame: Buffer, sender: WorldPod): Expectation {
    const packet = this.read(frame);
    if (packet === "link") return { kind: "link" };
    if (packet === undefined || this.#isForbiddenOnLink(packet)) return drop;
    if (isNeighbourTalk(packet)) return { kind: "link" };
    if (!sender.addresses.includes(packet.source)) return drop;
    if (packet.protocol === proto.udp && packet.ports.destination === this.#world.tunnelPort) return drop;
    const { hostAddresses } = this.#world;
    const isForGroup = /^(e|f)/.test(packet.family === 4 ? packet.destination : "") || /^ff/.test(packet.destination);
    if (packet.hopLimit <= 1 && !isForGroup && !hostAddresses.has(packet.destination))
      return { kind: "answer", packet, hostAddresses };
    const targets = this.#targetsOf(packet);
    const routes = targets.flatMap((target) => this.#routeFrom(frame, sender, packet, target));
    this.noteTranslated(packet, targets);
    if (routes.length === 0) return drop;
    const isCertain =
      !this.isVague(packet) && routes.length === targets.length && routes.every((route) => route.isCertain);
    return { kind: "forward", packet, routes, isCertain };
  }

  /** Later fragments for the backend itself go the way of a first one that a Service sent there. */
  noteTranslated(packet: ReadPacket, targets: readonly Target[]): void {
    if (packet.fragment !== "first") return;
    for (const { destination, port, isTranslated } of targets) {
      if (!isTranslated) continue;
      const datagram = datagramOf({ ...packet, destination });
      this.#translated.add(datagram);
      this.#datagrams.set(datagram, { ...packet.ports, destination: port });
    }
  }

  /** A later fragment of one of several datagrams: which one, the maps know. */
  isVague({ fragment, datagram }: ReadPacket): boolean {
    return fragment === "later" && this.#translated.has(datagram);
  }

  /** A packet that the stack delivers to `receiver`, with an identity in its mark or none. */
  toContainer(frame: Buffer, receiver: WorldPod, markedIdentity: number): Expectation {
    const packet = this.read(frame);
    if (packet === "link") return { kind: "link" };
    if (packet === undefined) return drop;
    if (packet.family === 6 && isNeighbourMessage(packet)) return { kind: "link" };
    if (!receiver.addresses.includes(packet.destination)) return drop;
    const identity = markedIdentity === 0 ? this.#identityOf(packet.source) : markedIdentity;
    const taken = this.take(frame, receiver, packet, identity);
    return taken === "denied" ? drop : straight(packet, "next", undefined, taken === "permitted");
  }

  /** A packet that the node's stack routes to pods. */
  fromHost(frame: Buffer): Expectation {
    const packet = this.read(frame);
    if (packet === "link" || packet === undefined) return drop;
    const { destination } = packet;
    const pod = this.#podOf(destination);
    const isFar = this.#world.tunnelled.has(destination);
    if ((pod === undefined && !isFar) || (pod !== undefined && packet.hopLimit <= 1)) return drop;
    return straight(packet, "redirect", pod?.mac);
  }

  /** A packet that programs deliver to the node's stack. */
  toHost(frame: Buffer): Expectation {
    const packet = this.read(frame);
    if (packet === "link" || packet === undefined || !this.#world.hostAddresses.has(packet.destination)) return drop;
    return straight(packet, "next", undefined);
  }

  /** Whether an endpoint was allowed to open a packet's connection. */
  hasOpened(packet: ReadPacket): boolean {
    return this.#opened.has(flowOf(packet));
  }

  /** Whether an endpoint was allowed to take the connection that a packet answers. */
  hasTaken(packet: ReadPacket): boolean {
    return this.#taken.has(replyFlowOf(packet));
  }

  /** Identity of whoever has an address. */
  identityOf(address: string): number {
    return this.#identityOf(address);
  }

  /** The packet in a frame, by what earlier fragments have told; `link`: ARP. */
  read(frame: Buffer): ReadPacket | "link" | undefined {
    if (readEtherType(frame) === etherType.arp) return "link";
    const packet = readPacket(frame, this.#datagrams);
    if (packet?.fragment === "first") {
      this.#datagrams.set(packet.datagram, packet.ports);
      this.#translated.delete(packet.datagram);
    }
    return packet;
  }

  #isForbiddenOnLink(packet: ReadPacket): boolean {
    const forbidden: readonly number[] = ND.forbidden;
    return packet.family === 6 && isIcmp(packet) && forbidden.includes(packet.icmpType);
  }

  #podOf(address: string): WorldPod | undefined {
    return this.#world.pods.find(({ addresses }) => addresses.includes(address));
  }

  #identityOf(address: string): number {
    if (this.#world.hostAddresses.has(address)) return HOST;
    return this.#podOf(address)?.identity ?? this.#world.identities.get(address) ?? WORLD;
  }

  /** Where a packet may go: its destination, or a backend of the Service that it names. */
  #targetsOf(packet: ReadPacket): readonly Target[] {
    const { destination, ports, protocol } = packet;
    const ofAddress = this.#world.services.filter(({ address }) => address === destination);
    if (ofAddress.length === 0) return [{ destination, port: ports.destination, isTranslated: false }];
    const service = ofAddress.find((one) => one.port === ports.destination && one.protocol === protocol);
    return (service?.backends ?? []).map(({ address, port }) => ({ destination: address, port, isTranslated: true }));
  }

  #routeFrom(frame: Buffer, sender: WorldPod, dialled: ReadPacket, target: Target): readonly Route[] {
    const { destination, port } = target;
    const packet = { ...dialled, destination, ports: { ...dialled.ports, destination: port } };
    const sent = this.send(frame, sender, packet);
    if (sent === "denied") return [];
    const isPermitted = sent === "permitted";
    const pod = this.#podOf(destination);
    if (pod !== undefined) {
      const taken = this.take(frame, pod, packet, sender.identity);
      if (taken === "denied") return [];
      return [{ ...target, verdict: "redirect", mac: pod.mac, isCertain: isPermitted && taken === "permitted" }];
    }
    const route = { ...target, mac: undefined, isCertain: isPermitted };
    if (this.#world.hostAddresses.has(destination))
      return [{ ...route, verdict: "redirect", mac: this.#world.hostMac }];
    return [{ ...route, verdict: this.#world.tunnelled.has(destination) ? "redirect" : "next" }];
  }

  /** Whether an endpoint may send a packet, which opens a connection then, or answers one. */
  send(frame: Buffer, sender: Pick<WorldPod, "policy">, packet: ReadPacket): Permission {
    const isPermitted = isAllowed(sender.policy, "egress", this.#identityOf(packet.destination), packet);
    if (isPermitted) this.#opened.add(flowOf(packet));
    if (isPermitted) return "permitted";
    return this.#isAnswer(frame, packet, this.#taken) ? "answer" : "denied";
  }

  /** Whether an endpoint may get a packet of this identity. */
  take(frame: Buffer, receiver: Pick<WorldPod, "policy">, packet: ReadPacket, identity: number): Permission {
    const isPermitted = isAllowed(receiver.policy, "ingress", identity, packet);
    if (isPermitted) this.#taken.add(flowOf(packet));
    if (isPermitted) return "permitted";
    return this.#isAnswer(frame, packet, this.#opened) ? "answer" : "denied";
  }

  /** A reply to a connection that the other side was allowed to open, or an error about one. */
  #isAnswer(frame: Buffer, packet: ReadPacket, connections: ReadonlySet<string>): boolean {
    if (isIcmpError(packet)) {
      const quoted = readQuoted(frame, packet);
      if (quoted === undefined || quoted.source !== packet.destination) return false;
      const flows = [flowOf(quoted), replyFlowOf(quoted)];
      return flows.some((flow) => this.#opened.has(flow) || this.#taken.has(flow));
    }
    const isOpening = packet.protocol === proto.tcp && (packet.tcpFlags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn;
    return !isOpening && connections.has(replyFlowOf(packet));
  }
}

/** To where the packet says itself. */
function straight(
  packet: ReadPacket,
  verdict: Route["verdict"],
  mac: string | undefined,
  isCertain = true,
): Expectation {
  const { destination, ports } = packet;
  const route = { destination, port: ports.destination, isTranslated: false, verdict, mac, isCertain };
  return { kind: "forward", packet, routes: [route], isCertain };
}

export function isNeighbourMessage(packet: ReadPacket): boolean {
  return isIcmp(packet) && packet.icmpType >= ND.first && packet.icmpType <= ND.last;
}

export function isNeighbourTalk(packet: ReadPacket): boolean {
  if (packet.family === 4) return false;
  const isReport = isIcmp(packet) && MLD.includes(packet.icmpType) && /^ff.2/.test(packet.destination);
  return isNeighbourMessage(packet) || isReport;
}

/** Of the entries for the peer, and of those for anybody, the most specific one; of both the denial, else the more specific. */
export function isAllowed(
  policy: readonly PolicyEntry[],
  direction: PolicyEntry["direction"],
  identity: number,
  packet: Pick<ReadPacket, "family" | "protocol" | "ports" | "icmpType">,
): boolean {
  const port = isIcmp(packet) ? packet.icmpType : packet.ports.destination;
  const bitsOf = (entry: PolicyEntry): number => (entry.protocol === 0 ? 0 : 8 + entry.portPrefixLength);
  const best = (peer: number): PolicyEntry | undefined =>
    policy
      .filter((entry) => entry.direction === direction && entry.identity === peer)
      .filter((entry) => entry.protocol === 0 || entry.protocol === packet.protocol)
      .filter((entry) => entry.protocol === 0 || (entry.port ^ port) >> (16 - entry.portPrefixLength) === 0)
      .sort((one, two) => bitsOf(two) - bitsOf(one))[0];
  const found = [best(identity), best(0)].filter((entry) => entry !== undefined);
  return found.length > 0 && found.every(({ verdict }) => verdict === "allow");
}

import type { PolicyEntry } from "../../../src/model/datapath-port.js";
import { tc } from "../harness.js";
import { proto } from "../packet-builder.js";
import {
  type ConnectionLedger,
  destinationOf,
  type End,
  type Flow,
  from,
  type Owner,
  replyOf,
  towards,
} from "./connection-ledger.js";
import { errorWaysIn, judgeErrorWay } from "./edge-errors.js";
import type { EdgeFrontend, EdgeNode } from "./edge-node.js";
import { judgeAnswer } from "./judge-answer.js";
import type { Outcome } from "./judge-frame.js";
import { judgeWay, readToldFrontend, type Way } from "./judge-way.js";
import { isAllowed, isNeighbourMessage, type PacketOracle, type WorldPod } from "./packet-oracle.js";
import { etherType, hasPort, isIcmpError, type ReadPacket, readEtherType } from "./packet-reader.js";
import { hexOf } from "./packet-seeds.js";

/** Errors about packets that were too large are no shorter. */
const SHORTEST_LARGE = { 4: 576, 6: 1280 } as const;
const ETHERNET_BYTES = 14;
const IP_IN_IP = 4;
const IP6_IN_IP6 = 41;

interface Judgement {
  readonly ways: readonly Way[];
  /** The sender may be told why not: its hops are used up. */
  readonly mayBeAnswered?: boolean;
}

const nobody: Judgement = { ways: [] };

/** What may come of a packet that comes in by a device of the node's, before its stack. */
export class ArrivingOracle {
  readonly #node: EdgeNode;
  readonly #oracle: PacketOracle;
  readonly #ledger: ConnectionLedger;

  constructor(node: EdgeNode, oracle: PacketOracle, ledger: ConnectionLedger) {
    this.#node = node;
    this.#oracle = oracle;
    this.#ledger = ledger;
  }

  /** What is wrong with what became of a packet; undefined: nothing. */
  judge(frame: Buffer, outcome: Outcome): string | undefined {
    const inner = this.#unwrap(frame);
    if (inner !== undefined) return this.#judgeWrapped(frame, inner, outcome);
    const packet = this.#oracle.read(frame);
    if (packet === undefined || packet === "link") return this.#judgeUnreadable(frame, outcome);
    if (this.#oracle.isVague(packet)) return undefined;
    if (packet.family === 6 && isNeighbourMessage(packet)) return judgeUntouched(frame, outcome);
    const { destination } = packet;
    const pod = this.#podOf(destination);
    const isLocal = pod !== undefined || this.#isHost(destination);
    if (isIcmpError(packet) && pod === undefined && (isLocal || this.#ownsAddress(destination)))
      return this.#judgeError(frame, packet, outcome);
    const { ways, mayBeAnswered } = this.#waysOf(frame, packet, pod);
    const isLarge = frame.length - ETHERNET_BYTES > SHORTEST_LARGE[packet.family];
    const couldBeAnswered = mayBeAnswered === true && (packet.hopLimit <= 1 || isLarge);
    if (ways.length === 1 && ways[0]!.flow === packet && isForStack(ways[0]!))
      return this.#judgeForStack(frame, packet, outcome);
    const problem = judgeWay(frame, outcome, packet, packet.hopLimit <= 1 ? ways.filter(isForStack) : ways);
    if (problem === undefined || !couldBeAnswered) return problem;
    const answer = judgeAnswer(frame, outcome, packet, this.#node.world.hostAddresses);
    return answer === undefined ? undefined : `${problem}; as an answer: ${answer}`;
  }

  #waysOf(frame: Buffer, packet: ReadPacket, pod: WorldPod | undefined): Judgement {
    const { destination, protocol, ports } = packet;
    this.#ledger.see(packet);
    if (pod !== undefined) return this.#deliver(frame, packet, pod);
    const isLocal = this.#isHost(destination);
    if (isLocal && protocol === proto.udp && ports.destination === this.#node.world.tunnelPort)
      return this.#forStack(frame, packet);
    const owner = isLocal && hasPort(packet, "answer") ? this.#ledger.ownerOf(packet) : undefined;
    if (owner !== undefined) return this.#answer(frame, packet, owner);
    const frontend = this.#frontendOf(packet);
    if (frontend !== undefined) return this.#dial(frame, packet, frontend);
    if (isLocal) return this.#toStack(frame, packet);
    return this.#ownsAddress(destination) ? nobody : { ways: [untouched(packet)] };
  }

  /** To a pod, by its policy and the identity of the source that the packet has. */
  #deliver(frame: Buffer, packet: ReadPacket, pod: WorldPod): Judgement {
    if (packet.hopLimit > 1) this.#remember(frame, packet);
    if (this.#isForged(packet.source) || !this.#mayTake(frame, packet, pod)) return { ways: [], mayBeAnswered: true };
    const told = this.#node.kind === "option" ? this.#ledger.toldOf(packet) : undefined;
    const note = (): undefined => void this.#ledger.deliver(packet, told);
    return { ways: [{ verdict: "redirect", flow: packet, hops: 1, mac: pod.mac, note }], mayBeAnswered: true };
  }

  /** The frontend that another node tells of; a SYN that tells of none begins a connection to the backend itself. */
  #remember(frame: Buffer, packet: ReadPacket): void {
    if (this.#node.kind !== "option" || !hasServices(packet) || this.#isLocal(packet.source)) return;
    const told = readToldFrontend(frame, packet);
    if (told !== undefined && told.port !== 0) this.#ledger.tell(packet, told);
    else if (told === undefined && (isOpening(packet) || packet.protocol !== proto.tcp))
      this.#ledger.forgetTold(packet);
  }

  /** To the node itself, which answers as the frontend that another one has told of. */
  #toStack(frame: Buffer, packet: ReadPacket): Judgement {
    this.#remember(frame, packet);
    const told =
      this.#node.kind === "option" && !this.#isLocal(packet.source) ? this.#ledger.toldOf(packet) : undefined;
    if (told !== undefined) this.#ledger.answerAs(replyOf(packet), told);
    return this.#forStack(frame, packet);
  }

  #forStack(frame: Buffer, packet: ReadPacket): Judgement {
    return this.#mayEnterHost(frame, packet) ? { ways: [untouched(packet)] } : nobody;
  }

  #answer(frame: Buffer, packet: ReadPacket, owner: Owner): Judgement {
    const flow = towards(packet, owner);
    this.#see(packet, flow);
    const pod = this.#podOf(owner.address);
    if (pod !== undefined) {
      const isAllowed = this.#mayTake(frame, { ...packet, ...flow }, pod);
      return { ways: isAllowed ? [{ verdict: "redirect", flow, hops: 1, mac: pod.mac }] : [], mayBeAnswered: true };
    }
    if (this.#isHost(owner.address)) {
      const isAllowed = this.#mayEnterHost(frame, { ...packet, ...flow });
      return { ways: isAllowed ? [{ verdict: "next", flow, hops: 0 }] : [], mayBeAnswered: true };
    }
    if (isOpening(packet)) return { ways: [], mayBeAnswered: true };
    const left = owner.frontend === undefined ? flow : from(flow, owner.frontend);
    return { ways: [{ verdict: "redirect", flow: left, hops: 1 }], mayBeAnswered: true };
  }

  #dial(frame: Buffer, packet: ReadPacket, frontend: EdgeFrontend): Judgement {
    if (!frontend.isRoutable || !frontend.takesAll) return { ways: [], mayBeAnswered: true };
    if (isOpening(packet)) this.#ledger.forgetBackend(packet);
    const known = this.#ledger.backendOf(packet);
    const backends = known === undefined ? frontend.backends : [known];
    const targets = backends.map(({ address, port }) => ({ destination: address, port, isTranslated: true }));
    this.#oracle.noteTranslated(packet, targets);
    return { ways: backends.flatMap((backend) => this.#waysTo(frame, packet, frontend, backend)), mayBeAnswered: true };
  }

  #waysTo(frame: Buffer, packet: ReadPacket, frontend: EdgeFrontend, backend: End): readonly Way[] {
    const flow = towards(packet, backend);
    const pod = this.#podOf(backend.address);
    const dialled = destinationOf(packet);
    this.#see(packet, flow);
    const choose = (): void => this.#ledger.choose(packet, backend);
    if (this.#isLocal(packet.source) || packet.hopLimit <= 1) return [];
    if (pod !== undefined) {
      const note = (): undefined => {
        choose();
        this.#ledger.deliver(flow, dialled);
      };
      const isAllowed = packet.fragment === "later" || this.#mayTake(frame, { ...packet, ...flow }, pod);
      return isAllowed ? [{ verdict: "redirect", flow, hops: 1, mac: pod.mac, note }] : [];
    }
    if (this.#isHost(backend.address)) {
      this.#ledger.answerAs(replyOf(flow), dialled);
      choose();
      const isAllowed = packet.fragment === "later" || this.#mayEnterHost(frame, { ...packet, ...flow });
      return isAllowed ? [{ verdict: "next", flow, hops: 0 }] : [];
    }
    return this.#waysToOther(packet, flow, frontend, backend);
  }

  /** To a backend of another node. */
  #waysToOther(packet: ReadPacket, flow: Flow, frontend: EdgeFrontend, backend: End): readonly Way[] {
    const dialled = destinationOf(packet);
    const choose = (): undefined => void this.#ledger.choose(packet, backend);
    if (frontend.isDirect && this.#node.kind === "wrapped")
      return [{ verdict: "redirect", flow: packet, hops: 1, growth: { kind: "wrapper", to: backend }, note: choose }];
    if (frontend.isDirect) {
      const told: Way = {
        verdict: "redirect",
        flow,
        hops: 1,
        growth: { kind: "option", frontend: dialled },
        note: choose,
      };
      const isUntold = packet.protocol === proto.tcp && !isOpening(packet);
      return isUntold ? [told, { verdict: "redirect", flow, hops: 1, note: choose }] : [told];
    }
    const { node, gateway } = this.#node.addresses[packet.family];
    const address = hexOf(this.#node.kind === "tunnel" ? gateway : node);
    const known = this.#ledger.sourceOf(flow);
    const source = known ?? { address, port: packet.ports.source };
    const note = (left: Flow): string | undefined => {
      choose();
      if (packet.fragment === "later") return undefined;
      return this.#ledger.translate(flow, { address, port: left.ports.source }, dialled);
    };
    return [{ verdict: "redirect", flow: from(flow, source), choosesPort: known === undefined, hops: 1, note }];
  }

  /** What is not ours is not lost, but for what the node's policy has not said for certain. */
  #judgeForStack(frame: Buffer, packet: ReadPacket, outcome: Outcome): string | undefined {
    const isJudged = this.#node.policy !== undefined && this.#isHost(packet.destination);
    return isJudged && outcome.verdict === tc.shot ? undefined : judgeUntouched(frame, outcome);
  }

  // ---- packets in packets ----

  /** What is in a packet for this node that another one is all of. */
  #unwrap(frame: Buffer): Buffer | undefined {
    if (this.#node.kind !== "wrapped") return undefined;
    const isV4 = readEtherType(frame) === etherType.ipv4;
    if (!isV4 && readEtherType(frame) !== etherType.ipv6) return undefined;
    const [bytes, address] = isV4 ? [20, frame.toString("hex", 30, 34)] : [40, frame.toString("hex", 38, 54)];
    const isWhole = isV4
      ? frame[14] === 0x45 && frame[23] === IP_IN_IP && (frame.readUInt16BE(20) & 0x3fff) === 0
      : frame[14]! >> 4 === 6 && frame[20] === IP6_IN_IP6;
    if (!isWhole || !this.#isLocal(address)) return undefined;
    return Buffer.concat([frame.subarray(0, ETHERNET_BYTES), frame.subarray(ETHERNET_BYTES + bytes)]);
  }

  #judgeWrapped(frame: Buffer, inner: Buffer, outcome: Outcome): string | undefined {
    const isV4 = readEtherType(frame) === etherType.ipv4;
    const chosen = isV4 ? frame.toString("hex", 30, 34) : frame.toString("hex", 38, 54);
    const shortest = ETHERNET_BYTES + (isV4 ? 20 : 40);
    if (inner.length < shortest) return outcome.verdict === tc.shot ? undefined : "unwrapped what is no packet";
    const packet = this.#oracle.read(inner);
    if (packet === undefined || packet === "link") return this.#judgeUnreadable(inner, outcome);
    if (this.#oracle.isVague(packet)) return undefined;
    this.#ledger.see(packet);
    const frontend = this.#dialledFrontend(packet);
    if (frontend === undefined) {
      const isAllowed = !this.#isHost(packet.destination) || this.#mayEnterHost(inner, packet);
      return judgeWay(inner, outcome, packet, isAllowed ? [untouched(packet)] : []);
    }
    const backend = frontend.backends.find(({ address }) => address === chosen);
    if (!frontend.takesAll || backend === undefined) return judgeWay(inner, outcome, packet, []);
    this.#oracle.noteTranslated(packet, [{ destination: backend.address, port: backend.port, isTranslated: true }]);
    return judgeWay(inner, outcome, packet, this.#waysUnwrapped(inner, packet, backend));
  }

  #waysUnwrapped(inner: Buffer, packet: ReadPacket, backend: End): readonly Way[] {
    const flow = towards(packet, backend);
    const dialled = destinationOf(packet);
    const pod = this.#podOf(backend.address);
    this.#see(packet, flow);
    if (this.#isLocal(packet.source)) return [];
    this.#ledger.tell(flow, dialled);
    if (pod === undefined) {
      this.#ledger.answerAs(replyOf(flow), dialled);
      const isAllowed = packet.fragment === "later" || this.#mayEnterHost(inner, { ...packet, ...flow });
      return isAllowed ? [{ verdict: "next", flow, hops: 0 }] : [];
    }
    const note = (): undefined => void this.#ledger.deliver(flow, dialled);
    const isAllowed = packet.fragment === "later" || this.#mayTake(inner, { ...packet, ...flow }, pod);
    const isForged = this.#isForged(packet.source) || packet.hopLimit <= 1;
    return isAllowed && !isForged ? [{ verdict: "redirect", flow, hops: 1, mac: pod.mac, note }] : [];
  }

  /** A node port of another node is one of this node's, too. */
  #dialledFrontend(packet: ReadPacket): EdgeFrontend | undefined {
    const frontend = this.#frontendOf(packet);
    if (frontend !== undefined) return frontend.isRoutable ? frontend : undefined;
    const { node, otherNode } = this.#node.addresses[packet.family];
    if (packet.destination !== hexOf(otherNode)) return undefined;
    const here = this.#frontendOf({ ...packet, destination: hexOf(node) });
    return here?.isRoutable === true ? here : undefined;
  }

  // ---- errors, and what cannot be read ----

  #judgeError(frame: Buffer, packet: ReadPacket, outcome: Outcome): string | undefined {
    this.#ledger.see(packet);
    const { ways, isCertain } = errorWaysIn(frame, packet, this.#node, this.#ledger);
    const problem = judgeErrorWay(frame, outcome, packet, ways, this.#node);
    if (problem === undefined ? ways.length > 0 : isCertain && ways.length > 0) return problem;
    const isAllowed = !this.#isHost(packet.destination) || this.#mayEnterHost(frame, packet);
    return isAllowed ? this.#judgeForStack(frame, packet, outcome) : judgeWay(frame, outcome, packet, []);
  }

  /** The stack is its judge, unless the node has a policy. */
  #judgeUnreadable(frame: Buffer, outcome: Outcome): string | undefined {
    const { policy } = this.#node;
    const { source, destination } = addressesIn(frame);
    if (policy === undefined || !this.#isHost(destination)) return judgeUntouched(frame, outcome);
    if (outcome.verdict === tc.shot) return undefined;
    const mayPass = !this.#isLocal(source) && mayPassUnread(policy, this.#oracle.identityOf(source));
    return mayPass ? judgeUntouched(frame, outcome) : "past the node's policy, which cannot read it";
  }

  // ---- who is who ----

  #mayTake(frame: Buffer, packet: ReadPacket, pod: WorldPod): boolean {
    return this.#oracle.take(frame, pod, packet, this.#oracle.identityOf(packet.source)) !== "denied";
  }

  /** The same from outside, where nobody has an address of the node or of its pods. */
  #mayEnterHost(frame: Buffer, packet: ReadPacket): boolean {
    const isAllowed = this.mayReachHost(frame, packet);
    return isAllowed && (this.#node.policy === undefined || !this.#isLocal(packet.source));
  }

  /** Whether the node's policy lets a packet for its own processes in. */
  mayReachHost(frame: Buffer, packet: ReadPacket): boolean {
    this.#ledger.see(packet);
    const { policy, world } = this.#node;
    if (policy === undefined) return true;
    const identity = this.#oracle.identityOf(packet.source);
    const { otherNode } = this.#node.addresses[packet.family];
    const isTunnel = packet.protocol === proto.udp && packet.ports.destination === world.tunnelPort;
    if (isTunnel && packet.source === hexOf(otherNode)) return true;
    return this.#oracle.take(frame, { policy }, packet, identity) !== "denied";
  }

  #see(packet: ReadPacket, flow: Flow): void {
    this.#ledger.see(packet);
    this.#ledger.see(flow);
  }

  #podOf(address: string): WorldPod | undefined {
    return this.#node.world.pods.find(({ addresses }) => addresses.includes(address));
  }

  #isHost(address: string): boolean {
    return this.#node.world.hostAddresses.has(address);
  }

  #isLocal(address: string): boolean {
    return this.#podOf(address) !== undefined || this.#isHost(address);
  }

  #isForged(source: string): boolean {
    return this.#isLocal(source) || this.#node.world.tunnelled.has(source);
  }

  #frontendOf({ destination, protocol, ports }: Flow): EdgeFrontend | undefined {
    return this.#node.frontends.find(
      (one) => one.address === destination && one.protocol === protocol && one.port === ports.destination,
    );
  }

  #ownsAddress(address: string): boolean {
    return this.#node.frontends.some((one) => one.ownsAddress && one.address === address);
  }
}

/** Of a frame whose IP header is whole, whatever follows it. */
function addressesIn(frame: Buffer): { readonly source: string; readonly destination: string } {
  const type = readEtherType(frame);
  const isV4 = type === etherType.ipv4 && frame.length >= 34 && frame[14]! >> 4 === 4 && (frame[14]! & 15) >= 5;
  const isV6 = type === etherType.ipv6 && frame.length >= 54 && frame[14]! >> 4 === 6;
  const [at, bytes] = isV4 ? [26, 4] : isV6 ? [22, 16] : [0, 0];
  const middle = at + bytes;
  return { source: frame.toString("hex", at, middle), destination: frame.toString("hex", middle, middle + bytes) };
}

/** Rules about all packets of a peer, or about all of some protocol. */
function mayPassUnread(policy: readonly PolicyEntry[], identity: number): boolean {
  const ports = { source: 0, destination: 0 };
  return [-1, ...Object.values(proto)].some((protocol) =>
    isAllowed(policy, "ingress", identity, { family: 4, protocol, ports, icmpType: 0 }),
  );
}

function untouched(packet: ReadPacket): Way {
  return { verdict: "next", flow: packet, hops: 0 };
}

function isForStack({ verdict }: Way): boolean {
  return verdict === "next";
}

export function judgeUntouched(frame: Buffer, { verdict, data }: Outcome): string | undefined {
  if (verdict !== tc.next) return `verdict ${verdict} for what is the stack's`;
  return data.equals(frame) ? undefined : `what is the stack's changed to ${data.toString("hex")}`;
}

export function isOpening({ protocol, tcpFlags }: ReadPacket): boolean {
  return protocol === proto.tcp && (tcpFlags & 0x12) === 0x02;
}

function hasServices({ protocol }: ReadPacket): boolean {
  return protocol === proto.tcp || protocol === proto.udp || protocol === proto.sctp;
}

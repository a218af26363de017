import { tc } from "../harness.js";
import { proto } from "../packet-builder.js";
import { isOpening, judgeUntouched } from "./arriving-oracle.js";
import { type ConnectionLedger, from, replyOf } from "./connection-ledger.js";
import { errorWaysOut, judgeErrorWay } from "./edge-errors.js";
import type { EdgeNode } from "./edge-node.js";
import type { Outcome } from "./judge-frame.js";
import { judgeWay, type Way } from "./judge-way.js";
import { isNeighbourTalk, type PacketOracle, type WorldPod } from "./packet-oracle.js";
import { hasPort, isIcmpError, type ReadPacket } from "./packet-reader.js";
import { hexOf } from "./packet-seeds.js";

const FIRST_POD_IDENTITY = 256;
const REMOTE_NODE = 6;

/** What may come of a packet that leaves: by a device of the node's, from a pod, from the node to pods. */
export class LeavingOracle {
  readonly #node: EdgeNode;
  readonly #oracle: PacketOracle;
  readonly #ledger: ConnectionLedger;

  constructor(node: EdgeNode, oracle: PacketOracle, ledger: ConnectionLedger) {
    this.#node = node;
    this.#oracle = oracle;
    this.#ledger = ledger;
  }

  /** By a device: what is wrong with what became of a packet; undefined: nothing. */
  judge(frame: Buffer, outcome: Outcome): string | undefined {
    const packet = this.#oracle.read(frame);
    if (packet === undefined || packet === "link")
      return outcome.verdict === tc.shot ? undefined : judgeUntouched(frame, outcome);
    if (this.#oracle.isVague(packet)) return undefined;
    if (isNeighbourTalk(packet)) return judgeUntouched(frame, outcome);
    const isOwn = this.#isHost(packet.source);
    if (isOwn && !this.hostMaySend(frame, packet)) return judgeWay(frame, outcome, packet, []);
    if (packet.protocol === proto.udp && packet.ports.destination === this.#node.world.tunnelPort)
      return this.#judgeStacks(frame, packet, outcome);
    if (isIcmpError(packet)) return this.#judgeError(frame, packet, outcome);
    const ways = this.#waysOf(packet);
    return ways === "as it is" ? this.#judgeStacks(frame, packet, outcome) : judgeWay(frame, outcome, packet, ways);
  }

  /** Whether the node's policy lets its own processes send a packet. */
  hostMaySend(frame: Buffer, packet: ReadPacket): boolean {
    const { policy, world } = this.#node;
    this.#ledger.see(packet);
    const { otherNode } = this.#node.addresses[packet.family];
    const isTunnel = packet.protocol === proto.udp && packet.ports.destination === world.tunnelPort;
    if (policy === undefined || (isTunnel && packet.destination === hexOf(otherNode))) return true;
    return this.#oracle.send(frame, { policy }, packet) !== "denied";
  }

  #judgeStacks(frame: Buffer, packet: ReadPacket, outcome: Outcome): string | undefined {
    const isJudged = this.#node.policy !== undefined && this.#isHost(packet.source);
    return isJudged && outcome.verdict === tc.shot ? undefined : judgeUntouched(frame, outcome);
  }

  #judgeError(frame: Buffer, packet: ReadPacket, outcome: Outcome): string | undefined {
    const ways = errorWaysOut(frame, packet, this.#ledger);
    if (ways.length === 0) return this.#judgeStacks(frame, packet, outcome);
    return judgeErrorWay(frame, outcome, packet, ways, this.#node);
  }

  #waysOf(packet: ReadPacket): readonly Way[] | "as it is" {
    const { source } = packet;
    this.#ledger.see(packet);
    const known = hasPort(packet, "request") ? this.#ledger.sourceOf(packet) : undefined;
    if (known !== undefined) return [{ verdict: "next", flow: from(packet, known), hops: 0 }];
    if (this.#podOf(source) !== undefined && this.#isForWorld(packet)) {
      const { node } = this.#node.addresses[packet.family];
      const translated = hasPort(packet, "request") ? [this.#translated(packet, hexOf(node))] : [];
      const mayAnswer = !isOpening(packet) && this.#oracle.hasTaken(packet);
      return mayAnswer ? [{ verdict: "next", flow: packet, hops: 0 }, ...translated] : translated;
    }
    const isTaken = this.#ledger.ownerOf(replyOf(packet)) !== undefined;
    const mayCollide = packet.protocol !== proto.tcp || isOpening(packet);
    if (this.#isHost(source) && hasPort(packet, "request") && isTaken && mayCollide)
      return [this.#translated(packet, source)];
    return "as it is";
  }

  #translated(packet: ReadPacket, address: string): Way {
    const flow = from(packet, { address, port: packet.ports.source });
    const note = ({ ports }: { readonly ports: ReadPacket["ports"] }): string | undefined =>
      packet.fragment === "later" ? undefined : this.#ledger.translate(packet, { address, port: ports.source });
    return { verdict: "next", flow, choosesPort: true, hops: 0, note };
  }

  /** Outside of the cluster. */
  #isForWorld({ destination }: ReadPacket): boolean {
    const identity = this.#oracle.identityOf(destination);
    if (this.#isHost(destination) || this.#podOf(destination) !== undefined) return false;
    return identity !== REMOTE_NODE && identity < FIRST_POD_IDENTITY;
  }

  // ---- what pods send ----

  /** A pod's packet to somebody outside: a backend's answers come from what was dialled, and nothing else does. */
  judgePod(frame: Buffer, outcome: Outcome): string | undefined {
    const packet = this.#oracle.read(frame);
    if (packet === undefined || packet === "link" || this.#oracle.isVague(packet) || isNeighbourTalk(packet))
      return undefined;
    const sender = this.#node.world.client;
    if (!sender.addresses.includes(packet.source)) return outcome.verdict === tc.shot ? undefined : "a forged source";
    this.#ledger.see(packet);
    if (this.#node.frontends.some(({ address }) => address === packet.destination)) return undefined;
    if (packet.hopLimit <= 1) return undefined;
    const isAnswer = !isOpening(packet) && this.#oracle.hasTaken(packet);
    const wasOpened = this.#oracle.hasOpened(packet);
    if (!isAnswer && this.#oracle.send(frame, sender, packet) === "denied") return judgeWay(frame, outcome, packet, []);
    if (isIcmpError(packet) || this.#podOf(packet.destination) !== undefined) return undefined;
    const frontend = isOpening(packet) ? undefined : this.#ledger.frontendOf(replyOf(packet));
    const ways = frontend === undefined ? [] : [leavingAs(from(packet, frontend))];
    // A pod that has opened the very connection that it answers as a backend answers as itself.
    const mayBeItself = frontend === undefined || wasOpened;
    return judgeWay(frame, outcome, packet, mayBeItself ? [...ways, ...plainWays(packet)] : ways);
  }

  // ---- who is who ----

  #podOf(address: string): WorldPod | undefined {
    return this.#node.world.pods.find(({ addresses }) => addresses.includes(address));
  }

  #isHost(address: string): boolean {
    return this.#node.world.hostAddresses.has(address);
  }
}

function leavingAs(flow: Way["flow"]): Way {
  return { flow, verdict: "redirect", hops: 1 };
}

/** By the node's routes, by its stack, or through the tunnel. */
function plainWays(packet: ReadPacket): readonly Way[] {
  return [
    leavingAs(packet),
    { flow: packet, verdict: "next", hops: 0 },
    { flow: packet, verdict: "redirect", hops: 0 },
  ];
}

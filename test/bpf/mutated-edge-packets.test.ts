import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDevice } from "../../src/datapath/entries.js";
import { interfaceIndex } from "../../src/kernel/net.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { HOST_ENDPOINT_ID } from "../../src/model/host-endpoint.js";
import { Random } from "../fuzz/mutate.js";
import { DatapathHarness, pod, ROUTE_MTU, remotePod, tc, xdp } from "./harness.js";
import { ArrivingOracle } from "./oracle/arriving-oracle.js";
import { ConnectionLedger } from "./oracle/connection-ledger.js";
import {
  type EdgeNode,
  edgeServices,
  makeEdgeNode,
  type NodeKind,
  nodeKinds,
  REMOTE_NODE,
} from "./oracle/edge-node.js";
import { type EdgeHook, makeEdgeSeed, mutate } from "./oracle/edge-seeds.js";
import { judgeEntries } from "./oracle/judge-entries.js";
import { judgeOutcome, type Outcome } from "./oracle/judge-frame.js";
import { LeavingOracle } from "./oracle/leaving-oracle.js";
import { type Expectation, isNeighbourMessage, PacketOracle } from "./oracle/packet-oracle.js";
import { etherType, readEtherType } from "./oracle/packet-reader.js";
import { inUrl, makeDevices, near, removeDevices } from "./xdp-node.js";

const rounds = process.env.CTS_TEST_LONG === "1" ? 250 : 20;
/** What a problem names: a run that begins with it repeats it at once. */
const firstSeed = Number(process.env.CTS_PROPERTY_SEED ?? 1);
const packetsOfRound = 500;
const HOST = 1;
const kinds = Object.keys(nodeKinds) as readonly NodeKind[];
const verdicts: readonly number[] = Object.values(tc);
/** What devices take. Newer kernels want the whole IP header that a frame's EtherType promises. */
const LONGEST = 14 + ROUTE_MTU;
const shortest: Readonly<Record<number, number>> = { [etherType.ipv4]: 34, [etherType.ipv6]: 54 };
const isRunnable = (frame: Buffer): boolean =>
  frame.length > 14 && frame.length >= (shortest[readEtherType(frame)] ?? 0);

let nodes: Readonly<Record<NodeKind, DatapathHarness>>;
let nearIfindex: number;
beforeAll(() => {
  makeDevices();
  nearIfindex = interfaceIndex(near)!;
  const events = { eventsDrop: false, eventsTrace: false, eventsPolicyVerdict: false };
  const open = (kind: NodeKind) => new DatapathHarness({ enableIpv6: true, ...events, ...nodeKinds[kind] });
  nodes = { tunnel: open("tunnel"), option: open("option"), wrapped: open("wrapped") };
});
afterAll(() => {
  for (const one of Object.values(nodes ?? {})) one[Symbol.dispose]();
  removeDevices();
});

function install(datapath: DatapathHarness, { kind, addresses, world, policy }: EdgeNode): void {
  datapath.reset();
  datapath.addIp6();
  const [ipv4, ipv6] = [addresses[4].node, addresses[6].node].map((text) => IpAddress.parse(text));
  const device = encodeDevice({ name: near, ifindex: nearIfindex, ipv4: ipv4!, ipv6: ipv6! }, true);
  datapath.get("cts_devices").update(device.key, device.value);
  for (const of of [addresses[4], addresses[6]]) {
    const know = (address: string, identity: number) =>
      datapath.addIpcache(IpPrefix.host(IpAddress.parse(address)).text, identity);
    for (const own of [of.node, of.gateway]) {
      datapath.addHost(own);
      know(own, HOST);
    }
    know(of.otherNode, REMOTE_NODE);
    if (kind !== "tunnel") know(of.remote, remotePod.identity);
    for (const { address: vip, backends, ...service } of edgeServices(kind, of))
      datapath.addService(
        backends.map(({ address, port }) => inUrl(address, port)),
        { ...service, vip },
      );
  }
  datapath.setPolicy(pod.client.id, world.pods[0]!.policy);
  datapath.setPolicy(pod.server.id, world.pods[1]!.policy);
  if (policy !== undefined) datapath.setPolicy(HOST_ENDPOINT_ID, policy);
}

/** A node's programs with those who judge them. */
class Round {
  readonly #datapath: DatapathHarness;
  readonly #node: EdgeNode;
  readonly #oracle: PacketOracle;
  readonly #arriving: ArrivingOracle;
  readonly #leaving: LeavingOracle;
  readonly ledger = new ConnectionLedger();
  /** What was dropped, or answered with an error instead. */
  lost = 0;
  readonly passed = new Map<string, number>();

  constructor(datapath: DatapathHarness, node: EdgeNode) {
    this.#datapath = datapath;
    this.#node = node;
    this.#oracle = new PacketOracle(node.world);
    this.#arriving = new ArrivingOracle(node, this.#oracle, this.ledger);
    this.#leaving = new LeavingOracle(node, this.#oracle, this.ledger);
  }

  take(hook: EdgeHook, frame: Buffer, isAccelerated: boolean): string | undefined {
    if (hook === "fromNetdev" && isAccelerated) {
      const { verdict, data } = this.#datapath.runXdp(frame, nearIfindex);
      if (verdict === xdp.tx || verdict === xdp.redirect)
        return this.#judge(hook, frame, { verdict: tc.redirect, data });
      if (verdict !== xdp.pass || !data.equals(frame)) return `XDP ${verdict}: ${data.toString("hex")}`;
    }
    const outcome = this.#run(hook, frame);
    if (!verdicts.includes(outcome.verdict)) return `verdict ${outcome.verdict}`;
    return this.#judge(hook, frame, outcome);
  }

  #run(hook: EdgeHook, frame: Buffer): Outcome {
    const ifindex = hook === "fromNetdev" || hook === "toNetdev" ? nearIfindex : 0;
    const outcome = this.#datapath.run(hook, frame, { ifindex });
    const isAnswered = outcome.verdict === tc.redirect && isErrorAbout(frame, outcome.data);
    if (outcome.verdict === tc.shot || isAnswered) this.lost++;
    if (outcome.verdict !== tc.shot) this.passed.set(hook, (this.passed.get(hook) ?? 0) + 1);
    return outcome;
  }

  #judge(hook: EdgeHook, frame: Buffer, outcome: Outcome): string | undefined {
    switch (hook) {
      case "fromNetdev":
        return this.#arriving.judge(frame, outcome);
      case "toNetdev":
        return this.#leaving.judge(frame, outcome);
      case "fromContainer":
        return this.#leaving.judgePod(frame, outcome);
      case "fromOverlay":
        return judgeOutcome(frame, outcome, { kind: "drop" }, []);
      case "fromHost":
        return this.#judgeOwn(frame, outcome, this.#oracle.fromHost(frame), "send");
      case "toHost":
        return this.#judgeOwn(frame, outcome, this.#oracle.toHost(frame), "take");
    }
  }

  /** Between the node's stack and pods: by the node's policy, too. */
  #judgeOwn(frame: Buffer, outcome: Outcome, expected: Expectation, direction: "send" | "take"): string | undefined {
    const read = this.#oracle.read(frame);
    if (read !== undefined && read !== "link") this.ledger.see(read);
    if (expected.kind !== "forward") return judgeOutcome(frame, outcome, expected, []);
    const { packet } = expected;
    const isAllowed =
      direction === "take"
        ? this.#arriving.mayReachHost(frame, packet)
        : !this.#node.world.hostAddresses.has(packet.source) || this.#leaving.hostMaySend(frame, packet);
    const isJudged = packet.family === 4 || !isNeighbourMessage(packet);
    if (isJudged && !isAllowed && outcome.verdict !== tc.shot) return "past the node's policy";
    return judgeOutcome(frame, outcome, expected, []);
  }

  /** What is wrong with what the packets have left behind. */
  finish(): readonly string[] {
    const counted = this.#datapath.metrics().reduce((sum, row) => sum + (row.isDrop ? Number(row.packets) : 0), 0);
    const uncounted = counted === this.lost ? [] : [`${this.lost} packets were lost, ${counted} counted`];
    return [...uncounted, ...judgeEntries(this.#datapath, this.#oracle, this.ledger)];
  }
}

/** Whether a frame is an ICMP error that quotes another one, whose length is as good as a name. */
function isErrorAbout(frame: Buffer, data: Buffer): boolean {
  const [protocolAt, protocol, headerBytes] = readEtherType(frame) === etherType.ipv4 ? [23, 1, 20] : [20, 58, 40];
  const quoteAt = 14 + headerBytes + 8;
  return data[protocolAt] === protocol && data.subarray(quoteAt, quoteAt + 6).equals(frame.subarray(14, 20));
}

function runRound(seed: number, passed: Map<string, number>): readonly string[] {
  const random = new Random(seed);
  const kind = kinds[seed % kinds.length]!;
  const node = makeEdgeNode(kind, random);
  install(nodes[kind], node);
  const round = new Round(nodes[kind], node);
  for (let count = 0; count < packetsOfRound; count++) {
    const { hook, frame: whole } = makeEdgeSeed(random, node.addresses, round.ledger);
    const frame = (random.below(2) === 0 ? mutate(whole, random) : whole).subarray(0, LONGEST);
    const isAccelerated = random.below(3) === 0;
    if (!isRunnable(frame)) continue;
    const problem = round.take(hook, frame, isAccelerated);
    if (problem !== undefined)
      return [`seed ${seed} (${kind}), packet ${count}, ${hook}: ${problem}: ${frame.toString("hex")}`];
  }
  for (const [hook, count] of round.passed) passed.set(hook, (passed.get(hook) ?? 0) + count);
  return round.finish().map((problem) => `seed ${seed} (${kind}): ${problem}`);
}

describe("packets of all kinds at the node's edge, whole and broken", () => {
  it(`go nowhere but where policies, Services and translations have them: ${rounds} rounds of ${packetsOfRound}`, () => {
    const problems: string[] = [];
    const passed = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + rounds && problems.length < 10; seed++)
      problems.push(...runRound(seed, passed));
    expect(problems).toEqual([]);
    // Enough went through for the rest to mean something.
    for (const hook of ["fromNetdev", "toNetdev", "fromContainer", "fromHost", "toHost"])
      expect(passed.get(hook), hook).toBeGreaterThan(rounds / 3);
  });
});

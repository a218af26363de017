import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDevice } from "../../src/datapath/entries.js";
import { IpAddress } from "../../src/lib/ip.js";
import { Random } from "../fuzz/mutate.js";
import { DatapathHarness, hostIp, ip6, LOOPBACK_IFINDEX, nodeIp, pod, remotePod, tc, vip, worldIp } from "./harness.js";
import {
  BACKEND_PORT,
  type EdgeExpectation,
  EdgeOracle,
  type EdgeWorld,
  type Ends,
  NODE_PORT,
} from "./oracle/edge-oracle.js";
import { ipv4Packet, ipv6Packet, macBytes, parseFrame, parseFrame6, proto, tcpFlag } from "./packet-builder.js";

const rounds = process.env.CTS_TEST_LONG === "1" ? 500 : 20;
const packetsOfRound = 500;
const WORLD_IDENTITY = 2;
const ROUTABLE_NODE_PORT = 0x42;
const { client, server } = pod;

const worlds: Readonly<Record<4 | 6, EdgeWorld>> = {
  4: {
    ...{ node: nodeIp, host: hostIp, world: worldIp, outsider: "203.0.113.7", remote: remotePod.ip, vip },
    ...{ client: client.ip, server: server.ip, loopback: "169.254.42.1" },
    macs: { [client.ip]: client.mac, [server.ip]: server.mac },
  },
  6: {
    ...{ node: "fd00:172:18::2", host: ip6.host, world: ip6.world, outsider: "2001:db8::99", remote: ip6.remotePod },
    ...{ vip: ip6.vip, client: ip6.client, server: ip6.server, loopback: "fe80::1" },
    macs: { [ip6.client]: client.mac, [ip6.server]: server.mac },
  },
};

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true, eventsDrop: false, eventsTrace: false });
});
afterAll(() => datapath?.[Symbol.dispose]());

function install(): void {
  datapath.reset();
  datapath.addIp6();
  const [ipv4, ipv6] = [worlds[4].node, worlds[6].node].map((text) => IpAddress.parse(text));
  const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ipv4: ipv4!, ipv6: ipv6! });
  datapath.get("cts_devices").update(device.key, device.value);
  for (const family of [4, 6] as const) {
    const { node, client: own, remote, vip: address } = worlds[family];
    const backends = [own, remote].map((text) => (family === 4 ? `${text}:8080` : `[${text}]:8080`));
    datapath.addHost(node);
    datapath.addService(backends, { vip: node, port: NODE_PORT, flags: ROUTABLE_NODE_PORT, ownsAddress: false });
    datapath.addService([backends[0]!], { vip: address, serviceId: 6 });
  }
}

interface Step {
  readonly program: "fromContainer" | "fromNetdev" | "toNetdev";
  readonly protocol: number;
  readonly flags?: number;
  readonly ends: Ends;
  readonly expect: (after: Ends) => EdgeExpectation;
  /** What the oracle takes down of the outcome, and what is wrong with it. */
  readonly note?: (after: Ends) => string | undefined;
}

const l4 = [proto.tcp, proto.udp] as const;
const podPorts = [1024, 40_001, 40_002, 65_535] as const;
const worldPorts = [80, 443] as const;
const clientPorts = [50_000, 50_001, 50_002, 1025] as const;

/** A packet of each kind, by the connections that there are. */
const kinds: readonly ((random: Random, oracle: EdgeOracle, world: EdgeWorld) => Step | undefined)[] = [
  function leaves(random, oracle, world) {
    const protocol = random.pick(l4);
    const from = { source: random.pick([world.client, world.server]), sourcePort: random.pick(podPorts) };
    const ends = { ...from, destination: world.world, destinationPort: random.pick(worldPorts) };
    const note = (after: Ends) => oracle.left(protocol, ends, after);
    return { program: "toNetdev", protocol, ends, expect: () => oracle.leaving(protocol, ends), note };
  },
  function isAnswered(random, oracle, world) {
    const protocol = random.pick(l4);
    const known = oracle.ownedPorts(protocol, world.node, world.world);
    const isKnown = known.length > 0 && random.below(4) > 0;
    const stranger = { port: 32_768 + random.below(1000), peerPort: 8443 };
    const { port, peerPort } = isKnown ? random.pick(known) : stranger;
    const ends = { source: world.world, sourcePort: peerPort, destination: world.node, destinationPort: port };
    return { program: "fromNetdev", protocol, flags: 0x12, ends, expect: () => oracle.arriving(protocol, ends) };
  },
  function dials(random, oracle, world) {
    const sourcePort = random.pick(clientPorts);
    const flags = oracle.dialled().includes(sourcePort) ? tcpFlag.ack : tcpFlag.syn;
    const ends = { source: world.outsider, sourcePort, destination: world.node, destinationPort: NODE_PORT };
    const note = (after: Ends) => oracle.hasDialled(ends, after);
    return {
      program: "fromNetdev",
      protocol: proto.tcp,
      flags,
      ends,
      expect: (after) => oracle.dialling(ends, after),
      note,
    };
  },
  function backendAnswers(random, oracle, world) {
    const local = oracle.dialled().filter((port) => oracle.isLocal(port));
    if (local.length === 0) return undefined;
    const destinationPort = random.pick(local);
    const ends = { source: world.client, sourcePort: BACKEND_PORT, destination: world.outsider, destinationPort };
    const expected = () => oracle.answering(destinationPort);
    return { program: "fromContainer", protocol: proto.tcp, flags: tcpFlag.ack, ends, expect: expected };
  },
  function farBackendAnswers(random, oracle, world) {
    const known = oracle.ownedPorts(proto.tcp, world.host, world.remote);
    if (known.length === 0) return undefined;
    const { port, peerPort } = random.pick(known);
    const ends = { source: world.remote, sourcePort: peerPort, destination: world.host, destinationPort: port };
    const expected = () => oracle.forwardedAnswer(ends)!;
    return { program: "fromNetdev", protocol: proto.tcp, flags: tcpFlag.ack, ends, expect: expected };
  },
  function dialsItself(random, oracle, world) {
    const sourcePort = random.pick(podPorts);
    const ends = { source: world.client, sourcePort, destination: world.vip, destinationPort: 80 };
    return {
      program: "fromContainer",
      protocol: proto.tcp,
      flags: tcpFlag.syn,
      ends,
      expect: () => oracle.hairpin(sourcePort),
    };
  },
  function answersItself(random, oracle, world) {
    const destinationPort = random.pick(podPorts);
    const ends = { source: world.client, sourcePort: BACKEND_PORT, destination: world.loopback, destinationPort };
    const expected = () => oracle.hairpinAnswer(destinationPort);
    return { program: "fromContainer", protocol: proto.tcp, flags: tcpFlag.ack, ends, expect: expected };
  },
  function isForged(random, _oracle, world) {
    const source = random.pick([world.client, world.server, world.host, world.node, world.remote]);
    const ends = { source, sourcePort: 7, destination: random.pick([world.client, world.server]), destinationPort: 80 };
    return { program: "fromNetdev", protocol: random.pick(l4), ends, expect: () => ({ verdict: "shot" }) };
  },
];

function take(step: Step, family: 4 | 6, random: Random): string | undefined {
  const { protocol, ends, program } = step;
  const payload = Buffer.alloc(random.below(100), random.below(256));
  const packet = { ...ends, protocol, payload, tcpFlags: step.flags ?? tcpFlag.ack };
  const frame = family === 4 ? ipv4Packet(packet) : ipv6Packet(packet);
  const { verdict, data } = datapath.run(program, frame);
  const after = family === 4 ? parseFrame(data) : { ipChecksumIsRight: true, ...parseFrame6(data) };
  const expected = step.expect(after);
  if (expected.verdict !== "routed" && verdict !== tc[expected.verdict])
    return `verdict ${verdict}, not ${expected.verdict}`;
  if (expected.verdict === "shot") return undefined;
  if (!after.ipChecksumIsRight || !after.l4ChecksumIsRight) return "a wrong checksum";
  for (const [name, value] of Object.entries(expected.ends ?? {}))
    if (after[name as keyof Ends] !== value) return `${name} is ${after[name as keyof Ends]}, not ${value}`;
  if (expected.mac !== undefined && after.destinationMac !== macBytes(expected.mac).toString("hex"))
    return "the wrong MAC address";
  if (data.length !== frame.length || !data.subarray(-payload.length || data.length).equals(payload))
    return "a changed payload";
  return step.note?.(after);
}

function runRound(seed: number): readonly string[] {
  const random = new Random(seed);
  const family = random.pick([4, 6] as const);
  const oracle = new EdgeOracle(worlds[family]);
  install();
  for (let count = 0; count < packetsOfRound; count++) {
    const kind = random.pick(kinds);
    const step = kind(random, oracle, worlds[family]);
    const problem = step && take(step, family, random);
    if (problem !== undefined)
      return [`seed ${seed}, packet ${count}, IPv${family}, ${kind.name} ${JSON.stringify(step!.ends)}: ${problem}`];
  }
  return judgeIdentities(seed);
}

/** Nobody outside is taken for a pod: conntrack says whom each connection into a pod is of. */
function judgeIdentities(seed: number): readonly string[] {
  return datapath
    .connections()
    .filter(({ direction }) => direction === "in")
    .filter(
      ({ sourceIdentity, flagNames }) =>
        sourceIdentity !== (flagNames.includes("LBLoopback") ? client.identity : WORLD_IDENTITY),
    )
    .map(
      ({ sourceIdentity, flagNames }) =>
        `seed ${seed}: a connection of identity ${sourceIdentity} (${flagNames.join()})`,
    );
}

describe("packets at the edge of the node, and of pods that reach themselves", () => {
  it(`are translated there and back as the oracle says: ${rounds} rounds of ${packetsOfRound}`, () => {
    const problems: string[] = [];
    for (let seed = 1; seed <= rounds && problems.length < 5; seed++) problems.push(...runRound(seed));
    expect(problems).toEqual([]);
  });
});

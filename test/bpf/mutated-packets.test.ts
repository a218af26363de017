import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { makeInput, Random } from "../fuzz/mutate.js";
import { DatapathHarness, hostMac, ip6, LOOPBACK_IFINDEX, pod, ROUTE_MTU, remotePod, tc, vip } from "./harness.js";
import { judgeOutcome, type Outcome } from "./oracle/judge-frame.js";
import {
  type Expectation,
  PacketOracle,
  type World,
  type WorldPod,
  type WorldService,
} from "./oracle/packet-oracle.js";
import { etherType, readEtherType } from "./oracle/packet-reader.js";
import { addresses, hexOf, makePacket, makePolicy } from "./oracle/packet-seeds.js";
import { proto } from "./packet-builder.js";

/** Each round has policies, connections and seeds of its own. */
const rounds = process.env.CTS_TEST_LONG === "1" ? 400 : 20;
const packetsOfRound = 1000;
const TUNNEL_PORT = 8472;
const HOST_IDENTITY = 1;
/** What the tunnel takes. Newer kernels want the whole IP header that a frame's EtherType promises. */
const LONGEST = 14 + ROUTE_MTU;
const shortest: Readonly<Record<number, number>> = { [etherType.ipv4]: 34, [etherType.ipv6]: 54 };
const isRunnable = (frame: Buffer): boolean =>
  frame.length > 14 && frame.length >= (shortest[readEtherType(frame)] ?? 0);

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true, eventsDrop: false, eventsTrace: false });
});
afterAll(() => datapath?.[Symbol.dispose]());

function makeWorld(random: Random): World & { readonly client: WorldPod } {
  const podOf = (name: "client" | "server"): WorldPod => ({
    addresses: addresses[name].map(hexOf),
    identity: pod[name].identity,
    mac: pod[name].mac,
    policy: makePolicy(random),
  });
  const [client, server] = [podOf("client"), podOf("server")];
  const service = (address: string, backends: readonly string[]): WorldService => ({
    address: hexOf(address),
    port: 80,
    protocol: proto.tcp,
    backends: backends.map((backend) => ({ address: hexOf(backend), port: 8080 })),
  });
  const far = addresses.remote.map(hexOf);
  return {
    client,
    pods: [client, server],
    hostAddresses: new Set(addresses.host.map(hexOf)),
    identities: new Map(far.map((address) => [address, remotePod.identity])),
    tunnelled: new Set(far),
    services: [service(vip, [pod.server.ip, remotePod.ip]), service(ip6.vip, [ip6.server, ip6.remotePod])],
    hostMac,
    tunnelPort: TUNNEL_PORT,
  };
}

function install({ pods }: World): void {
  datapath.reset();
  datapath.addIp6();
  for (const address of addresses.host)
    datapath.addIpcache(IpPrefix.host(IpAddress.parse(address)).text, HOST_IDENTITY);
  datapath.addService([`${pod.server.ip}:8080`, `${remotePod.ip}:8080`]);
  datapath.addService([`[${ip6.server}]:8080`, `[${ip6.remotePod}]:8080`], { vip: ip6.vip });
  datapath.setPolicy(pod.client.id, pods[0]!.policy);
  datapath.setPolicy(pod.server.id, pods[1]!.policy);
}

interface Hook {
  readonly name: string;
  readonly program: "fromContainer" | "toContainer" | "fromHost" | "toHost" | "fromOverlay";
  readonly between: { readonly from?: "client"; readonly to?: "client" };
  readonly expect: (
    oracle: PacketOracle,
    world: ReturnType<typeof makeWorld>,
    frame: Buffer,
    mark: number,
  ) => Expectation;
  readonly marks?: readonly number[];
}

const markOf = (identity: number): number => (0x0f00 | (identity << 16) | ((identity >> 16) & 0xff)) >>> 0;
const marks = [0, 0x0c00, markOf(remotePod.identity), markOf(2)];
const identityOfMark = new Map([0, 1, remotePod.identity, 2].map((identity, index) => [marks[index], identity]));

const hooks: readonly Hook[] = [
  {
    name: "what a pod sends",
    program: "fromContainer",
    between: { from: "client" },
    expect: (oracle, world, frame) => oracle.fromContainer(frame, world.client),
  },
  {
    name: "what the stack delivers to a pod",
    program: "toContainer",
    between: { to: "client" },
    marks,
    expect: (oracle, world, frame, mark) => oracle.toContainer(frame, world.client, identityOfMark.get(mark)!),
  },
  {
    name: "what the stack routes to pods",
    program: "fromHost",
    between: {},
    expect: (oracle, _world, frame) => oracle.fromHost(frame),
  },
  {
    name: "what reaches the node's stack",
    program: "toHost",
    between: {},
    expect: (oracle, _world, frame) => oracle.toHost(frame),
  },
  {
    name: "what comes out of the tunnel without a key",
    program: "fromOverlay",
    between: {},
    expect: () => ({ kind: "drop" }),
  },
];

function judge(
  hook: Hook,
  world: World,
  frame: Buffer,
  expected: Expectation,
  outcome: Outcome & { readonly mark: number },
) {
  const problem = judgeOutcome(frame, outcome, expected, world.services);
  if (problem !== undefined || hook.program !== "fromHost" || outcome.verdict === tc.shot) return problem;
  if (expected.kind !== "forward") return undefined;
  const { source, destination } = expected.packet;
  const isLocal = world.pods.some((one) => one.addresses.includes(destination));
  const identity = new PacketOracle(world).identityOf(source);
  const mark = identity === 1 ? 0x0c00 : markOf(identity);
  return isLocal && outcome.mark !== mark ? `mark ${outcome.mark.toString(16)} for identity ${identity}` : undefined;
}

/** The problems of a round, a line each, with what repeats them. */
function runRound(seed: number): { readonly problems: readonly string[]; readonly passed: number } {
  const random = new Random(seed);
  const world = makeWorld(random);
  install(world);
  const oracle = new PacketOracle(world);
  const problems: string[] = [];
  let passed = 0;
  for (let count = 0; count < packetsOfRound && problems.length < 3; count++) {
    const hook = random.pick(hooks);
    const pristine = makePacket(random, hook.between);
    const isMutated = random.below(2) === 1;
    const frame: Buffer = isMutated ? makeInput([pristine], random).subarray(0, LONGEST) : pristine;
    const mark = random.pick(hook.marks ?? [0]);
    if (!isRunnable(frame)) continue;
    const expected = hook.expect(oracle, world, frame, mark);
    const outcome = datapath.run(hook.program, frame, { mark });
    if (outcome.verdict !== tc.shot) passed++;
    const isLost = !isMutated && expected.kind === "forward" && expected.isCertain && outcome.verdict === tc.shot;
    const problem = isLost ? "dropped" : judge(hook, world, frame, expected, outcome);
    if (problem !== undefined)
      problems.push(
        `seed ${seed}, packet ${count}, ${hook.program}, mark ${mark}: ${problem}: ${frame.toString("hex")}`,
      );
  }
  return { problems: [...problems, ...judgeConnections()], passed };
}

/** Identities in conntrack that are not those of whoever sent. */
function judgeConnections(): readonly string[] {
  return datapath
    .connections()
    .filter(({ direction }) => direction === "out")
    .filter(({ sourceIdentity }) => sourceIdentity !== pod.client.identity)
    .map(
      (row) =>
        `a connection of identity ${row.sourceIdentity}: ${JSON.stringify(row, (_, value) => (typeof value === "bigint" ? `${value}` : value))}`,
    );
}

describe("packets of all kinds, whole and broken", () => {
  it(`keep right checksums, true identities and the policies: ${rounds} rounds of ${packetsOfRound}`, () => {
    expect(LOOPBACK_IFINDEX).toBe(1);
    const problems: string[] = [];
    let passed = 0;
    for (let seed = 1; seed <= rounds && problems.length < 10; seed++) {
      const round = runRound(seed);
      problems.push(...round.problems);
      passed += round.passed;
    }
    expect(problems).toEqual([]);
    // Enough went through for the rest to mean something.
    expect(passed).toBeGreaterThan((rounds * packetsOfRound) / 10);
  });
});

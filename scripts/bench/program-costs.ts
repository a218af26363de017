import type { BpfProgram } from "../../src/kernel/bpf-program.js";
import { DatapathHarness, pod, remotePod } from "../../test/bpf/harness.js";
import { ipv4Packet, type PacketOptions, tcpFlag } from "../../test/bpf/packet-builder.js";
import type { ProgramCost } from "./results.js";
import { median } from "./statistics.js";

const rounds = 2_000;
/** Each run of a forwarded packet takes one from the TTL of the same packet. */
const runsPerRound = 200;

const { syn, ack } = tcpFlag;
const there = { source: pod.client.ip, destination: pod.server.ip, ttl: 255 };
const back = { source: pod.server.ip, destination: pod.client.ip, sourcePort: 80, destinationPort: 40_000, ttl: 255 };

/** A packet that a program has seen before; `ttl` of 255 lasts for the runs of a round. */
export function leastNanoseconds(program: Pick<BpfProgram, "testRun">, packet: Buffer): number {
  let least = Number.POSITIVE_INFINITY;
  const context = Buffer.alloc(192);
  for (let round = 0; round < rounds; round++) {
    const { durationNs } = program.testRun({ data: packet, context, repeat: runsPerRound });
    least = Math.min(least, durationNs);
  }
  return least;
}

/** A packet that a program sees for the first time: one run each. */
export function medianNanoseconds(
  program: Pick<BpfProgram, "testRun">,
  packetOf: (index: number) => Buffer,
  packets: number = rounds,
): number {
  const context = Buffer.alloc(192);
  return median(
    Array.from({ length: packets }, (_, index) => program.testRun({ data: packetOf(index), context }).durationNs),
  );
}

/** What a packet of an open connection costs in the program of its pod's interface, both pods' sides included. */
export function measurePrograms(): readonly ProgramCost[] {
  using datapath = new DatapathHarness();
  const send = (options: PacketOptions): Buffer => {
    const packet = ipv4Packet(options);
    datapath.run("fromContainer", packet);
    return packet;
  };
  send({ ...there, tcpFlags: syn });
  const toRemote = { ...there, destination: remotePod.ip };
  send({ ...toRemote, tcpFlags: syn });
  const cost = (packet: string, options: PacketOptions): ProgramCost => ({
    packet,
    nanoseconds: leastNanoseconds(datapath.programs.fromContainer, send({ ...options, tcpFlags: ack })),
  });
  const forward = cost("to a pod of the same node", there);
  const remote = cost("to a pod of another node, up to the tunnel device", toRemote);
  // Both pods are behind the test run's one interface.
  datapath.addPod(pod.server, 1);
  send({ ...back, tcpFlags: syn | ack });
  return [forward, cost("the answer of a pod of the same node", back), remote];
}

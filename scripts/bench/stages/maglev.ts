import { Services } from "../../../src/datapath/services.js";
import { IpAddress } from "../../../src/lib/ip.js";
import { defaultAgentConfig } from "../../../src/model/agent-config.js";
import type { LoadBalancerBackend } from "../../../src/model/datapath-port.js";
import { createMaglevTable, type MaglevOptions, maglevSeeds } from "../../../src/model/maglev.js";
import { DatapathHarness, pod, vip } from "../../../test/bpf/harness.js";
import { ipv4Packet, tcpFlag } from "../../../test/bpf/packet-builder.js";
import { BenchLab } from "../bench-lab.js";
import { serviceAddresses } from "../lab-manifests.js";
import { medianNanoseconds } from "../program-costs.js";
import { measureRounds } from "../rounds.js";
import type { Topology } from "../topology.js";
import type { Stage, StageTable } from "./stage.js";

const { lbMaglevTableSize, lbMaglevHashSeed } = defaultAgentConfig();
const options: MaglevOptions = { tableSize: lbMaglevTableSize, seed: maglevSeeds(lbMaglevHashSeed).backends };
const backendCounts = [3, 10, 100, 1_000] as const;

/** The ways to choose a backend, beside each other. */
export const maglevStage: Stage = {
  title: "Random and Maglev selection",
  async measure({ settings }) {
    const [algorithm, perPacket] = ["bpf-lb-algorithm", "per-packet LB"] as const;
    await using random = await BenchLab.open("bench-random", perPacket, { settings: { [algorithm]: "random" } });
    await using maglev = await BenchLab.open("bench-maglev", perPacket, { settings: { [algorithm]: "maglev" } });
    const way = (name: string, lab: BenchLab): Topology => lab.way(name, "client", serviceAddresses[4].local);
    const topologies = [way("random", random), way("random (A/A)", random), way("Maglev", maglev)];
    const frame = { scope: "same node", services: 1, mode: "TCP_CRR" } as const;
    const traffic = [
      await measureRounds({ ...frame, cores: "two cores" }, topologies, settings),
      await measureRounds({ ...frame, cores: "one core" }, topologies, settings),
    ];
    return { traffic, tables: [choiceTable(), disruptionTable()] };
  },
};

function backendsOf(count: number): readonly LoadBalancerBackend[] {
  return Array.from({ length: count }, (_, index) => ({
    backendId: index + 1,
    address: IpAddress.ofV4(0x0a_f4_01_00 + index),
    port: 80,
    protocol: 6,
    state: "active",
  }));
}

function choiceTable(): StageTable {
  using datapath = new DatapathHarness();
  const costOf = (count: number, algorithm: "random" | "maglev"): string => {
    datapath.reset();
    const backends = backendsOf(count);
    new Services(datapath, options).write({
      frontends: [
        {
          ...{ address: IpAddress.parse(vip), port: 80, protocol: 6, scope: 0, serviceId: 5, flags: 0 },
          ...{ affinityTimeoutSeconds: 0, algorithm, hasMaglevTable: algorithm === "maglev", sourceRanges: [] },
          ...{ ownsAddress: true, backendIds: backends.map(({ backendId }) => backendId) },
          ...{ activeCount: count, affineCount: 0 },
        },
      ],
      backends,
    });
    const syn = { source: pod.client.ip, destination: vip, destinationPort: 80, tcpFlags: tcpFlag.syn };
    const packetOf = (index: number): Buffer => ipv4Packet({ ...syn, sourcePort: 10_000 + index });
    return `${medianNanoseconds(datapath.programs.fromContainer, packetOf).toFixed(0)} ns`;
  };
  return {
    title: "The first packet of a connection to a Service",
    intro:
      "By test run of a pod's program, one run each, the median: the choice of a backend and all that it leads to.",
    head: ["backends", "random", "Maglev"],
    rows: backendCounts.map((count) => [
      count.toLocaleString("en-US"),
      costOf(count, "random"),
      costOf(count, "maglev"),
    ]),
  };
}

/** Every backend takes its turn at being the one that goes, at most so many. */
const mostDepartures = 20;

function disruptionTable(): StageTable {
  const rows = backendCounts.map((count) => {
    const backends = backendsOf(count).map((backend) => ({ ...backend, weight: 1 }));
    const before = createMaglevTable(backends, options);
    const shares = backends.slice(0, mostDepartures).map(({ backendId: gone }) => {
      const left = backends.filter(({ backendId }) => backendId !== gone);
      const after = createMaglevTable(left, options);
      const moved = before.filter((id, slot) => id !== after[slot]);
      return { moved: moved.length, needless: moved.filter((id) => id !== gone).length };
    });
    const percent = (slots: readonly number[], of: (...values: number[]) => number): string =>
      `${((of(...slots) / options.tableSize) * 100).toFixed(2)} %`;
    const mean = (...values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    return [
      ...[count.toLocaleString("en-US"), `${(100 / count).toFixed(2)} %`],
      ...[
        percent(
          shares.map(({ moved }) => moved),
          mean,
        ),
        percent(
          shares.map(({ needless }) => needless),
          mean,
        ),
      ],
      percent(
        shares.map(({ needless }) => needless),
        Math.max,
      ),
    ];
  });
  return {
    title: "One backend goes",
    intro: `The share of the flows, slots of a table of ${options.tableSize.toLocaleString("en-US")}, that get another backend; at most ${mostDepartures} departures each. Nobody can do with less than the share of the one that went; with a random choice only conntrack keeps a flow where it is.`,
    head: ["backends", "the share of the one that goes", "flows moved", "of backends that stay", "the most of those"],
    rows,
  };
}

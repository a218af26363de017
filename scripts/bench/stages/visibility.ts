import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BenchLab } from "../bench-lab.js";
import { cpuSecondsOf } from "../command-costs.js";
import { serviceAddresses } from "../lab-manifests.js";
import { measureRounds } from "../rounds.js";
import type { Measurement, Topology } from "../topology.js";
import { type Drive, portOf } from "../traffic.js";
import type { Stage, StageTable } from "./stage.js";
import { type Sight, Subscriber, type SubscriberOutput } from "./subscriber.js";

const port = portOf("TCP_CRR");
const warmSeconds = 1;
const silent = {
  "bpf-events-trace-enabled": "false",
  "bpf-events-drop-enabled": "false",
  "bpf-events-policy-verdict-enabled": "false",
};

const outputs = [
  ["name", "every connection seen"],
  ["jsonl", "every connection seen, printed as JSON"],
] as const satisfies readonly (readonly [SubscriberOutput, string])[];

/** What a subscriber saw while the client counted. */
interface Watched extends Sight {
  readonly name: string;
  readonly where: string;
  readonly transactions: number;
  /** By the programs' own counter of the agent's ring. */
  readonly ringLost: number;
  /** Microseconds a transaction. */
  readonly agentCpu: number;
  readonly subscriberCpu: number;
}

export const visibilityStage: Stage = {
  title: "Flow visibility",
  async measure({ settings }) {
    await using lab = await BenchLab.open("bench-seen", "socket LB");
    await using unseen = await BenchLab.open("bench-unseen", "socket LB", { settings: silent });
    const watched: Watched[] = [];
    const way = (name: string, of: BenchLab = lab): Topology => of.way(name, "client", serviceAddresses[4].local);
    const topologies = [
      way("nobody listens"),
      way("nobody listens (A/A)"),
      ...outputs.map(([output, name]) => watchedWay(way(name), lab, output, (one) => void watched.push(one))),
      way("events off in the programs", unseen),
    ];
    const frame = { scope: "same node", services: 1, mode: "TCP_CRR" } as const;
    const traffic = [
      await measureRounds({ ...frame, cores: "two cores" }, topologies, settings),
      await measureRounds({ ...frame, cores: "one core" }, topologies, settings),
    ];
    return { traffic, tables: [sightTable(watched)] };
  },
};

/** The same with a subscriber, which comes before and goes after the time that counts. */
function watchedWay(
  plain: Topology,
  lab: BenchLab,
  output: SubscriberOutput,
  note: (watched: Watched) => void,
): Topology {
  const measure = async (how: Drive): Promise<Measurement> => {
    await using subscriber = await Subscriber.open(lab, output);
    using lost = BpfMap.openPinned(lab.pinPath("bench-1", "cts_events_lost"), { readOnly: true });
    const counters = (): readonly number[] => [cpuSecondsOf(lab.agentPid), subscriber.cpuSeconds];
    const ringLostBefore = lostIn(lost);
    // A subscriber that has just started compiles while it reads.
    const warm = await plain.measure({ ...how, seconds: warmSeconds });
    const before = counters();
    const measured = await plain.measure(how);
    const after = counters();
    const [agentCpu = 0, subscriberCpu = 0] = after.map(
      (value, i) => (value - (before[i] ?? 0)) / measured.transactions,
    );
    const sight = await subscriber.sight(port);
    const ringLost = lostIn(lost) - ringLostBefore;
    const transactions = warm.transactions + measured.transactions;
    note({ ...sight, name: plain.name, where: how.cores, transactions, ringLost, agentCpu, subscriberCpu });
    return measured;
  };
  return { ...plain, measure };
}

/** Of the agent's slot, on all CPUs. */
function lostIn(map: BpfMap): number {
  const perCpu = map.lookup(Buffer.alloc(4)) ?? Buffer.alloc(0);
  return Array.from({ length: perCpu.length / 8 }, (_, cpu) => Number(perCpu.readBigUInt64LE(cpu * 8))).reduce(
    (sum, count) => sum + count,
    0,
  );
}

function sightTable(watched: readonly Watched[]): StageTable {
  const sum = (ones: readonly Watched[], field: Exclude<keyof Watched, "where" | "name">): number =>
    ones.reduce((total, one) => total + one[field], 0);
  const counted = ["transactions", "traces", "starts", "ends", "drops", "lost", "ringLost"] as const;
  const kinds = new Map(watched.map(({ name, where }) => [`${name} ${where}`, { name, where }]));
  const rows = [...kinds.values()].map(({ name, where }) => {
    const ones = watched.filter((one) => one.name === name && one.where === where);
    const weighted = (field: "agentCpu" | "subscriberCpu"): string =>
      `${((sum(ones, field) / ones.length) * 1e6).toFixed(1)} µs`;
    return [
      ...[name, where, ...counted.map((field) => sum(ones, field).toLocaleString("en-US"))],
      ...[weighted("agentCpu"), weighted("subscriberCpu")],
    ];
  });
  return {
    title: "What the subscriber saw",
    intro:
      "`monitor --type trace --type drop` on the node decodes and names every record; with `-o name` it says no more than that, with `-o jsonl` " +
      "all. Its lines, counted over all rounds and their warm-up: two traces a connection. Lost: told by the " +
      "stream; by the programs: what the agent's ring had no room for. CPU time of the two processes, a transaction.",
    head: [
      ...["client and server on", "transactions", "traces", "starts", "ends", "drops", "lost", "lost, by the programs"],
      ...["agent's CPU", "subscriber's CPU"],
    ],
    rows,
  };
}

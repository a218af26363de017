import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { BenchLab } from "../bench-lab.js";
import { Cleanup } from "../cleanup.js";
import { residentBytes } from "../command-costs.js";
import { pod } from "../lab-manifests.js";
import { sweepNamespaces } from "../namespaces.js";
import type { TrafficResult } from "../results.js";
import { measureRounds } from "../rounds.js";
import { openRoutedVeth, routedVethPods } from "../routed-veth.js";
import { run } from "../shell.js";
import type { Measurement, Topology } from "../topology.js";
import { benchTool, type Drive, serverCommand } from "../traffic.js";
import type { Stage, StageContext, StageFigures, StageTable } from "./stage.js";

/** SYNs a second, each of a flow of its own. */
const rates = [10_000, 50_000] as const;
/** Few enough that the flood fills it again and again. */
const conntrackMax = 131_072;
/** The agent counts what is in the map when it collects garbage. */
const collectSeconds = 10;
/** Not the ports that are measured, nor any that somebody listens on. */
const floodedPort = 20_000;
/** Connections stand before the flood begins. */
const headStartMs = 100;

/** A flood of first packets from a pod through its program, and what becomes of connections that stand. */
export const floodStage: Stage = {
  title: "A flood of new flows",
  measure: (context) => Cleanup.during((cleanup) => measureFlood(context, cleanup)),
};

async function measureFlood({ settings }: StageContext, cleanup: Cleanup): Promise<StageFigures> {
  await sweepNamespaces();
  const lab = cleanup.use(
    await BenchLab.open("bench-flood", "socket LB", {
      objects: [pod("flooded", "flooded", "bench-1", serverCommand)],
      settings: { "bpf-ct-global-tcp-max": `${conntrackMax}`, "conntrack-gc-interval": `${collectSeconds}s` },
    }),
  );
  const plain = cleanup.use(await openRoutedVeth("plain: routed veth", "fa"));
  const { client, server } = routedVethPods("fa");
  const target = await lab.podAddress("flooded");
  const ours: Topology = { ...lab.sameNode, name: "ours" };
  const sent: number[] = [];
  const note = (packets: number): void => void sent.push(packets);
  const topologies = [
    plain,
    ours,
    { ...ours, name: "ours again (A/A)" },
    ...rates.flatMap((rate) => [
      flooded(plain, { prefix: ["ip", "netns", "exec", client], target: server, rate, note: () => undefined }),
      flooded(ours, { prefix: lab.execIn("client"), target, rate, note }),
    ]),
  ];
  const before = await stateOf(lab, settings.signal);
  const traffic: TrafficResult[] = [];
  for (const mode of ["TCP_RR", "STREAM", "TCP_CRR"] as const) {
    const frame = { scope: "same node", services: 1, mode, cores: "two cores" } as const;
    traffic.push(await measureRounds(frame, topologies, settings));
  }
  const after = await stateOf(lab, settings.signal);
  return { traffic, tables: [stateTable(before, after, sent)] };
}

interface Flood {
  readonly prefix: readonly string[];
  readonly target: string;
  readonly rate: number;
  note(packets: number): void;
}

/** The same while the flood lasts, by the same client to somebody else's or its server's closed ports. */
function flooded(topology: Topology, { prefix, target, rate, note }: Flood): Topology {
  const measure = async (how: Drive): Promise<Measurement> => {
    const measuring = topology.measure(how);
    await delay(headStartMs);
    const seconds = `${Math.max(how.seconds - headStartMs / 1_000, 0.1)}`;
    const port = `${floodedPort}`;
    const args = [benchTool, "flood", "--host", target, "--port", port, "--rate", `${rate}`, "--seconds", seconds];
    const [command = "", ...rest] = [...prefix, ...args];
    const [measured, { stdout }] = await Promise.all([measuring, run(command, rest)]);
    note((JSON.parse(stdout) as { readonly packets: number }).packets);
    return measured;
  };
  return { ...topology, name: `${topology.name}, ${rate.toLocaleString("en-US")} SYN/s`, measure };
}

interface NodeState {
  readonly conntrackEntries: number;
  /** As a node's monitoring sees it. */
  readonly pressure: string;
  readonly agentBytes: number;
  readonly drops: number;
  readonly status: string;
}

async function stateOf(lab: BenchLab, signal: AbortSignal): Promise<NodeState> {
  await delay(2 * collectSeconds * 1_000, undefined, { signal });
  const maps = await lab.items("bpf", "map", "list", "cilium_ct4_global", "--node", "bench-1");
  const packets = await lab.items("bpf", "metrics", "list", "--node", "bench-1");
  const metrics = await get(lab.agentSocket, "/metrics");
  const status = JSON.parse(await get(lab.agentSocket, "/v1/status")) as { readonly state?: string };
  return {
    conntrackEntries: Number(maps[0]?.entries ?? 0),
    pressure: /^cilium_bpf_map_pressure\{map_name="cilium_ct4_global"\} (.*)$/m.exec(metrics)?.[1] ?? "none",
    agentBytes: residentBytes(lab.agentPid),
    drops: packets.filter(({ drop }) => drop === true).reduce((sum, row) => sum + Number(row.packets), 0),
    status: status.state ?? "unknown",
  };
}

async function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on("end", () => resolve(text));
    });
    call.on("error", reject);
    call.end();
  });
}

function stateTable(before: NodeState, after: NodeState, sent: readonly number[]): StageTable {
  const flows = sent.reduce((sum, packets) => sum + packets, 0).toLocaleString("en-US");
  const row = (what: string, of: (state: NodeState) => string): readonly string[] => [what, of(before), of(after)];
  return {
    title: "The node before and after",
    intro: `${flows} flows were begun in all, with room for ${conntrackMax.toLocaleString("en-US")} entries of conntrack. The pressure is what \`/metrics\` says of the map; both are of two collections of garbage later.`,
    head: ["what", "before", "after"],
    rows: [
      row("conntrack entries", (state) => state.conntrackEntries.toLocaleString("en-US")),
      row("`cilium_bpf_map_pressure`", (state) => state.pressure),
      row("status of the agent", (state) => state.status),
      row("agent's resident memory", (state) => `${(state.agentBytes / 1e6).toFixed(0)} MB`),
      row("packets dropped by the programs", (state) => state.drops.toLocaleString("en-US")),
    ],
  };
}

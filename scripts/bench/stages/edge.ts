import { BenchLab } from "../bench-lab.js";
import { Cleanup } from "../cleanup.js";
import { firstNodePort, kubeProxyRules } from "../kube-proxy.js";
import { benchNamespace } from "../lab-manifests.js";
import { sweepNamespaces } from "../namespaces.js";
import type { TrafficResult } from "../results.js";
import { measureRounds } from "../rounds.js";
import { run } from "../shell.js";
import type { Measurement, Topology } from "../topology.js";
import { type Cores, type Drive, drive, modes, portOf, startServer, stopServer } from "../traffic.js";
import { type NodeIndex, PlainNodes } from "../two-nodes.js";
import { nativeRouting } from "./routing.js";
import type { Stage, StageContext, StageFigures } from "./stage.js";

const overlay = { family: 4, between: "kernel VXLAN" } as const;
const cores: readonly Cores[] = ["two cores", "one core"];

/** Where the backend is, seen from the node that is asked: the measured Services of a lab are called after that. */
const places = [
  { app: "local", scope: "same node", node: 1, firstPort: firstNodePort },
  { app: "remote", scope: "across nodes", node: 2, firstPort: firstNodePort + 50 },
] as const;
type Place = (typeof places)[number];

/** NodePort from outside of the cluster: the first node is asked by a machine that is none. */
export const nodePortStage: Stage = {
  title: "NodePort from outside",
  measure: (context) =>
    Cleanup.during(async (cleanup) => {
      await sweepNamespaces();
      const lab = cleanup.use(
        await BenchLab.open("bench-ports", "socket LB", { objects: places.map(nodePortService) }),
      );
      const traffic: TrafficResult[] = [];
      for (const services of context.isQuick ? [1, 1_000] : [1, 10_000]) {
        await lab.growTo(services);
        traffic.push(...(await Cleanup.during((plain) => measureNodePorts(context, lab, services, plain))));
      }
      traffic.push(...(await Cleanup.during((labs) => measureForwarding(context, labs))));
      return { traffic, tables: [] };
    }),
};

/** Ways of a packet to another node's backend, and of its answer; all with native routing, which XDP and IPIP need. */
const forwardings = [
  { name: "SNAT", settings: {} },
  { name: "SNAT again (A/A)", settings: {} },
  { name: "SNAT, XDP", settings: { "bpf-lb-acceleration": "native" } },
  { name: "DSR by an IP option", settings: { "bpf-lb-mode": "dsr" } },
  { name: "DSR by IPIP", settings: { "bpf-lb-mode": "dsr", "bpf-lb-dsr-dispatch": "ipip" } },
] as const;

async function measureForwarding({ settings }: StageContext, cleanup: Cleanup): Promise<readonly TrafficResult[]> {
  const place = places[1];
  const topologies: Topology[] = [];
  for (const [index, forwarding] of forwardings.entries()) {
    const extras = { objects: [nodePortService(place)], settings: { ...nativeRouting, ...forwarding.settings } };
    const lab = cleanup.use(await BenchLab.open(`bench-ports-${index}`, "socket LB", extras));
    const name = `ours, native routing, ${forwarding.name}`;
    topologies.push(await dialled(name, lab.outside.netns, lab.nodeAddress("bench-1"), place.firstPort));
  }
  const results: TrafficResult[] = [];
  for (const mode of ["TCP_CRR", "TCP_RR"] as const) {
    const frame = { scope: place.scope, services: 1, mode, cores: "two cores" } as const;
    results.push(await measureRounds(frame, topologies, settings));
  }
  return results;
}

async function measureNodePorts(
  { settings }: StageContext,
  lab: BenchLab,
  services: number,
  cleanup: Cleanup,
): Promise<readonly TrafficResult[]> {
  const results: TrafficResult[] = [];
  for (const place of places) {
    const topologies = [
      cleanup.use(await openKubeProxyPort("kube-proxy, iptables", `na${place.node}`, services, place.node)),
      cleanup.use(await openKubeProxyPort("kube-proxy again (A/A)", `nb${place.node}`, services, place.node)),
      await dialled("ours, SNAT", lab.outside.netns, lab.nodeAddress("bench-1"), place.firstPort),
    ];
    for (const one of cores) {
      const frame = { scope: place.scope, services, mode: "TCP_CRR", cores: one } as const;
      results.push(await measureRounds(frame, topologies, settings));
    }
  }
  return results;
}

function nodePortService({ app, firstPort }: Place): object {
  const ports = modes.map((mode, index) => ({
    name: mode.toLowerCase().replace("_", "-"),
    protocol: mode === "UDP_RR" ? "UDP" : "TCP",
    port: portOf(mode),
    nodePort: firstPort + index,
  }));
  const metadata = { name: `ports-${app}`, namespace: benchNamespace };
  return { apiVersion: "v1", kind: "Service", metadata, spec: { type: "NodePort", selector: { app }, ports } };
}

/** From a namespace to an address. What it needs is somebody else's. */
async function dialled(name: string, netns: string, address: string, firstPort?: number): Promise<Topology> {
  const inside = ["ip", "netns", "exec", netns];
  await alignTimestamps(inside);
  const measure = (how: Drive): Promise<Measurement> => drive(inside, address, how, firstPort);
  return { name, measure, [Symbol.asyncDispose]: async () => undefined };
}

/**
 * One clock for the TCP timestamps of all connections of a client. Of late the kernel gives each pair of ports an offset of its own;
 * behind a NAT with random ports (`--random-fully`) a server then finds old timestamps in SYNs for ports that it has in
 * TIME_WAIT, and drops them: a second's wait each, and a figure of that instead of a connection's work.
 */
async function alignTimestamps([command = "", ...inside]: readonly string[]): Promise<void> {
  await run(command, [...inside, "sysctl", "-qw", "net.ipv4.tcp_timestamps=2"]);
}

/** A node with kube-proxy's rules, and a backend there or on another node. */
async function openKubeProxyPort(name: string, group: string, services: number, backend: NodeIndex): Promise<Topology> {
  return Cleanup.guard(async (cleanup) => {
    const plain = await PlainNodes.open(cleanup, group, overlay);
    const address = plain.podAddress(backend);
    const server = await startServer(await plain.addPod(backend, "server"), address);
    cleanup.defer(() => stopServer(server));
    const input = kubeProxyRules({ services, podCidr: plain.podCidr(1), backends: [address] });
    await run("ip", ["netns", "exec", plain.nodes[0], "iptables-restore"], { input });
    const outside = await plain.outside();
    const way = await dialled(name, outside.netns, plain.nodeAddress(1), firstNodePort);
    return { ...way, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  });
}

/** Pods' connections to a machine that is no node: it sees the node's address. */
export const masqueradeStage: Stage = {
  title: "Masquerading",
  measure: (context) => Cleanup.during((cleanup) => measureMasquerade(context, cleanup)),
};

const masqueradeRules = (podCidr: string): string => `*nat
-A POSTROUTING -s ${podCidr} ! -d ${podCidr} -j MASQUERADE --random-fully
COMMIT
`;

async function measureMasquerade({ settings }: StageContext, cleanup: Cleanup): Promise<StageFigures> {
  await sweepNamespaces();
  const lab = cleanup.use(await BenchLab.open("bench-masq", "socket LB"));
  const server = await startServer(lab.outside.netns, lab.outside.address);
  cleanup.defer(() => stopServer(server));
  await alignTimestamps(lab.execIn("client"));
  const topologies = [
    cleanup.use(await openPlainExit("iptables MASQUERADE", "ma", "masqueraded")),
    cleanup.use(await openPlainExit("iptables again (A/A)", "mb", "masqueraded")),
    cleanup.use(await openPlainExit("plain: routes, no NAT", "mc", "routed")),
    lab.way("ours", "client", lab.outside.address),
  ];
  const traffic: TrafficResult[] = [];
  for (const mode of ["TCP_CRR", "TCP_RR", "STREAM"] as const) {
    for (const one of mode === "TCP_CRR" ? cores : cores.slice(0, 1))
      traffic.push(
        await measureRounds({ scope: "out of the node", services: 1, mode, cores: one }, topologies, settings),
      );
  }
  return { traffic, tables: [] };
}

/** A pod and a machine that is no node, which knows the way back to the pod or does not need to. */
async function openPlainExit(name: string, group: string, how: "masqueraded" | "routed"): Promise<Topology> {
  return Cleanup.guard(async (cleanup) => {
    const plain = await PlainNodes.open(cleanup, group, overlay);
    const client = await plain.addPod(1, "client");
    const outside = await plain.outside();
    const server = await startServer(outside.netns, outside.address);
    cleanup.defer(() => stopServer(server));
    const podCidr = plain.podCidr(1);
    const back = ["-n", outside.netns, "route", "add", podCidr, "via", plain.nodeAddress(1)];
    const input = masqueradeRules(podCidr);
    if (how === "routed") await run("ip", back);
    else await run("ip", ["netns", "exec", plain.nodes[0], "iptables-restore"], { input });
    const way = await dialled(name, client, outside.address);
    return { ...way, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  });
}

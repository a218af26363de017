import type { JsonObject } from "../lib/json-value.js";
import type { DatapathStatus, NodeStatus, StatusReport } from "../model/status-report.js";
import { outputApiVersion } from "./json-printer.js";
import { definedFields, jsonCounter } from "./list-format.js";

/** The labels are upstream's where it has the line, so that eyes find what they know. */
export function statusText(report: StatusReport): string {
  const lines = summaryLines(report).map(([label, value]) => `${`${label}:`.padEnd(22)}${value}`);
  const text = [...lines, "", ...nodeTable(report.nodes)];
  if (report.problems.length > 0) text.push("", "Problems:", ...report.problems.map((problem) => `  ${problem}`));
  return `${text.map((line) => line.trimEnd()).join("\n")}\n`;
}

function summaryLines(report: StatusReport): readonly (readonly [label: string, value: string])[] {
  const { nodes } = report;
  const read = nodes.flatMap((node) => node.datapath ?? []);
  const healthy = nodes.filter((node) => node.agent.state === "ok").length;
  const versions = [...new Set(nodes.flatMap((node) => node.agent.version ?? []))];
  const socketLb = read.filter((datapath) => (datapath.programs.cgroup ?? 0) > 0).length;
  const programs = read.reduce((sum, datapath) => sum + Object.values(datapath.programs).reduce((a, b) => a + b, 0), 0);
  const tunnels = read.reduce((sum, datapath) => sum + datapath.tunnels, 0);
  const connections = read.reduce((sum, datapath) => sum + datapath.connections, 0);
  const capacity = read.reduce((sum, datapath) => sum + datapath.connectionCapacity, 0);
  const endpoints = read.reduce((sum, datapath) => sum + datapath.endpoints, 0);
  const forwarded = read.reduce((sum, datapath) => sum + datapath.forwardedPackets, 0n);
  const dropped = read.reduce((sum, datapath) => sum + datapath.droppedPackets, 0n);
  const frontends = Math.max(0, ...read.map((datapath) => datapath.frontends));
  const backends = Math.max(0, ...read.map((datapath) => datapath.backends));
  const reasons = report.drops.slice(0, 3).map(({ reason, packets }) => `${reason} ${packets}`);
  const identities = report.identities === undefined ? [] : [["Identities", String(report.identities)] as const];
  return [
    ["Target", report.target],
    [
      "Status",
      report.state === "ok"
        ? "Ok"
        : `Degraded (${report.problems.length} ${report.problems.length === 1 ? "problem" : "problems"})`,
    ],
    ["Agents", `${healthy}/${nodes.length} ok${versions.length === 0 ? "" : `   ${versions.join(", ")}`}`],
    ["Datapath", `${read.length}/${nodes.length} nodes read, ${programs} programs attached`],
    ["KubeProxyReplacement", kubeProxyReplacement(programs, socketLb, nodes.length)],
    // Where no kernel could be read, "0 dropped" would be a lie.
    ...(read.length === 0
      ? identities
      : ([
          ["Routing", routing(nodes, tunnels)],
          ...acceleration(nodes),
          ["Endpoints", `${endpoints}${report.pods === undefined ? "" : ` of ${report.pods} pods with an address`}`],
          ["Services", `${frontends} frontends, ${backends} backends`],
          ...identities,
          ["Conntrack", `${some(read)}${connections} of ${capacity} entries`],
          ["NAT", natFill(read)],
          ...mapPressure(nodes),
          [
            "Packets",
            `${forwarded} forwarded, ${dropped} dropped${reasons.length === 0 ? "" : `   (${reasons.join(", ")})`}`,
          ],
        ] as const)),
  ];
}

/** As upstream words it; what agents do not say of the network is told from the tunnels alone. */
function routing(nodes: readonly NodeStatus[], tunnels: number): string {
  const said = [...new Set(nodes.flatMap(({ agent }) => agent.routing ?? []))];
  const unsaid = tunnels > 0 ? ["Tunnel"] : ["no tunnel endpoints"];
  const network = said.map((one) => (one === "native" ? "Native" : `Tunnel [${one}]`));
  const host = [...new Set(nodes.flatMap(({ agent }) => agent.hostRouting ?? []))];
  const words = [`Network: ${(network.length > 0 ? network : unsaid).join(", ")}`];
  if (host.length > 0) words.push(`Host: ${host.join(", ")}`);
  return words.join("   ");
}

/** Upstream's words for the modes of `bpf-lb-acceleration`. */
const accelerationWords: Readonly<Record<string, string>> = {
  disabled: "Disabled",
  native: "Native",
  "best-effort": "Best-Effort",
  "testing-only": "Generic",
};

function acceleration(nodes: readonly NodeStatus[]): readonly (readonly [label: string, value: string])[] {
  const said = [...new Set(nodes.flatMap(({ agent }) => agent.xdpAcceleration ?? []))];
  const words = said.map((mode) => accelerationWords[mode] ?? mode);
  return words.length === 0 ? [] : [["XDP Acceleration", words.join(", ")]];
}

function natFill(read: readonly DatapathStatus[]): string {
  const entries = read.reduce((sum, { translations }) => sum + translations, 0);
  const capacity = read.reduce((sum, { translationCapacity }) => sum + translationCapacity, 0);
  const refused = read.reduce((sum, { translationsRefused }) => sum + translationsRefused, 0n);
  return `${some(read)}${entries} of ${capacity} entries${refused === 0n ? "" : `   (${refused} packets found no free port)`}`;
}

function some(read: readonly DatapathStatus[]): string {
  return read.some(({ areCountsEstimated }) => areCountsEstimated) ? "some " : "";
}

/** A line each; full ones stand among the problems. */
function mapPressure(nodes: readonly NodeStatus[]): readonly (readonly [label: string, value: string])[] {
  const pressed = nodes.flatMap(({ name, datapath }) =>
    (datapath?.pressedMaps ?? []).map((text) => `${name}: ${text}`),
  );
  return pressed.map((text) => ["Map pressure", text] as const);
}

/** Said of our own programs only: what a foreign datapath has attached is not ours to judge. */
function kubeProxyReplacement(programs: number, socketLb: number, nodes: number): string {
  if (programs === 0) return "Unknown   [none of our programs is attached]";
  return socketLb > 0 ? `True   [socket LB on ${socketLb}/${nodes} nodes]` : "True   [per packet]";
}

function nodeTable(nodes: readonly NodeStatus[]): readonly string[] {
  const header = ["NODE", "ADDRESS", "POD-CIDR", "AGENT", "UPTIME", "ENDPOINTS", "CONNECTIONS", "DROPPED"];
  const rows = nodes.map((node) => [
    node.name,
    node.address ?? "-",
    node.podCidrs.join() || "-",
    node.agent.state,
    node.agent.uptimeSeconds === undefined ? "-" : `${node.agent.uptimeSeconds}s`,
    node.datapath === undefined ? "unread" : String(node.datapath.endpoints),
    node.datapath === undefined ? "unread" : String(node.datapath.connections),
    node.datapath === undefined ? "unread" : String(node.datapath.droppedPackets),
  ]);
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [header, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("   "));
}

/** `-o yaml`; the same content as {@link statusItem}. */
export async function statusYaml(report: StatusReport): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(statusItem(report));
}

/** The same report as data. */
export function statusItem(report: StatusReport): JsonObject {
  return definedFields({
    apiVersion: outputApiVersion,
    kind: "StatusReport",
    target: report.target,
    state: report.state,
    identities: report.identities,
    pods: report.pods,
    nodes: report.nodes.map((node) =>
      definedFields({
        name: node.name,
        address: node.address,
        podCidrs: node.podCidrs,
        agent: definedFields({ ...node.agent }),
        datapath:
          node.datapath === undefined
            ? undefined
            : definedFields({
                ...node.datapath,
                translationsRefused: jsonCounter(node.datapath.translationsRefused),
                forwardedPackets: jsonCounter(node.datapath.forwardedPackets),
                droppedPackets: jsonCounter(node.datapath.droppedPackets),
              }),
      }),
    ),
    drops: report.drops.map(({ reason, packets }) => ({ reason, packets: jsonCounter(packets) })),
    problems: report.problems,
  });
}

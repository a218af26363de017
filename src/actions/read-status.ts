import { CtsError } from "../lib/errors.js";
import { describePressure, type MapPressure, pressureOf } from "../model/map-pressure.js";
import type { ReaderName, ReaderRequest, ReaderRow } from "../model/readers.js";
import type { MapFillRow, MetricRow } from "../model/rows.js";
import type { AgentStatus, DatapathStatus, DropCount, NodeStatus, StatusReport } from "../model/status-report.js";
import { getFromAgent } from "../session/agent-client.js";
import type { Session, SessionNode } from "../session/session.js";
import { agentSockets } from "./agent-sockets.js";
import type { NameIndex } from "./names/name-index.js";
import type { Target } from "./open-target.js";

/** `DROP_NAT_NO_MAPPING` */
const NO_NAT_MAPPING = 167;

interface ReadOptions {
  readonly signal: AbortSignal;
}

/** What one node is like, and what is wrong with it. */
interface NodeFinding {
  readonly status: NodeStatus;
  readonly metrics: readonly MetricRow[];
  readonly problems: readonly string[];
  /** Why the node's kernel could not be read. */
  readonly failure?: CtsError | undefined;
}

/**
 * Reads kernels and agents; either may be missing, and the report says so.
 * @throws KernelError `pins-unreadable` and the like when this process may look at none of them: then nothing is known
 *   to be down or degraded
 */
export async function readStatus(target: Target, options: ReadOptions): Promise<StatusReport> {
  const names = await target.names();
  const sockets = agentSockets(target.resolved);
  const findings = await Promise.all(
    target.nodes.map((node, index) => readNodeStatus(node, sockets[index]!.path, names, options)),
  );
  const [first] = findings;
  if (first?.failure !== undefined && findings.every(({ status }) => status.agent.state === "unknown")) {
    if (findings.every(({ failure }) => failure !== undefined)) throw first.failure;
  }
  // That names are missing without an agent is no problem of its own.
  const problems = findings.flatMap((finding) => finding.problems);
  return {
    target: target.description,
    state: problems.length === 0 ? "ok" : "degraded",
    nodes: findings.map((finding) => finding.status),
    identities: names.document.identities.length,
    pods: names.document.pods.filter((pod) => pod.addresses.length > 0 && isOnNodes(pod.node, target)).length,
    drops: countDrops(findings.flatMap((finding) => finding.metrics)),
    problems,
  };
}

/** A pod whose node is not known counts everywhere. */
function isOnNodes(node: string | undefined, target: Target): boolean {
  return node === undefined || target.nodes.some((candidate) => candidate.name === node);
}

async function readNodeStatus(
  node: SessionNode,
  agentSocket: string,
  names: NameIndex,
  options: ReadOptions,
): Promise<NodeFinding> {
  const [agent, datapath] = await Promise.all([readAgent(agentSocket), readDatapath(node, options)]);
  const named = names.document.nodes.find((candidate) => candidate.name === node.name);
  const problems = [
    ...agent.problems.map((problem) => `${node.name}: agent: ${problem}`),
    ...(agent.state === "ok" || agent.problems.length > 0 ? [] : [`${node.name}: agent: it is ${agent.state}`]),
    ...datapath.problems.map((problem) => `${node.name}: ${problem}`),
  ];
  return {
    status: {
      name: node.name,
      address: named?.addresses[0],
      podCidrs: named?.podCidrs ?? [],
      agent,
      datapath: datapath.status,
    },
    metrics: datapath.metrics,
    problems,
    failure: datapath.failure,
  };
}

async function readAgent(socketPath: string): Promise<AgentStatus> {
  let answer: unknown;
  try {
    answer = await getFromAgent(socketPath, "/v1/status");
  } catch (error) {
    if (!(error instanceof CtsError)) throw error;
    return { state: isForbidden(error.details.errno) ? "unknown" : "down", problems: [error.message] };
  }
  const fields = asRecord(answer);
  const addresses = asRecord(fields.addresses);
  const states = ["ok", "starting", "degraded", "failed"] as const;
  return {
    state: states.find((state) => state === fields.state) ?? "failed",
    version: typeof fields.version === "string" ? fields.version : undefined,
    uptimeSeconds: asNumber(fields.uptimeSeconds),
    starts: asNumber(fields.starts),
    addressesUsed: asNumber(addresses.used),
    addressesCapacity: asNumber(addresses.capacity),
    ...readRouting(fields.features),
    problems: Array.isArray(fields.problems) ? fields.problems.map(String) : [],
  };
}

/** From what the agent says of its features; nothing of an agent that does not tell. */
function readRouting(features: unknown): Pick<AgentStatus, "routing" | "hostRouting" | "xdpAcceleration"> {
  const named = (name: string): Readonly<Record<string, unknown>> | undefined =>
    (Array.isArray(features) ? features.map(asRecord) : []).find((feature) => feature.name === name);
  const [overlay, host, xdp] = ["overlay", "host-routing", "xdp-acceleration"].map(named);
  return {
    ...(overlay === undefined ? {} : { routing: overlay.used === true ? String(overlay.detail) : "native" }),
    ...(host === undefined ? {} : { hostRouting: host.used === true ? "BPF" : "Legacy" }),
    ...(xdp === undefined ? {} : { xdpAcceleration: String(xdp.detail) }),
  };
}

async function readDatapath(
  node: SessionNode,
  options: ReadOptions,
): Promise<{
  status?: DatapathStatus;
  metrics: readonly MetricRow[];
  problems: readonly string[];
  failure?: CtsError;
}> {
  try {
    await using session = await node.open(options);
    const metrics = await readAll(session, "metrics", {}, options);
    const maps = await readAll(session, "maps", { countEntries: "estimate" }, options);
    const links = await readAll(session, "links", {}, options);
    const endpoints = await readAll(session, "local-endpoints", {}, options);
    const tunnels = await readAll(session, "tunnels", {}, options);
    const services = await readAll(session, "lb-services", {}, options);
    const conntrack = maps.filter((map) => /^cilium_ct(_any)?[46]_global$/.test(map.name));
    const nat = maps.filter((map) => /^cilium_snat_v[46]_external$/.test(map.name));
    const fullMaps = describePressed(maps, "full");
    const programs: Record<string, number> = {};
    for (const link of links) programs[link.kind] = (programs[link.kind] ?? 0) + 1;
    const status: DatapathStatus = {
      kernelRelease: session.node.kernelRelease,
      // A pod has an entry for each of its addresses.
      endpoints: new Set(endpoints.filter(({ isHost }) => !isHost).map(({ endpointId }) => endpointId)).size,
      frontends: services.filter((service) => service.slot === 0 && service.port !== 0).length,
      backends: services.filter((service) => service.slot > 0).length,
      tunnels: tunnels.length,
      connections: sumEntries(conntrack),
      connectionCapacity: sumCapacity(conntrack),
      translations: sumEntries(nat),
      translationCapacity: sumCapacity(nat),
      translationsRefused: sumPackets(metrics.filter(({ reason }) => reason === NO_NAT_MAPPING)),
      forwardedPackets: sumPackets(metrics.filter((row) => !row.isDrop)),
      droppedPackets: sumPackets(metrics.filter((row) => row.isDrop)),
      programs,
      areCountsEstimated: [...conntrack, ...nat].some(({ isEstimate }) => isEstimate === true),
      pressedMaps: describePressed(maps, "high"),
      fullMaps,
    };
    const dangling = links.filter((link) => link.isDangling);
    return {
      status,
      metrics,
      problems: [
        ...fullMaps,
        ...dangling.map((link) => `program ${link.programName} (link ${link.name}) is attached to nothing any more`),
      ],
    };
  } catch (error) {
    if (!(error instanceof CtsError) || options.signal.aborted) throw error;
    return { metrics: [], problems: [error.message], failure: error };
  }
}

async function readAll<Name extends ReaderName>(
  session: Session,
  name: Name,
  request: ReaderRequest<Name>,
  options: ReadOptions,
): Promise<ReaderRow<Name>[]> {
  const rows: ReaderRow<Name>[] = [];
  for await (const batch of session.read(name, request, options)) rows.push(...batch);
  options.signal.throwIfAborted();
  return rows;
}

function describePressed(maps: readonly MapFillRow[], pressure: MapPressure): readonly string[] {
  return maps.flatMap(({ entries, ...map }) => {
    if (entries === undefined || pressureOf({ ...map, entries }) !== pressure) return [];
    return describePressure({ ...map, entries }) ?? [];
  });
}

function sumEntries(maps: readonly MapFillRow[]): number {
  return maps.reduce((sum, map) => sum + (map.entries ?? 0), 0);
}

function sumCapacity(maps: readonly MapFillRow[]): number {
  return maps.reduce((sum, map) => sum + map.maxEntries, 0);
}

function sumPackets(rows: readonly MetricRow[]): bigint {
  return rows.reduce((sum, row) => sum + row.packets, 0n);
}

function countDrops(metrics: readonly MetricRow[]): readonly DropCount[] {
  const counts = new Map<string, bigint>();
  for (const row of metrics) {
    if (row.isDrop) counts.set(row.reasonText, (counts.get(row.reasonText) ?? 0n) + row.packets);
  }
  return [...counts]
    .map(([reason, packets]) => ({ reason, packets }))
    .sort((a, b) => (a.packets < b.packets ? 1 : a.packets > b.packets ? -1 : 0));
}

function isForbidden(errno: unknown): boolean {
  return errno === "EACCES" || errno === "EPERM";
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function asNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

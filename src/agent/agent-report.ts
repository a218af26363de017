import { type EndpointOptionsAnswer, type EventOptions, nodeEventOptions } from "../model/event-options.js";
import { HOST_ENDPOINT_ID } from "../model/host-endpoint.js";
import { HOST_IDENTITY } from "../model/identity.js";
import { formatLabel } from "../model/labels.js";
import { emptyNames } from "../model/names-document.js";
import type { CompiledPolicy } from "../model/policy/compiled-policy.js";
import type { EndpointRow } from "../model/rows.js";
import type { AgentRuntime } from "./agent-runtime.js";
import { type AgentApi, waitForAttachments } from "./api/agent-routes.js";
import { addressPair } from "./endpoints/cilium-endpoint.js";
import type { EndpointRecord } from "./endpoints/endpoint-record.js";
import { collectMetrics } from "./metrics/agent-metrics.js";
import { formatMetrics } from "./metrics/metrics-text.js";
import { describeCookies, describePolicies } from "./policy/policy-document.js";
import type { ReportSources } from "./report-sources.js";

/** Container runtimes give a plugin minutes, kubelets retry; this is long enough for a slow start. */
const ATTACH_WAIT_MS = 20_000;

/** What the socket answers, from whatever of the agent is there yet. */
export function createAgentApi(sources: ReportSources): AgentApi {
  const { status, runtime } = sources;
  const startedAt = new Date();
  let current: AgentRuntime | undefined;
  runtime.then(
    (value) => {
      current = value;
    },
    () => {},
  );
  const why = (): string => status.problems().join("; ") || "it is starting";
  const whenReady = (): Promise<AgentRuntime> => waitForAttachments(runtime, ATTACH_WAIT_MS, why);
  return {
    cni: {
      add: async (request) => (await whenReady()).manager.add(request),
      check: async (request) => (await whenReady()).manager.check(request),
      del: async (request) => (await whenReady()).manager.delete(request),
    },
    health: () => {
      const isHealthy = current !== undefined && status.overall() !== "failed";
      return { status: current === undefined ? "starting" : status.overall(), isHealthy, problems: status.problems() };
    },
    status: () => describeAgent(sources, current, startedAt),
    endpoints: () => current && listEndpoints(current, sources.options.nodeName),
    names: () => current?.names.document() ?? emptyNames,
    services: (query) => current?.names.findServices(query),
    policies: () => current && describePolicies(current.policies, current.config),
    policyCookies: () => current && describeCookies(current.policies),
    configureEndpoint: async ({ endpointId, change }) => describeOptions(await whenReady(), endpointId, change),
    drops: () => current?.drops.recent() ?? [],
    events: (filter) => current?.events.subscription(filter) ?? { refusal: "the agent is starting" },
    metrics: async () => formatMetrics(await collectMetrics(sources, current)),
  };
}

async function describeAgent(
  sources: ReportSources,
  runtime: AgentRuntime | undefined,
  startedAt: Date,
): Promise<unknown> {
  const { options, status, monitor, starts } = sources;
  return {
    node: options.nodeName,
    version: options.version,
    pid: process.pid,
    startedAt: startedAt.toISOString(),
    uptimeSeconds: Math.floor((Date.now() - startedAt.getTime()) / 1000),
    starts,
    state: runtime === undefined && status.overall() !== "failed" ? "starting" : status.overall(),
    subsystems: status.subsystems(),
    problems: status.problems(),
    process: monitor.read(),
    ...(runtime === undefined ? {} : await describeRuntime(runtime)),
  };
}

async function describeRuntime(runtime: AgentRuntime): Promise<Readonly<Record<string, unknown>>> {
  const { node, pools, table, policies, services, conntrack, devices, drops, events, datapath } = runtime;
  const { usedCount, capacity } = pools.tightest;
  return {
    addresses: {
      internalIps: node.internalIps,
      ciliumHostIps: node.podRanges.map(({ ciliumHostIp }) => ciliumHostIp),
      podCidrs: node.podRanges.map(({ podCidr }) => podCidr),
      used: usedCount,
      capacity,
    },
    underlay: { device: node.underlayDevice, mtu: node.mtu, routeMtu: node.routeMtu },
    devices: devices.devices,
    endpoints: { total: table.size, ready: table.ready().length },
    policy: policies.reconciler.totals,
    services: services.counts,
    conntrack: { ...conntrack.totals, last: conntrack.last ?? null },
    events: { ...drops.totals, subscribers: events.totals.subscribers },
    programs: await datapath.readPrograms(),
    features: [...datapath.readFeatures(), ...runtime.sockets.features()],
    maps: await datapath.readMapFill(),
  };
}

async function describeOptions(
  { manager, config }: AgentRuntime,
  endpointId: number,
  change: Partial<EventOptions>,
): Promise<EndpointOptionsAnswer | undefined> {
  const record = await manager.configure(endpointId, change);
  if (record === undefined) return undefined;
  const own = Object.keys(record.eventOptions ?? {}) as (keyof EventOptions)[];
  return { endpointId, options: { ...nodeEventOptions(config), ...record.eventOptions }, own };
}

function listEndpoints({ table, policies, config, node: self }: AgentRuntime, node: string): readonly EndpointRow[] {
  const pods = table.list().map((record) => toEndpointRow(record, node));
  const host = policies.endpoints.owners().filter(({ endpointId }) => endpointId === HOST_ENDPOINT_ID);
  const hosts = host.map(({ endpointId, subject }) => ({
    ...{ node, id: endpointId, identity: HOST_IDENTITY, identityLabels: subject.labels.map(formatLabel) },
    ...addressPair({ addresses: self.podRanges.map(({ ciliumHostIp }) => ciliumHostIp) }),
    state: "ready",
  }));
  return [...hosts, ...pods].map((row) => ({
    ...row,
    policyEnforcement: enforcementOf(policies.endpoints.policyOf(row.id), config.policyAuditMode),
  }));
}

function toEndpointRow(record: EndpointRecord, node: string): Omit<EndpointRow, "policyEnforcement"> {
  return {
    node,
    id: record.endpointId,
    identity: record.identity,
    identityLabels: record.labels,
    ...addressPair(record),
    state: record.state,
    podNamespace: record.podNamespace,
    podName: record.podName,
    containerId: record.containerId,
    containerInterface: record.ifName,
    interfaceName: record.hostIfname,
    interfaceIndex: record.ifindex,
    mac: record.mac,
    hostMac: record.hostMac,
  };
}

function enforcementOf(policy: CompiledPolicy | undefined, isAudited: boolean): EndpointRow["policyEnforcement"] {
  const { ingress, egress } = policy ?? {};
  if (ingress?.isEnforced !== true && egress?.isEnforced !== true) return "none";
  const directions = ingress?.isEnforced !== true ? "egress" : egress?.isEnforced !== true ? "ingress" : "both";
  return isAudited ? `audit-${directions}` : directions;
}

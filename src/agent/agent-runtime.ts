import type { Logger } from "../lib/log.js";
import type { AgentConfig } from "../model/agent-config.js";
import type { DatapathPort } from "../model/datapath-port.js";
import { objectKey } from "../model/kube-object.js";
import { resourceTypes } from "../model/kubernetes.js";
import { identityLabelsOfPod, parseLabelFilter } from "../model/labels.js";
import { IdentityAllocator, identityNumber } from "../state/identity-allocator.js";
import type { AgentCaches } from "./agent-caches.js";
import type { AgentOptions } from "./agent-options.js";
import { ConntrackCollector } from "./conntrack/conntrack-collector.js";
import { DeviceKeeper } from "./devices/device-keeper.js";
import { EndpointManager } from "./endpoints/endpoint-manager.js";
import { EndpointProgrammer } from "./endpoints/endpoint-programmer.js";
import { EndpointStore } from "./endpoints/endpoint-store.js";
import { EndpointTable } from "./endpoints/endpoint-table.js";
import { type RestoredEndpoints, restoreEndpoints } from "./endpoints/restore-endpoints.js";
import { DropLog } from "./events/drop-log.js";
import { EventHub } from "./events/event-hub.js";
import { createIdentityResolver, type IdentityResolver, type PodRef } from "./identities/identity-resolver.js";
import type { AddressPools } from "./ipam/address-pools.js";
import { openAddressPools, savePoolCursors } from "./ipam/pool-cursor.js";
import { NameCache } from "./names/name-cache.js";
import type { LocalNode } from "./nodes/local-node.js";
import { openPolicies, type Policies } from "./policy/open-policies.js";
import { Reconcilers } from "./reconcilers.js";
import { ServiceReconciler } from "./services/service-reconciler.js";
import { SocketTerminator } from "./services/socket-terminator.js";
import type { StatusBoard } from "./status/status-board.js";

/** The parts of an agent whose node and datapath are known. */
export interface AgentRuntime extends AsyncDisposable {
  readonly node: LocalNode;
  readonly config: AgentConfig;
  readonly datapath: DatapathPort;
  readonly pools: AddressPools;
  readonly table: EndpointTable;
  readonly manager: EndpointManager;
  readonly policies: Policies;
  readonly services: ServiceReconciler;
  readonly sockets: SocketTerminator;
  readonly reconcilers: Reconcilers;
  readonly devices: DeviceKeeper;
  readonly conntrack: ConntrackCollector;
  readonly drops: DropLog;
  readonly events: EventHub;
  readonly names: NameCache;
}

export interface RuntimeOptions {
  readonly agent: AgentOptions;
  readonly node: LocalNode;
  readonly config: AgentConfig;
  readonly datapath: DatapathPort;
  readonly caches: AgentCaches;
  readonly status: StatusBoard;
  readonly log: Logger;
}

/**
 * Puts the parts together in the order in which packets need them: first everything that outlived the former agent, then, once the
 * caches are whole, what the state says. Until then nothing of the kernel's content is removed.
 */
export async function openRuntime(options: RuntimeOptions): Promise<AgentRuntime> {
  const { datapath, caches, node, config, status, log } = options;
  const { restored, ...endpoints } = await openEndpoints(options);
  status.report("endpoints", restored.problems);
  const { table, manager, policies } = endpoints;
  const reconcilers = new Reconcilers({
    state: options.agent.state,
    node,
    config,
    caches,
    policies: policies.reconciler,
    book: policies.book,
    table,
    manager,
    status,
    log,
  });
  manager.onChanged((record) => reconcilers.publish(record));
  const services = new ServiceReconciler({ ...caches, node, config, datapath, status, log });
  const conntrack = new ConntrackCollector({
    datapath,
    configuredIntervalMs: config.ctGcIntervalSeconds * 1000,
    onCollected: (garbage, startedAt) => services.releaseUnused(garbage.backendIdsInUse, startedAt),
    status,
    log,
  });
  services.onLingering((delayMs) => conntrack.expedite(delayMs));
  const sockets = new SocketTerminator({
    services: datapath.services,
    podNamespaces: () => table.ready().map(({ netns }) => netns),
    log,
  });
  if (config.terminatePodConnections) services.onOrphans((backends) => void sockets.terminate(backends));
  const devices = new DeviceKeeper({ datapath, config, node, status, log });
  const names = new NameCache(caches, services);
  const drops = new DropLog({
    datapath,
    nameOf: (address, port, protocol) => names.describe(address, port, protocol),
    status,
    log,
  });
  const events = new EventHub({ datapath });
  const followers = { services, sockets, reconcilers, devices, conntrack, drops, events, names };
  const runtime = { node, config, datapath, ...endpoints, ...followers };
  try {
    await Promise.all([caches.ready, devices.start()]);
    conntrack.start();
    services.start();
    await reconcilers.start();
    names.start();
    drops.start();
    if (config.terminatePodConnections) void sockets.probe();
    await removeDead(manager, restored, log);
  } catch (error) {
    await closeParts(runtime);
    throw error;
  }
  return { ...runtime, [Symbol.asyncDispose]: () => closeRuntime(runtime) };
}

async function openEndpoints(
  options: RuntimeOptions,
): Promise<Pick<AgentRuntime, "pools" | "table" | "manager" | "policies"> & { readonly restored: RestoredEndpoints }> {
  const { agent, node, config, datapath, log } = options;
  const { links, runDir } = agent;
  const table = new EndpointTable();
  const store = new EndpointStore(runDir);
  const programmer = new EndpointProgrammer({ datapath, node, table });
  const podCidrs = node.podRanges.map(({ podCidr }) => podCidr);
  const pools = await openAddressPools(runDir, podCidrs);
  const restored = await restoreEndpoints({
    ...{ datapath, store, links, pools, table, programmer, log },
    hasHostEndpoint: config.enableHostFirewall,
  });
  const policies = openPolicies({ ...options, table });
  policies.reconciler.adopt(restored.living);
  const manager = new EndpointManager({
    node,
    pools,
    savePools: () => savePoolCursors(runDir, pools),
    table,
    store,
    links,
    programmer,
    identities: openIdentities(options),
    policies: policies.reconciler,
    isReserved: (endpointId) => restored.reservedIds.has(endpointId),
    log,
  });
  return { pools, table, manager, policies, restored };
}

type RuntimeParts = Omit<AgentRuntime, keyof AsyncDisposable>;

async function closeRuntime(runtime: RuntimeParts): Promise<void> {
  await closeParts(runtime);
  await runtime.datapath[Symbol.asyncDispose]();
}

async function closeParts(runtime: RuntimeParts): Promise<void> {
  runtime.events[Symbol.dispose]();
  runtime.drops[Symbol.dispose]();
  runtime.conntrack[Symbol.dispose]();
  await runtime.devices[Symbol.asyncDispose]();
  await runtime.reconcilers[Symbol.asyncDispose]();
  await runtime.services[Symbol.asyncDispose]();
  runtime.names[Symbol.dispose]();
}

async function removeDead(manager: EndpointManager, restored: RestoredEndpoints, log: Logger): Promise<void> {
  const results = await Promise.allSettled(restored.dead.map((record) => manager.remove(record)));
  for (const result of results) {
    if (result.status === "rejected") log.error({ err: result.reason }, "a dead endpoint could not be removed");
  }
}

function openIdentities({ agent, caches, config }: RuntimeOptions): IdentityResolver {
  const { state } = agent;
  const keyOf = (ref: PodRef): string => objectKey({ namespace: ref.podNamespace, name: ref.podName });
  const allocator = new IdentityAllocator({ source: state, clusterId: config.clusterId });
  const labelOptions = { filter: parseLabelFilter(config.labels), clusterName: config.clusterName };
  return createIdentityResolver({
    cachedPod: (ref) => caches.pods.get(keyOf(ref)),
    cachedNamespace: (name) => caches.namespaces.get(name),
    readPod: (ref) => state.get(resourceTypes.pods, { namespace: ref.podNamespace, name: ref.podName }),
    readNamespace: (name) => state.get(resourceTypes.namespaces, { name }),
    labelsOf: (pod, namespace) => identityLabelsOfPod(pod, namespace, labelOptions),
    allocate: async (labels) => identityNumber(await allocator.allocate(labels)),
  });
}

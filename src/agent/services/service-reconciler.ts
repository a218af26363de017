import type { IpAddress } from "../../lib/ip.js";
import type { Logger } from "../../lib/log.js";
import { createWorkQueue, type WorkQueue } from "../../lib/queue.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { DatapathPort, LoadBalancerBackend, LoadBalancerChange } from "../../model/datapath-port.js";
import { hasHostPorts, translateHostPorts } from "../../model/host-ports.js";
import { objectKey } from "../../model/kube-object.js";
import {
  type KubeEndpointSlice,
  type KubeNode,
  type KubePod,
  type KubeService,
  SERVICE_NAME_LABEL,
} from "../../model/kubernetes.js";
import { type TranslatedService, translateService } from "../../model/load-balancing.js";
import type { ServiceNode } from "../../model/service-frontend.js";
import type { Informer } from "../../state/watch-cache.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { StatusBoard } from "../status/status-board.js";
import { HealthCheckServers } from "./health-check-servers.js";
import { describeServiceNode } from "./service-node.js";
import { ServiceTables } from "./service-tables.js";

export interface ServiceReconcilerOptions {
  readonly services: Informer<KubeService>;
  readonly endpointSlices: Informer<KubeEndpointSlice>;
  readonly pods: Informer<KubePod>;
  readonly nodes: Informer<KubeNode>;
  readonly node: LocalNode;
  readonly config: AgentConfig;
  readonly datapath: Pick<DatapathPort, "services">;
  readonly status: StatusBoard;
  readonly log: Logger;
}

/** Slices of one Service are written one after the other; their changes meet within this time. */
const COALESCE_MS = 1;
/** A removed backend's entry is looked at again after this time at the latest. */
const LINGER_CHECK_MS = 60_000;

/** Before the key of a pod whose host ports are to be served. */
const POD = "pod ";
/** Key of no Service: whatever a failed write left open is done with it. */
const RESYNC = "";

const nothing: TranslatedService = { frontends: [], problems: [] };

/** Services and EndpointSlices → load-balancing maps; after the start only what changed is computed and written. */
export class ServiceReconciler implements AsyncDisposable {
  readonly #options: ServiceReconcilerOptions;
  readonly #queue: WorkQueue;
  readonly #tables: ServiceTables;
  readonly #slicesByService = new Map<string, Set<string>>();
  readonly #healthChecks: HealthCheckServers;
  readonly #lingerListeners = new Set<(delayMs: number) => void>();
  readonly #orphanListeners = new Set<(backends: readonly LoadBalancerBackend[]) => void>();
  readonly #stops: (() => void)[] = [];
  #node: ServiceNode;
  /** A write failed: nobody knows what of it the kernel has, so the next one is a whole one. */
  #isDirty = false;

  constructor(options: ServiceReconcilerOptions) {
    this.#options = options;
    const { lbServiceMapMax, lbBackendMapMax, lbMapMax } = options.config;
    this.#tables = new ServiceTables(options.datapath.services.read(), {
      services: lbServiceMapMax || lbMapMax,
      backends: lbBackendMapMax || lbMapMax,
    });
    this.#node = this.#describeNode();
    this.#healthChecks = new HealthCheckServers({ log: options.log, onProblems: () => this.#report() });
    this.#queue = createWorkQueue({
      reconcile: async (key) => this.#reconcile(key),
      onError: (key, error, failures, retryInMs) => {
        options.log.warn({ err: error, service: key, failures, retryInMs }, "service cannot be written");
        const words = error instanceof Error ? error.message : String(error);
        options.status.set("services", "degraded", [`Service ${key} cannot be written: ${words}`]);
      },
    });
  }

  /** After the caches are ready: every Service in one write that touches only differences, then what changes. */
  start(): void {
    const { services, endpointSlices, pods, nodes, node, datapath } = this.#options;
    this.#node = this.#describeNode();
    for (const [key, slice] of endpointSlices.items()) this.#indexSlice(key, slice);
    // In order of names: which of two Services keeps a frontend must not depend on the order of files.
    for (const key of this.#allKeys()) this.#translateInto(key);
    datapath.services.write(this.#tables.all());
    this.#stops.push(
      services.onChange(({ key }) => this.#queue.addAfter(key, COALESCE_MS)),
      endpointSlices.onChange(({ key, before, after }) => {
        for (const slice of [before, after]) {
          const service = slice && serviceOf(slice);
          if (service !== undefined) this.#queue.addAfter(service, COALESCE_MS);
        }
        this.#unindexSlice(key, before);
        if (after !== undefined) this.#indexSlice(key, after);
      }),
      pods.onChange(({ key, before, after }) => {
        if ([before, after].some((pod) => pod !== undefined && hasHostPorts(pod, node.name)))
          this.#queue.add(POD + key);
      }),
      nodes.onChange(({ key }) => {
        if (key === node.name) this.#onNodeChange();
      }),
    );
    this.#report();
  }

  get counts(): ServiceTables["counts"] {
    return this.#tables.counts;
  }

  /** EndpointSlices of a Service, in the order of their names. */
  slicesOf(key: string): readonly KubeEndpointSlice[] {
    const sliceKeys = [...(this.#slicesByService.get(key) ?? [])].sort();
    return sliceKeys.flatMap((sliceKey) => this.#options.endpointSlices.get(sliceKey) ?? []);
  }

  /** The Service that has a frontend, `namespace/name`; of a host port the pod. */
  ownerOf(address: IpAddress, port: number, protocol: number): string | undefined {
    return this.#tables.ownerOf({ address, port, protocol, scope: 0 })?.replace(POD, "");
  }

  /** Calls `listener` when removed backends wait for their connections to end: look at conntrack within the time. */
  onLingering(listener: (delayMs: number) => void): void {
    this.#lingerListeners.add(listener);
  }

  /** Calls `listener` with backends that no Service has any more, when the maps say so. */
  onOrphans(listener: (backends: readonly LoadBalancerBackend[]) => void): void {
    this.#orphanListeners.add(listener);
  }

  /** @param startedAt monotonic milliseconds at which the conntrack scan began */
  releaseUnused(backendIdsInUse: ReadonlySet<number>, startedAt: number): void {
    try {
      this.#apply(this.#tables.releaseUnused(backendIdsInUse, startedAt));
    } catch (error) {
      this.#options.log.warn({ err: error }, "unused backends cannot be removed");
      this.#queue.add(RESYNC);
    }
    this.#tellLingering();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#queue.close();
    await this.#healthChecks[Symbol.asyncDispose]();
  }

  /** Services in the order of their names, then host ports. */
  #allKeys(): readonly string[] {
    const { services, pods, node } = this.#options;
    const withHostPorts = [...pods.items()].filter(([, pod]) => hasHostPorts(pod, node.name));
    return [...[...services.items().keys()].sort(), ...withHostPorts.map(([key]) => POD + key).sort()];
  }

  /** The zone and the addresses decide over backends and frontends of every Service. */
  #onNodeChange(): void {
    const before = this.#node;
    this.#node = this.#describeNode();
    const { zone, nodePortAddresses } = this.#node;
    if (zone === before.zone && nodePortAddresses.join() === before.nodePortAddresses.join()) return;
    for (const key of this.#allKeys()) this.#queue.add(key);
  }

  #describeNode(): ServiceNode {
    const { node, nodes, config } = this.#options;
    return describeServiceNode(node, nodes.get(node.name), config);
  }

  #reconcile(key: string): void {
    const change = this.#translateInto(key);
    this.#apply(change);
    // What one Service gave back may be what another waits for.
    if (change.removedFrontends.length > 0) {
      for (const service of this.#tables.servicesWithProblems()) if (service !== key) this.#queue.add(service);
    }
    this.#report();
  }

  #translateInto(key: string): LoadBalancerChange {
    const { frontends, problems, healthCheck } = key.startsWith(POD)
      ? this.#translatePod(key.slice(POD.length))
      : this.#translateService(key);
    this.#healthChecks.set(key, this.#options.config.healthCheckNodePort ? healthCheck : undefined);
    return this.#tables.setService(key, frontends, problems, performance.now());
  }

  #translateService(key: string): TranslatedService {
    const service = this.#options.services.get(key);
    return service === undefined ? nothing : translateService(service, this.slicesOf(key), this.#node);
  }

  #translatePod(key: string): TranslatedService {
    const pod = this.#options.pods.get(key);
    return pod === undefined ? nothing : translateHostPorts(pod, this.#node);
  }

  #apply(change: LoadBalancerChange): void {
    const { datapath } = this.#options;
    if (!this.#isDirty && Object.values(change).every((list) => list.length === 0)) return;
    const isWhole = this.#isDirty;
    this.#isDirty = true;
    if (isWhole) datapath.services.write(this.#tables.all());
    else datapath.services.update(change);
    this.#isDirty = false;
    const orphans = this.#tables.takeOrphans();
    for (const listener of orphans.length === 0 ? [] : this.#orphanListeners) listener(orphans);
  }

  #report(): void {
    const problems = [...this.#tables.problems(), ...this.#healthChecks.problems()];
    this.#options.status.report("services", problems);
    this.#tellLingering();
  }

  #tellLingering(): void {
    if (this.#tables.counts.lingeringBackends === 0) return;
    for (const listener of this.#lingerListeners) listener(LINGER_CHECK_MS);
  }

  #indexSlice(key: string, slice: KubeEndpointSlice): void {
    const service = serviceOf(slice);
    if (service === undefined) return;
    const known = this.#slicesByService.get(service);
    if (known === undefined) this.#slicesByService.set(service, new Set([key]));
    else known.add(key);
  }

  #unindexSlice(key: string, slice: KubeEndpointSlice | undefined): void {
    const service = slice && serviceOf(slice);
    if (service === undefined) return;
    const known = this.#slicesByService.get(service);
    known?.delete(key);
    if (known?.size === 0) this.#slicesByService.delete(service);
  }
}

function serviceOf(slice: KubeEndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : objectKey({ namespace: slice.metadata.namespace ?? "default", name });
}

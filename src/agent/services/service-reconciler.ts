import type { IpAddress } from "../../lib/ip.js";
import type { Logger } from "../../lib/log.js";
import { createWorkQueue, type WorkQueue } from "../../lib/queue.js";
import type { DatapathPort, LoadBalancerChange } from "../../model/datapath-port.js";
import { objectKey } from "../../model/kube-object.js";
import { type KubeEndpointSlice, type KubeService, SERVICE_NAME_LABEL } from "../../model/kubernetes.js";
import { translateService } from "../../model/load-balancing.js";
import type { Informer } from "../../state/watch-cache.js";
import type { StatusBoard } from "../status/status-board.js";
import { ServiceTables } from "./service-tables.js";

export interface ServiceReconcilerOptions {
  readonly services: Informer<KubeService>;
  readonly endpointSlices: Informer<KubeEndpointSlice>;
  readonly datapath: Pick<DatapathPort, "services">;
  readonly status: StatusBoard;
  readonly log: Logger;
}

/** Slices of one Service are written one after the other; their changes meet within this time. */
const COALESCE_MS = 1;
/** A removed backend's entry is looked at again after this time at the latest. */
const LINGER_CHECK_MS = 60_000;

/** Key of no Service: whatever a failed write left open is done with it. */
const RESYNC = "";

/** Services and EndpointSlices → load-balancing maps; after the start only what changed is computed and written. */
export class ServiceReconciler implements AsyncDisposable {
  readonly #options: ServiceReconcilerOptions;
  readonly #queue: WorkQueue;
  readonly #tables: ServiceTables;
  readonly #slicesByService = new Map<string, Set<string>>();
  readonly #lingerListeners = new Set<(delayMs: number) => void>();
  readonly #stops: (() => void)[] = [];
  /** A write failed: nobody knows what of it the kernel has, so the next one is a whole one. */
  #isDirty = false;

  constructor(options: ServiceReconcilerOptions) {
    this.#options = options;
    this.#tables = new ServiceTables(options.datapath.services.read());
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
    const { services, endpointSlices, datapath } = this.#options;
    for (const [key, slice] of endpointSlices.items()) this.#indexSlice(key, slice);
    // In order of names: which of two Services keeps a frontend must not depend on the order of files.
    for (const key of [...services.items().keys()].sort()) this.#translateInto(key);
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

  /** The Service that has a frontend, `namespace/name`. */
  ownerOf(address: IpAddress, port: number, protocol: number): string | undefined {
    return this.#tables.ownerOf({ address, port, protocol, scope: 0 });
  }

  /** Calls `listener` when removed backends wait for their connections to end: look at conntrack within the time. */
  onLingering(listener: (delayMs: number) => void): void {
    this.#lingerListeners.add(listener);
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
    const service = this.#options.services.get(key);
    const now = performance.now();
    if (service === undefined) return this.#tables.setService(key, [], [], now);
    const { frontends, problems } = translateService(service, this.slicesOf(key));
    return this.#tables.setService(key, frontends, problems, now);
  }

  #apply(change: LoadBalancerChange): void {
    const { datapath } = this.#options;
    if (!this.#isDirty && Object.values(change).every((list) => list.length === 0)) return;
    const isWhole = this.#isDirty;
    this.#isDirty = true;
    if (isWhole) datapath.services.write(this.#tables.all());
    else datapath.services.update(change);
    this.#isDirty = false;
  }

  #report(): void {
    this.#options.status.report("services", this.#tables.problems());
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

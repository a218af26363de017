import type { IpPrefix } from "../../src/lib/ip.js";
import type {
  ConntrackGarbage,
  DatapathPort,
  DesiredEndpoints,
  DrainedEvents,
  EndpointsPort,
  IpcacheEntry,
  LoadBalancerBackend,
  LoadBalancerChange,
  LoadBalancerFrontend,
  LoadBalancerTables,
  NodeDevice,
  PolicyEntry,
  RecordBatch,
  RecordLoss,
  RecordTaker,
  ServicesPort,
  UnacceleratedDevice,
} from "../../src/model/datapath-port.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";

/** A record, and what it is decoded as. */
export interface WrittenRecord {
  readonly bytes: Uint8Array;
  event(): MonitorEvent;
}

/**
 * The kernel's side of the port in memory: content by key as the maps hold it, every call in order, a switch that makes
 * the next call of a name fail, and one that makes calls of a name wait.
 */
export class InMemoryDatapath implements DatapathPort {
  readonly calls: string[] = [];
  readonly attached = new Map<number, number>();
  readonly policies = new Map<number, readonly PolicyEntry[]>();
  readonly lxc = new Map<string, string>();
  readonly ipcache = new Map<string, string>();
  readonly #ipcacheEntries = new Map<string, IpcacheEntry>();
  readonly frontends = new Map<string, LoadBalancerFrontend>();
  readonly backends = new Map<number, LoadBalancerBackend>();
  /** Cookies, by `address port` of the backend. */
  readonly sockets = new Map<string, ReadonlySet<bigint>>();
  readonly failing = new Map<string, Error>();
  readonly waiting = new Map<string, Promise<void>>();
  garbage: ConntrackGarbage = { scanned: 0, deleted: 0, backendIdsInUse: new Set() };
  events: DrainedEvents = { drops: [], traces: 0, lost: 0 };
  readonly takers = new Set<RecordTaker>();
  readonly eventRing = { cpus: 2, pages: 1024, pageBytes: 4096 };
  devices: readonly NodeDevice[] = [];
  /** Devices that take no XDP program. */
  unaccelerated: readonly UnacceleratedDevice[] = [];
  nonMasqueraded: readonly IpPrefix[] = [];
  isClosed = false;

  readonly endpoints: EndpointsPort = {
    list: () => [...new Set([...this.attached.keys(), ...this.policies.keys()])],
    attach: async ({ endpointId, ifindex }) => {
      this.#call(`attach ${endpointId}`);
      await this.waiting.get("attach");
      this.attached.set(endpointId, ifindex);
    },
    interfaceOf: async (endpointId) => this.attached.get(endpointId),
    detach: async (endpointId) => {
      this.#call(`detach ${endpointId}`);
      this.attached.delete(endpointId);
      this.policies.delete(endpointId);
    },
  };

  readonly services: ServicesPort = {
    read: () => ({ frontends: [...this.frontends.values()], backends: [...this.backends.values()] }),
    write: (desired: LoadBalancerTables) => {
      this.#call("services.write");
      this.frontends.clear();
      this.backends.clear();
      for (const backend of desired.backends) this.backends.set(backend.backendId, backend);
      for (const frontend of desired.frontends) this.#putFrontend(frontend);
    },
    update: (change: LoadBalancerChange) => {
      this.#call("services.update");
      for (const backend of change.upsertedBackends) this.backends.set(backend.backendId, backend);
      for (const frontend of change.removedFrontends) this.frontends.delete(frontendText(frontend));
      for (const frontend of change.upsertedFrontends) this.#putFrontend(frontend);
      for (const backendId of change.removedBackends) this.backends.delete(backendId);
    },
    socketsOf: ({ address, port }) => this.sockets.get(`${address} ${port}`) ?? new Set(),
  };

  async writeDevices(desired: readonly NodeDevice[]): Promise<readonly UnacceleratedDevice[]> {
    this.#call("writeDevices");
    this.devices = desired;
    return this.unaccelerated;
  }

  writeNonMasqueraded(desired: readonly IpPrefix[]): void {
    this.#call("writeNonMasqueraded");
    this.nonMasqueraded = desired;
  }

  writeEndpoints(desired: DesiredEndpoints): void {
    this.#call("writeEndpoints");
    this.lxc.clear();
    for (const address of desired.hostAddresses) this.lxc.set(address.text, "host");
    for (const pod of desired.pods) {
      const own = pod.eventOptions === undefined ? "" : ` ${Object.entries(pod.eventOptions).join(" ")}`;
      const text = `${pod.endpointId} ${pod.identity} ${pod.ifindex} ${pod.mac} ${pod.nodeMac}${own}`;
      this.lxc.set(pod.address.text, text);
    }
  }

  writeIpcache(desired: readonly IpcacheEntry[]): void {
    this.#call("writeIpcache");
    this.ipcache.clear();
    this.#ipcacheEntries.clear();
    for (const entry of desired) this.#setIpcache(entry);
  }

  readIpcache(): readonly IpcacheEntry[] {
    return [...this.#ipcacheEntries.values()];
  }

  updateIpcache(change: { readonly upserted: readonly IpcacheEntry[]; readonly removed: readonly IpPrefix[] }): void {
    this.#call("updateIpcache");
    for (const { text } of change.removed) {
      this.ipcache.delete(text);
      this.#ipcacheEntries.delete(text);
    }
    for (const entry of change.upserted) this.#setIpcache(entry);
  }

  async writePolicy(endpointId: number, desired: readonly PolicyEntry[]): Promise<void> {
    this.#call(`writePolicy ${endpointId}`);
    await this.waiting.get("writePolicy");
    this.policies.set(endpointId, desired);
  }

  collectConntrackGarbage(): ConntrackGarbage {
    this.#call("collectConntrackGarbage");
    return this.garbage;
  }

  drainEvents(): DrainedEvents {
    const drained = this.events;
    this.events = { drops: [], traces: 0, lost: 0 };
    return drained;
  }

  watchRecords(taker: RecordTaker): Disposable {
    this.takers.add(taker);
    return { [Symbol.dispose]: () => void this.takers.delete(taker) };
  }

  /** As if the datapath had written these records. */
  sendRecords(records: readonly WrittenRecord[]): void {
    const lengths = records.map(({ bytes }) => bytes.length);
    const places = lengths.map((length, i) => [lengths.slice(0, i).reduce((sum, one) => sum + one, 0), length]);
    const batch: RecordBatch = {
      length: records.length,
      bytes: Buffer.concat(records.map(({ bytes }) => bytes)),
      places: Uint32Array.from(places.flat()),
      event: (index) => records[index]!.event(),
    };
    for (const taker of this.takers) taker.records(batch);
  }

  /** As if records had found the ring full. */
  loseRecords(losses: readonly RecordLoss[]): void {
    for (const taker of this.takers) taker.lost(losses);
  }

  readMetrics(): readonly [] {
    return [];
  }

  async readMapFill(): Promise<readonly []> {
    return [];
  }

  async readPrograms(): Promise<readonly []> {
    return [];
  }

  readFeatures(): readonly [] {
    return [];
  }

  /** All content, for "the same maps as before". */
  snapshot(): unknown {
    const sorted = <V>(map: ReadonlyMap<unknown, V>): readonly (readonly [string, V])[] =>
      [...map].map(([key, value]) => [String(key), value] as const).sort(([a], [b]) => (a < b ? -1 : 1));
    const frontends = sorted(this.frontends).map(([key, { serviceId, flags, backendIds }]) => {
      return [key, serviceId, flags, [...backendIds]];
    });
    return JSON.parse(
      JSON.stringify({
        attached: sorted(this.attached),
        policies: sorted(this.policies),
        lxc: sorted(this.lxc),
        ipcache: sorted(this.ipcache),
        frontends,
        backends: sorted(this.backends),
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }

  #setIpcache(entry: IpcacheEntry): void {
    this.ipcache.set(entry.prefix.text, ipcacheText(entry));
    this.#ipcacheEntries.set(entry.prefix.text, entry);
  }

  #putFrontend(frontend: LoadBalancerFrontend): void {
    for (const backendId of frontend.backendIds) {
      if (!this.backends.has(backendId)) throw new Error(`slot names backend ${backendId}, which is not in the map`);
    }
    this.frontends.set(frontendText(frontend), frontend);
  }

  #call(name: string): void {
    this.calls.push(name);
    const failure = this.failing.get(name.split(" ")[0]!);
    if (failure === undefined) return;
    this.failing.delete(name.split(" ")[0]!);
    throw failure;
  }
}

export function frontendText(frontend: Pick<LoadBalancerFrontend, "address" | "port" | "protocol" | "scope">): string {
  return `${frontend.address}:${frontend.port}/${frontend.protocol}/${frontend.scope}`;
}

function ipcacheText(entry: IpcacheEntry): string {
  return `${entry.identity}${entry.tunnelEndpoint === undefined ? "" : ` via ${entry.tunnelEndpoint}`}`;
}

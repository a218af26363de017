import { addressPort } from "../../lib/ip.js";
import type {
  FrontendKey,
  LoadBalancerBackend,
  LoadBalancerChange,
  LoadBalancerFrontend,
  LoadBalancerTables,
  ServiceIds,
} from "../../model/datapath-port.js";
import type { ServiceBackend, ServiceFrontend } from "../../model/service-frontend.js";
import { ServiceCapacity, type ServiceLimits } from "./service-capacity.js";
import { type BackendKey, backendKeyText, frontendKeyText, ServiceIdAllocator } from "./service-ids.js";

interface HeldBackend {
  readonly entry: LoadBalancerBackend;
  /** Frontends whose slots name it; empty while only conntrack entries do. */
  readonly users: Set<string>;
  /** Since when nobody uses it: a conntrack scan that began later may release it. */
  readonly unusedSince: number;
}

const noChange: LoadBalancerChange = {
  upsertedFrontends: [],
  removedFrontends: [],
  upsertedBackends: [],
  removedBackends: [],
};

/**
 * The load balancer's tables with their numbers, and what changes when one Service does. A backend that no Service names any
 * more stays, as terminating, until no connection refers to it: established connections go on.
 */
export class ServiceTables {
  readonly #ids: ServiceIdAllocator;
  readonly #limits: ServiceLimits;
  readonly #capacity: ServiceCapacity;
  readonly #backendCounts = { 4: 0, 6: 0 };
  readonly #frontendsByService = new Map<string, readonly LoadBalancerFrontend[]>();
  readonly #ownerOfFrontend = new Map<string, string>();
  readonly #backends = new Map<string, HeldBackend>();
  readonly #backendKeys = new Map<number, string>();
  /** Keys of backends that no frontend names. */
  readonly #unused = new Set<string>();
  readonly #problems = new Map<string, readonly string[]>();
  #orphans: LoadBalancerBackend[] = [];

  constructor(restored: ServiceIds, limits: ServiceLimits) {
    this.#ids = new ServiceIdAllocator(restored);
    this.#limits = limits;
    this.#capacity = new ServiceCapacity(limits.services);
    for (const backend of restored.backends) {
      const entry = { ...backend, backendId: this.#ids.backendId(backend), state: "terminating" as const };
      this.#hold(backendKeyText(backend), { entry, users: new Set(), unusedSince: 0 });
      this.#unused.add(backendKeyText(backend));
    }
  }

  /** The whole content, for the first write after a start. */
  all(): LoadBalancerTables {
    return {
      frontends: [...this.#frontendsByService.values()].flat(),
      backends: [...this.#backends.values()].map((held) => held.entry),
    };
  }

  get counts(): { readonly frontends: number; readonly backends: number; readonly lingeringBackends: number } {
    const { size: frontends } = this.#ownerOfFrontend;
    return { frontends, backends: this.#backends.size, lingeringBackends: this.#unused.size };
  }

  /** The Service that has a frontend. */
  ownerOf(frontend: FrontendKey): string | undefined {
    return this.#ownerOfFrontend.get(frontendKeyText(frontend));
  }

  /** Services that did not get everything: to be tried again when another one gives something back. */
  servicesWithProblems(): readonly string[] {
    return [...this.#problems.keys()];
  }

  /** Backends that lost their last frontend since the last call: nobody should send to them any more. */
  takeOrphans(): readonly LoadBalancerBackend[] {
    const orphans = this.#orphans.filter(({ backendId }) => {
      const key = this.#backendKeys.get(backendId);
      return key !== undefined && this.#unused.has(key);
    });
    this.#orphans = [];
    return orphans;
  }

  /** Problems of all Services, and those that a Service's own model found. */
  problems(): readonly string[] {
    return [...this.#problems.values()].flat();
  }

  /**
   * Makes a Service what it should be; without frontends it is gone.
   * @param now monotonic milliseconds
   */
  setService(
    service: string,
    wanted: readonly ServiceFrontend[],
    foundProblems: readonly string[],
    now: number,
  ): LoadBalancerChange {
    const problems = [...foundProblems];
    const before = new Map(
      (this.#frontendsByService.get(service) ?? []).map((entry) => [frontendKeyText(entry), entry]),
    );
    for (const entry of before.values()) this.#capacity.release(entry, entry.backendIds.length);
    const after = new Map<string, LoadBalancerFrontend>();
    const touched = new Map<string, LoadBalancerBackend>();
    for (const frontend of wanted) {
      const entry = this.#number(service, frontend, touched, problems);
      if (entry !== undefined) after.set(frontendKeyText(entry), entry);
    }
    const removed = [...before].filter(([key]) => !after.has(key)).map(([, entry]) => entry);
    this.#releaseBackends(before, after, touched, now);
    for (const entry of removed) {
      this.#ownerOfFrontend.delete(frontendKeyText(entry));
      this.#ids.releaseService(entry);
    }
    if (after.size === 0) this.#frontendsByService.delete(service);
    else this.#frontendsByService.set(service, [...after.values()]);
    if (problems.length === 0) this.#problems.delete(service);
    else this.#problems.set(service, problems);
    return {
      ...noChange,
      upsertedFrontends: [...after].filter(([key, entry]) => !isSame(before.get(key), entry)).map(([, entry]) => entry),
      removedFrontends: removed,
      upsertedBackends: [...touched.values()],
    };
  }

  /**
   * Forgets backends that neither a Service nor a living conntrack entry names.
   * @param scanStartedAt monotonic milliseconds; later ones may have connections that the scan did not see
   */
  releaseUnused(backendIdsInUse: ReadonlySet<number>, scanStartedAt: number): LoadBalancerChange {
    const removedBackends: number[] = [];
    for (const key of this.#unused) {
      const held = this.#backends.get(key)!;
      if (held.unusedSince >= scanStartedAt || backendIdsInUse.has(held.entry.backendId)) continue;
      this.#unused.delete(key);
      this.#backends.delete(key);
      this.#backendCounts[held.entry.address.family]--;
      this.#backendKeys.delete(held.entry.backendId);
      this.#ids.releaseBackend(held.entry);
      removedBackends.push(held.entry.backendId);
    }
    return { ...noChange, removedBackends };
  }

  #number(
    service: string,
    frontend: ServiceFrontend,
    touched: Map<string, LoadBalancerBackend>,
    problems: string[],
  ): LoadBalancerFrontend | undefined {
    const key = frontendKeyText(frontend);
    const owner = this.#ownerOfFrontend.get(key) ?? service;
    if (owner !== service) {
      problems.push(
        `Service ${service}: ${addressPort(frontend.address, frontend.port)} belongs to Service ${owner} already`,
      );
      return undefined;
    }
    const refuse = (why: string): undefined => {
      problems.push(`Service ${service}: ${addressPort(frontend.address, frontend.port)} ${why}`);
    };
    const serviceId = this.#ids.serviceId(frontend);
    if (serviceId === undefined) return refuse("gets no id, all 65,535 are in use");
    if (!this.#capacity.take(frontend, frontend.backends.length)) {
      this.#ids.releaseService(frontend);
      return refuse(`does not fit, the service map takes ${this.#limits.services} entries (bpf-lb-service-map-max)`);
    }
    this.#ownerOfFrontend.set(key, service);
    const { service: _service, type: _type, backends, ...rest } = frontend;
    const held: ServiceBackend[] = [];
    const backendIds = backends.flatMap((backend) => {
      if (!this.#hasRoom(backend)) return [];
      held.push(backend);
      return [this.#useBackend(key, backend, touched)];
    });
    if (held.length < backends.length) {
      refuse(`lacks backends, their map takes ${this.#limits.backends} (bpf-lb-service-backend-map-max)`);
      this.#capacity.release(frontend, backends.length);
      this.#capacity.take(frontend, held.length);
    }
    const readyCount = held.filter(({ state }) => state === "active").length;
    return {
      ...rest,
      serviceId,
      backendIds,
      activeCount: readyCount || held.length,
      affineCount: frontend.affinityTimeoutSeconds > 0 ? readyCount : 0,
    };
  }

  #hasRoom(backend: ServiceBackend): boolean {
    return (
      this.#backends.has(backendKeyText(backend)) || this.#backendCounts[backend.address.family] < this.#limits.backends
    );
  }

  #useBackend(frontendKey: string, backend: ServiceBackend, touched: Map<string, LoadBalancerBackend>): number {
    const key = backendKeyText(backend);
    const held = this.#backends.get(key);
    const backendId = this.#ids.backendId(backend);
    if (held === undefined || held.entry.state !== backend.state) {
      const entry = { ...pickBackend(backend), state: backend.state, backendId };
      this.#hold(key, { entry, users: held?.users ?? new Set(), unusedSince: 0 });
      touched.set(key, entry);
    }
    this.#backends.get(key)!.users.add(frontendKey);
    this.#unused.delete(key);
    return backendId;
  }

  /** Backends that this Service named before and no longer names: without another user they become terminating. */
  #releaseBackends(
    before: ReadonlyMap<string, LoadBalancerFrontend>,
    after: ReadonlyMap<string, LoadBalancerFrontend>,
    touched: Map<string, LoadBalancerBackend>,
    now: number,
  ): void {
    for (const [frontendKey, entry] of before) {
      const kept = new Set(after.get(frontendKey)?.backendIds);
      for (const backendId of entry.backendIds) {
        if (!kept.has(backendId)) this.#dropUser(backendId, frontendKey, touched, now);
      }
    }
  }

  #dropUser(backendId: number, frontendKey: string, touched: Map<string, LoadBalancerBackend>, now: number): void {
    const key = this.#backendKeys.get(backendId)!;
    const held = this.#backends.get(key)!;
    held.users.delete(frontendKey);
    if (held.users.size > 0) return;
    const entry = { ...held.entry, state: "terminating" as const };
    this.#hold(key, { entry, users: held.users, unusedSince: now });
    this.#unused.add(key);
    this.#orphans.push(entry);
    if (held.entry.state !== "terminating") touched.set(key, entry);
  }

  #hold(key: string, held: HeldBackend): void {
    if (!this.#backends.has(key)) this.#backendCounts[held.entry.address.family]++;
    this.#backends.set(key, held);
    this.#backendKeys.set(held.entry.backendId, key);
  }
}

function pickBackend({ address, port, protocol }: BackendKey): BackendKey {
  return { address, port, protocol };
}

const comparedFields = [
  "flags",
  "affinityTimeoutSeconds",
  "algorithm",
  "hasMaglevTable",
  "ownsAddress",
  "activeCount",
  "affineCount",
] as const;

function isSame(before: LoadBalancerFrontend | undefined, after: LoadBalancerFrontend): boolean {
  return (
    before !== undefined &&
    comparedFields.every((field) => before[field] === after[field]) &&
    before.backendIds.join() === after.backendIds.join() &&
    before.sourceRanges.join() === after.sourceRanges.join()
  );
}

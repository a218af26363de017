import { isDeepStrictEqual } from "node:util";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { AGENT_CONFIG_MAP } from "../model/agent-config.js";
import { objectKey } from "../model/kube-object.js";
import {
  type KubeEndpointSlice,
  type KubePod,
  type KubeService,
  resourceTypes,
  SERVICE_NAME_LABEL,
} from "../model/kubernetes.js";
import { buildEndpointSlices, MANAGED_BY_LABEL, MANAGER, matchesSelector } from "./endpoint-slices.js";
import { labFamilies } from "./lab-families.js";
import { changeObject, deleteObject } from "./object-writer.js";
import { requireServiceFamilies, TakenAddressBook, withServiceAddresses } from "./service-addresses.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

const ZONE_LABEL = "topology.kubernetes.io/zone";

/** Services → addresses of their own and EndpointSlices from selectors and readiness. Keys are those of Services. */
export class ServicesController implements Controller {
  readonly #context: SupervisorContext;
  readonly #queue: WorkQueue;
  readonly #taken = new TakenAddressBook();
  /** Our slices by the key of their Service: those of others may be tens of thousands. */
  readonly #slices = new Map<string, Map<string, KubeEndpointSlice>>();

  constructor(context: SupervisorContext) {
    this.#context = context;
    this.#queue = createWorkQueue({
      reconcile: (key) => this.#reconcile(key),
      onError: (key, err, failures) => context.log.error({ err, service: key, failures }, "service"),
    });
  }

  start(): void {
    const { caches } = this.#context;
    caches.services.onChange((key, before, after) => {
      this.#taken.update(before, after);
      this.#queue.add(key);
    });
    caches.pods.onChange((_key, before, after) => this.#onPodChange(before, after));
    caches.endpointSlices.onChange((_key, before, after) => this.#onSliceChange(before, after));
    for (const service of caches.services.values()) this.#taken.update(undefined, service);
    for (const slice of caches.endpointSlices.values()) this.#onSliceChange(undefined, slice);
    for (const key of caches.services.keys()) this.#queue.add(key);
    caches.configMaps.onChange((changed) => {
      if (changed !== objectKey(AGENT_CONFIG_MAP)) return;
      for (const key of caches.services.keys()) this.#queue.add(key);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }

  #onPodChange(before: KubePod | undefined, after: KubePod | undefined): void {
    const namespace = (after ?? before)?.metadata.namespace;
    for (const service of this.#context.caches.services.values()) {
      if (service.metadata.namespace !== namespace) continue;
      const { selector } = service.spec;
      if (matchesSelector(selector, before?.metadata.labels) || matchesSelector(selector, after?.metadata.labels))
        this.#queue.add(objectKey(service.metadata));
    }
  }

  #onSliceChange(before: KubeEndpointSlice | undefined, after: KubeEndpointSlice | undefined): void {
    for (const [slice, isThere] of [[before, false] as const, [after, true] as const]) {
      const key = slice === undefined ? undefined : ownServiceKey(slice);
      if (slice === undefined || key === undefined) continue;
      const slices = this.#slices.get(key) ?? new Map<string, KubeEndpointSlice>();
      if (isThere) slices.set(slice.metadata.name, slice);
      else slices.delete(slice.metadata.name);
      if (slices.size > 0) this.#slices.set(key, slices);
      else this.#slices.delete(key);
      this.#queue.add(key);
    }
  }

  async #reconcile(key: string): Promise<void> {
    const service = this.#context.caches.services.get(key);
    if (service !== undefined) await this.#assignAddresses(service);
    const hasSelector = Object.keys(service?.spec.selector ?? {}).length > 0;
    await this.#writeSlices(key, service !== undefined && hasSelector ? this.#desiredSlices(service) : []);
  }

  async #assignAddresses(service: KubeService): Promise<void> {
    const { caches, state } = this.#context;
    const families = labFamilies(caches);
    if (withServiceAddresses(service, { clusterIps: new Set(), nodePorts: new Set() }, families) === service) return;
    const changed = await changeObject(state, resourceTypes.services, service.metadata, (current) => {
      const next = withServiceAddresses(current, this.#taken, families);
      return next === current ? undefined : next;
    });
    if (changed !== undefined) caches.services.learn(changed);
  }

  #desiredSlices(service: KubeService): readonly KubeEndpointSlice[] {
    const { namespace } = service.metadata;
    const pods = [...this.#context.caches.pods.values()].filter((pod) => pod.metadata.namespace === namespace);
    const { caches } = this.#context;
    const zoneOf = (nodeName: string): string | undefined => caches.nodes.get(nodeName)?.metadata.labels?.[ZONE_LABEL];
    return buildEndpointSlices(service, pods, requireServiceFamilies(service, labFamilies(caches)), zoneOf);
  }

  async #writeSlices(serviceKey: string, desired: readonly KubeEndpointSlice[]): Promise<void> {
    const { caches, state } = this.#context;
    const wanted = new Set(desired.map((slice) => slice.metadata.name));
    for (const slice of [...(this.#slices.get(serviceKey)?.values() ?? [])]) {
      if (wanted.has(slice.metadata.name)) continue;
      await deleteObject(state, resourceTypes.endpointSlices, slice);
      caches.endpointSlices.forget(objectKey(slice.metadata));
    }
    for (const slice of desired) await this.#writeSlice(slice);
  }

  async #writeSlice(slice: KubeEndpointSlice): Promise<void> {
    const { caches, state } = this.#context;
    const current = caches.endpointSlices.get(objectKey(slice.metadata));
    if (current !== undefined && hasContent(current, slice)) return;
    const changed =
      (await changeObject(state, resourceTypes.endpointSlices, slice.metadata, (existing) => ({
        ...slice,
        metadata: { ...existing.metadata, ...slice.metadata },
      }))) ?? (await state.create(resourceTypes.endpointSlices, slice));
    caches.endpointSlices.learn(changed);
  }
}

/** Key of the Service that a slice of ours belongs to; undefined for slices of others. */
function ownServiceKey({ metadata }: KubeEndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME_LABEL];
  if (name === undefined || metadata.labels?.[MANAGED_BY_LABEL] !== MANAGER) return undefined;
  return objectKey({ namespace: metadata.namespace ?? "default", name });
}

function hasContent(current: KubeEndpointSlice, wanted: KubeEndpointSlice): boolean {
  const { endpoints, ports, addressType } = current;
  return (
    isDeepStrictEqual(
      { endpoints, ports, addressType },
      { endpoints: wanted.endpoints, ports: wanted.ports, addressType: wanted.addressType },
    ) &&
    isDeepStrictEqual(current.metadata.labels, wanted.metadata.labels) &&
    isDeepStrictEqual(current.metadata.ownerReferences, wanted.metadata.ownerReferences)
  );
}

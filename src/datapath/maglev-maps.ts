import { encodeMaglevTable, maglevTableKey } from "../abi/maglev.js";
import { BpfMap, type MapSpec } from "../kernel/bpf-map.js";
import type { LoadBalancerBackend } from "../model/datapath-port.js";
import { createMaglevTable, type MaglevOptions } from "../model/maglev.js";
import { maglevKey } from "./service-entries.js";
import { deleteKeys, readEntries } from "./table.js";

/** A Service and the backends that take its new connections. */
export interface MaglevService {
  readonly serviceId: number;
  readonly backends: readonly LoadBalancerBackend[];
}

const KEY_BYTES = 2;
/** Descriptors that are open at once while new tables are put in. */
const TABLES_AT_ONCE = 64;

/** What every inner map of `cilium_lb4_maglev` and `cilium_lb6_maglev` looks like. */
export function maglevTableSpec(tableSize: number): MapSpec {
  return { type: "array", name: "cilium_maglev_i", keySizeBytes: 4, valueSizeBytes: 4 * tableSize, maxEntries: 1 };
}

/**
 * The Maglev tables of one family. A table that stands is written over in place: a packet meanwhile gets a backend of the
 * old table or one of the new, and nobody waits. A new one costs the kernel a grace period, one for many of them.
 */
export class MaglevMaps {
  readonly #outer: BpfMap;
  readonly #options: MaglevOptions;
  readonly #present = new Set<number>();

  constructor(outer: BpfMap, options: MaglevOptions) {
    this.#outer = outer;
    this.#options = options;
    for (const { key } of readEntries(outer)) this.#present.add(key.readUInt16BE());
  }

  write(services: readonly MaglevService[]): void {
    const fresh: MaglevService[] = [];
    for (const service of services) {
      if (this.#present.has(service.serviceId)) this.#overwrite(service);
      else fresh.push(service);
    }
    for (let start = 0; start < fresh.length; start += TABLES_AT_ONCE)
      this.#create(fresh.slice(start, start + TABLES_AT_ONCE));
  }

  /** Absence is not an error. */
  remove(serviceIds: readonly number[]): void {
    const present = serviceIds.filter((id) => this.#present.has(id));
    deleteKeys(this.#outer, present.map(maglevKey));
    for (const id of present) this.#present.delete(id);
  }

  /** Removes the tables of all others. */
  keepOnly(serviceIds: ReadonlySet<number>): void {
    this.remove([...this.#present].filter((id) => !serviceIds.has(id)));
  }

  #overwrite(service: MaglevService): void {
    const innerId = this.#outer.lookup(maglevKey(service.serviceId))?.readUInt32LE();
    if (innerId === undefined) {
      this.#create([service]);
      return;
    }
    using inner = BpfMap.openById(innerId);
    const bytes = this.#encode(service);
    if (inner.lookup(maglevTableKey)?.equals(bytes) !== true) inner.update(maglevTableKey, bytes);
  }

  #create(services: readonly MaglevService[]): void {
    const made: BpfMap[] = [];
    const keys = Buffer.alloc(KEY_BYTES * services.length);
    const descriptors = Buffer.alloc(4 * services.length);
    try {
      for (const [index, service] of services.entries()) {
        const inner = BpfMap.create(maglevTableSpec(this.#options.tableSize));
        made.push(inner);
        inner.update(maglevTableKey, this.#encode(service));
        maglevKey(service.serviceId).copy(keys, index * KEY_BYTES);
        descriptors.writeUInt32LE(inner.fd, 4 * index);
      }
      this.#outer.updateBatch(keys, descriptors, services.length);
    } finally {
      for (const inner of made) inner.close();
    }
    for (const { serviceId } of services) this.#present.add(serviceId);
  }

  #encode({ backends }: MaglevService): Buffer {
    const weighted = backends.map((backend) => ({ ...backend, weight: 1 }));
    return encodeMaglevTable(createMaglevTable(weighted, this.#options));
  }
}

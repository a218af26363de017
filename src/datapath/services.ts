import type { LoadBalancerChange, LoadBalancerTables, ServiceIds, ServicesPort } from "../model/datapath-port.js";
import type { MapSet } from "./map-set.js";
import {
  backendKey,
  decodeBackend,
  decodeMaster,
  encodeBackend,
  encodeFrontend,
  type FrontendEntries,
  frontendKey,
  reverseNatKey,
  wildcardKey,
} from "./service-entries.js";
import { deleteKeys, keyText, readEntries, type TableEntry, writeEntries } from "./table.js";

const SERVICES = "cilium_lb4_services_v2";
const BACKENDS = "cilium_lb4_backends_v3";
const REVERSE_NAT = "cilium_lb4_reverse_nat";
const FRONTENDS_AT_ONCE = 1024;

/**
 * The load-balancing maps. Order makes every moment consistent for a packet: backends and slots stand before the master
 * that counts them, and the master shrinks before slots go.
 */
export class Services implements ServicesPort {
  readonly #maps: MapSet;
  /** Frontends of each address: the wildcard entry stays while there is one. */
  readonly #frontendsOf = new Map<string, Set<string>>();

  constructor(maps: MapSet) {
    this.#maps = maps;
    for (const frontend of this.read().frontends)
      this.#remember(frontend.address.text, keyText(frontendKey(frontend, 0)));
  }

  read(): ServiceIds {
    return {
      frontends: [...readEntries(this.#maps.get(SERVICES))].flatMap((entry) => decodeMaster(entry) ?? []),
      backends: [...readEntries(this.#maps.get(BACKENDS))].map(decodeBackend),
    };
  }

  write(desired: LoadBalancerTables): void {
    const services = snapshot([...readEntries(this.#maps.get(SERVICES))]);
    const backends = snapshot([...readEntries(this.#maps.get(BACKENDS))]);
    const reverseNat = snapshot([...readEntries(this.#maps.get(REVERSE_NAT))]);
    writeEntries(this.#maps.get(BACKENDS), changed(backends, desired.backends.map(encodeBackend)));
    // In parts: the entries of 50,000 frontends at once take 300 MB.
    for (let start = 0; start < desired.frontends.length; start += FRONTENDS_AT_ONCE) {
      const part = desired.frontends.slice(start, start + FRONTENDS_AT_ONCE);
      this.#writeFrontends(part.map(encodeFrontend), services, reverseNat);
    }
    // What is left in the snapshots nobody wants. Masters first: a slot never vanishes under a count.
    const stale = [...services.keys()].map(bytesOf);
    deleteKeys(this.#maps.get(SERVICES), stale.filter(isMasterKey));
    deleteKeys(
      this.#maps.get(SERVICES),
      stale.filter((key) => !isMasterKey(key)),
    );
    deleteKeys(this.#maps.get(REVERSE_NAT), [...reverseNat.keys()].map(bytesOf));
    deleteKeys(this.#maps.get(BACKENDS), [...backends.keys()].map(bytesOf));
    this.#frontendsOf.clear();
    for (const frontend of desired.frontends) this.#remember(frontend.address.text, keyText(frontendKey(frontend, 0)));
  }

  update(change: LoadBalancerChange): void {
    const services = this.#maps.get(SERVICES);
    writeEntries(this.#maps.get(BACKENDS), change.upsertedBackends.map(encodeBackend));
    for (const frontend of change.upsertedFrontends) {
      const entries = encodeFrontend(frontend);
      const oldCount = this.#slotCount(entries.master.key);
      writeEntries(this.#maps.get(REVERSE_NAT), [entries.reverseNat]);
      writeEntries(services, entries.slots);
      writeEntries(services, [entries.master, entries.wildcard]);
      deleteKeys(services, slotKeys(frontend, entries.slots.length + 1, oldCount));
      this.#remember(frontend.address.text, keyText(entries.master.key));
    }
    for (const frontend of change.removedFrontends) {
      const masterKey = frontendKey(frontend, 0);
      const oldCount = this.#slotCount(masterKey);
      deleteKeys(services, [masterKey]);
      deleteKeys(services, slotKeys(frontend, 1, oldCount));
      deleteKeys(this.#maps.get(REVERSE_NAT), [reverseNatKey(frontend.serviceId)]);
      if (this.#forget(frontend.address.text, keyText(masterKey)))
        deleteKeys(services, [wildcardKey(frontend.address)]);
    }
    deleteKeys(this.#maps.get(BACKENDS), change.removedBackends.map(backendKey));
  }

  #writeFrontends(
    frontends: readonly FrontendEntries[],
    services: Map<string, Buffer>,
    reverseNat: Map<string, Buffer>,
  ): void {
    const write = (map: string, current: Map<string, Buffer>, entries: readonly TableEntry[]): void =>
      writeEntries(this.#maps.get(map), changed(current, entries));
    write(
      REVERSE_NAT,
      reverseNat,
      frontends.map((entries) => entries.reverseNat),
    );
    write(
      SERVICES,
      services,
      frontends.flatMap((entries) => entries.slots),
    );
    write(
      SERVICES,
      services,
      frontends.map((entries) => entries.master),
    );
    write(SERVICES, services, unique(frontends.map((entries) => entries.wildcard)));
  }

  #slotCount(masterKey: Buffer): number {
    const value = this.#maps.get(SERVICES).lookup(masterKey);
    return value === undefined ? 0 : (decodeMaster({ key: masterKey, value })?.count ?? 0);
  }

  #remember(address: string, frontend: string): void {
    const known = this.#frontendsOf.get(address);
    if (known === undefined) this.#frontendsOf.set(address, new Set([frontend]));
    else known.add(frontend);
  }

  /** True when that was the last frontend of the address. */
  #forget(address: string, frontend: string): boolean {
    const known = this.#frontendsOf.get(address);
    known?.delete(frontend);
    if (known !== undefined && known.size > 0) return false;
    this.#frontendsOf.delete(address);
    return true;
  }
}

function snapshot(entries: readonly TableEntry[]): Map<string, Buffer> {
  return new Map(entries.map((entry) => [keyText(entry.key), entry.value]));
}

/** The entries that differ from the snapshot; every desired key leaves it. */
function changed(current: Map<string, Buffer>, desired: readonly TableEntry[]): readonly TableEntry[] {
  return desired.filter((entry) => {
    const text = keyText(entry.key);
    const isSame = current.get(text)?.equals(entry.value) === true;
    current.delete(text);
    return !isSame;
  });
}

/** One entry a key: several ports share their address's wildcard. */
function unique(entries: readonly TableEntry[]): readonly TableEntry[] {
  return [...new Map(entries.map((entry) => [keyText(entry.key), entry])).values()];
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Slot 0: bytes 6 and 7 of `lb4_key`. */
function isMasterKey(key: Buffer): boolean {
  return key.readUInt16LE(6) === 0;
}

function slotKeys(frontend: Parameters<typeof frontendKey>[0], first: number, last: number): readonly Buffer[] {
  const keys: Buffer[] = [];
  for (let slot = first; slot <= last; slot++) keys.push(frontendKey(frontend, slot));
  return keys;
}

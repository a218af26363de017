import type { BpfMap } from "../kernel/bpf-map.js";
import type { IpFamily } from "../lib/ip.js";
import type {
  LoadBalancerChange,
  LoadBalancerFrontend,
  LoadBalancerTables,
  ServiceIds,
} from "../model/datapath-port.js";
import type { MaglevOptions } from "../model/maglev.js";
import { MaglevMaps, type MaglevService } from "./maglev-maps.js";
import {
  affinityMatchKey,
  backendKey,
  decodeBackend,
  decodeMaster,
  decodeSlot,
  encodeBackend,
  encodeFrontend,
  type FrontendEntries,
  frontendKey,
  isMasterKey,
  type MasterEntry,
  reverseNatKey,
  wildcardKey,
} from "./service-entries.js";
import {
  changedEntries,
  deleteKeys,
  keyText,
  readEntries,
  snapshotEntries,
  type TableEntry,
  writeEntries,
} from "./table.js";

const FRONTENDS_AT_ONCE = 1024;

export interface FamilyMaps {
  readonly services: BpfMap;
  readonly backends: BpfMap;
  readonly reverseNat: BpfMap;
  readonly sourceRanges: BpfMap;
  readonly maglev: BpfMap;
  /** Of both families. */
  readonly affinityMatches: BpfMap;
}

type Snapshot = Map<string, Buffer>;

/** What of a frontend the kernel's maps do not tell without a search. */
interface HeldFrontend {
  readonly ownsAddress: boolean;
  readonly sourceRanges: readonly Buffer[];
}

/**
 * The load-balancing maps of one family. Order makes every moment consistent for a packet: whatever an entry leads to stands
 * before it, and goes after it.
 */
export class ServiceFamily {
  readonly #family: IpFamily;
  readonly #maps: FamilyMaps;
  readonly #maglev: MaglevMaps;
  /** By the text of the master's key. */
  readonly #held = new Map<string, HeldFrontend>();
  /** Frontends that own an address: its wildcard entry stays while there is one. */
  readonly #owners = new Map<string, number>();

  constructor(family: IpFamily, maps: FamilyMaps, maglev: MaglevOptions) {
    this.#family = family;
    this.#maps = maps;
    this.#maglev = new MaglevMaps(maps.maglev, maglev);
  }

  read(): ServiceIds {
    return {
      frontends: [...readEntries(this.#maps.services)].flatMap((entry) => decodeMaster(entry, this.#family) ?? []),
      backends: [...readEntries(this.#maps.backends)].map((entry) => decodeBackend(entry, this.#family)),
    };
  }

  /** @param matches what the affinity map holds; the entries of this family leave it */
  write(desired: LoadBalancerTables, matches: Snapshot): void {
    const { services, backends, reverseNat, sourceRanges } = this.#maps;
    const before = {
      services: snapshotEntries(services),
      backends: snapshotEntries(backends),
      reverseNat: snapshotEntries(reverseNat),
      sourceRanges: snapshotEntries(sourceRanges),
      matches,
    };
    writeEntries(backends, changedEntries(before.backends, desired.backends.map(encodeBackend)));
    this.#held.clear();
    this.#owners.clear();
    // In parts: the entries of 50,000 frontends at once take 300 MB.
    for (let start = 0; start < desired.frontends.length; start += FRONTENDS_AT_ONCE) {
      const part = desired.frontends.slice(start, start + FRONTENDS_AT_ONCE);
      this.#writeFrontends(part, before);
    }
    // What is left in the snapshots nobody wants. Masters first: a slot never vanishes under a count.
    const stale = [...before.services.keys()].map(bytesOf);
    deleteKeys(
      services,
      stale.filter((key) => isMasterKey(key, this.#family)),
    );
    deleteKeys(
      services,
      stale.filter((key) => !isMasterKey(key, this.#family)),
    );
    this.#maglev.keepOnly(new Set(desired.frontends.filter(hasTable).map(({ serviceId }) => serviceId)));
    deleteKeys(reverseNat, [...before.reverseNat.keys()].map(bytesOf));
    deleteKeys(sourceRanges, [...before.sourceRanges.keys()].map(bytesOf));
    deleteKeys(backends, [...before.backends.keys()].map(bytesOf));
  }

  update(change: LoadBalancerChange): void {
    writeEntries(this.#maps.backends, change.upsertedBackends.map(encodeBackend));
    this.#maglev.write(change.upsertedFrontends.filter(hasTable).map((frontend) => this.#toMaglev(frontend)));
    for (const frontend of change.upsertedFrontends) this.#upsert(frontend);
    for (const frontend of change.removedFrontends) this.#remove(frontend);
    const withoutTable = [...change.upsertedFrontends.filter((one) => !hasTable(one)), ...change.removedFrontends];
    this.#maglev.remove(withoutTable.map(({ serviceId }) => serviceId));
    deleteKeys(this.#maps.backends, change.removedBackends.map(backendKey));
  }

  #writeFrontends(frontends: readonly LoadBalancerFrontend[], before: Readonly<Record<string, Snapshot>>): void {
    const entries = frontends.map(encodeFrontend);
    const { services, reverseNat, sourceRanges, affinityMatches } = this.#maps;
    const write = (map: BpfMap, current: Snapshot, wanted: readonly TableEntry[]): void =>
      writeEntries(map, changedEntries(current, wanted));
    write(
      reverseNat,
      before.reverseNat!,
      entries.map((one) => one.reverseNat),
    );
    write(
      sourceRanges,
      before.sourceRanges!,
      entries.flatMap((one) => one.sourceRanges),
    );
    write(
      affinityMatches,
      before.matches!,
      entries.flatMap((one) => one.affinityMatches),
    );
    this.#maglev.write(frontends.filter(hasTable).map((frontend) => this.#toMaglev(frontend)));
    write(
      services,
      before.services!,
      entries.flatMap((one) => one.slots),
    );
    write(
      services,
      before.services!,
      entries.map((one) => one.master),
    );
    write(services, before.services!, unique(entries.flatMap((one) => one.wildcard ?? [])));
    for (const [index, frontend] of frontends.entries()) this.#hold(frontend, entries[index]!);
  }

  #upsert(frontend: LoadBalancerFrontend): void {
    const { services, reverseNat, sourceRanges, affinityMatches } = this.#maps;
    const entries = encodeFrontend(frontend);
    const old = this.#readOld(entries.master.key);
    const held = this.#held.get(keyText(entries.master.key));
    writeEntries(reverseNat, [entries.reverseNat]);
    writeEntries(sourceRanges, entries.sourceRanges);
    writeEntries(affinityMatches, entries.affinityMatches);
    writeEntries(services, entries.slots);
    writeEntries(services, [entries.master, ...(entries.wildcard === undefined ? [] : [entries.wildcard])]);
    deleteKeys(services, slotKeys(frontend, entries.slots.length + 1, old.slotCount));
    deleteKeys(affinityMatches, without(old.affinityMatches, entries.affinityMatches));
    deleteKeys(sourceRanges, without(held?.sourceRanges ?? [], entries.sourceRanges));
    this.#hold(frontend, entries);
  }

  #remove(frontend: LoadBalancerFrontend): void {
    const { services, reverseNat, sourceRanges, affinityMatches } = this.#maps;
    const masterKey = frontendKey(frontend, 0);
    const old = this.#readOld(masterKey);
    const held = this.#held.get(keyText(masterKey));
    deleteKeys(services, [masterKey]);
    deleteKeys(services, slotKeys(frontend, 1, old.slotCount));
    deleteKeys(reverseNat, [reverseNatKey(frontend.serviceId)]);
    deleteKeys(affinityMatches, old.affinityMatches);
    deleteKeys(sourceRanges, held?.sourceRanges ?? []);
    if (this.#letGo(frontend)) deleteKeys(services, [wildcardKey(frontend.address)]);
  }

  /** What the kernel holds of a frontend that is about to change. */
  #readOld(masterKey: Buffer): { readonly slotCount: number; readonly affinityMatches: readonly Buffer[] } {
    const value = this.#maps.services.lookup(masterKey);
    const master = value === undefined ? undefined : decodeMaster({ key: masterKey, value }, this.#family);
    if (master === undefined) return { slotCount: 0, affinityMatches: [] };
    return { slotCount: master.slotCount, affinityMatches: master.hasAffinity ? this.#oldMatches(master) : [] };
  }

  #oldMatches(master: MasterEntry): readonly Buffer[] {
    return slotKeys(master, 1, master.slotCount).flatMap((key) => {
      const value = this.#maps.services.lookup(key);
      return value === undefined ? [] : [affinityMatchKey(master.serviceId, decodeSlot(value, this.#family))];
    });
  }

  #toMaglev({ serviceId, backendIds, activeCount }: LoadBalancerFrontend): MaglevService {
    const backends = backendIds.slice(0, activeCount).flatMap((id) => {
      const key = backendKey(id);
      const value = this.#maps.backends.lookup(key);
      return value === undefined ? [] : [decodeBackend({ key, value }, this.#family)];
    });
    return { serviceId, backends };
  }

  #hold(frontend: LoadBalancerFrontend, entries: FrontendEntries): void {
    const text = keyText(entries.master.key);
    const { ownsAddress } = frontend;
    const isNewOwner = ownsAddress && this.#held.get(text)?.ownsAddress !== true;
    if (!ownsAddress && this.#letGo(frontend)) deleteKeys(this.#maps.services, [wildcardKey(frontend.address)]);
    if (isNewOwner) this.#owners.set(frontend.address.text, (this.#owners.get(frontend.address.text) ?? 0) + 1);
    this.#held.set(text, { ownsAddress, sourceRanges: entries.sourceRanges.map(({ key }) => key) });
  }

  /** True when it was the last owner of its address. */
  #letGo(frontend: LoadBalancerFrontend): boolean {
    const text = keyText(frontendKey(frontend, 0));
    const held = this.#held.get(text);
    this.#held.delete(text);
    if (held?.ownsAddress !== true) return false;
    const left = this.#owners.get(frontend.address.text)! - 1;
    if (left > 0) this.#owners.set(frontend.address.text, left);
    else this.#owners.delete(frontend.address.text);
    return left === 0;
  }
}

/** Without backends there is nothing to be put into a table. */
function hasTable(frontend: LoadBalancerFrontend): boolean {
  return frontend.hasMaglevTable && frontend.activeCount > 0;
}

/** One entry a key: several ports share their address's wildcard. */
function unique(entries: readonly TableEntry[]): readonly TableEntry[] {
  return [...new Map(entries.map((entry) => [keyText(entry.key), entry])).values()];
}

function without(keys: readonly Buffer[], kept: readonly TableEntry[]): readonly Buffer[] {
  const texts = new Set(kept.map(({ key }) => keyText(key)));
  return keys.filter((key) => !texts.has(keyText(key)));
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function slotKeys(frontend: Parameters<typeof frontendKey>[0], first: number, last: number): readonly Buffer[] {
  const keys: Buffer[] = [];
  for (let slot = first; slot <= last; slot++) keys.push(frontendKey(frontend, slot));
  return keys;
}

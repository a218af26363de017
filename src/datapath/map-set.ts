import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { BpfMap, type MapSpec } from "../kernel/bpf-map.js";
import { BpfObject } from "../kernel/bpf-object.js";
import { type EntryTypes, mapBtf } from "../kernel/btf.js";
import { KernelError } from "../lib/errors.js";
import { listPins, NEXT_SUFFIX } from "./bpf-folder.js";
import { isSameLayout, planConversion } from "./entry-layout.js";
import { Ownership } from "./ownership.js";
import { RecordedPins } from "./recorded-pins.js";
import { readEntries, type TableEntry, writeEntries } from "./table.js";

const OWNER_MAP = "cts_owner";

export interface MapSetOptions {
  /** Folder of the pins. */
  readonly folder: string;
  /** `maps.bpf.o` */
  readonly objectPath: string;
  readonly installId: string;
  /** Configured sizes; a map that is not named keeps the object's. */
  readonly maxEntries: ReadonlyMap<string, number>;
  /** What the maps within a map of maps look like; one that is not named keeps the object's. */
  readonly innerMaps?: ReadonlyMap<string, MapSpec>;
  /** Takes over foreign pins: those with a name and the layout of ours to use them, others so that they are none any more. */
  readonly adopt: boolean;
}

type DeclaredMap = BpfObject["maps"][number];

const noTypes: EntryTypes = { key: undefined, value: undefined };

/**
 * The datapath's maps, pinned: those that stand from before are kept, the rest is made. Refuses to touch pins that
 * nobody recorded as ours.
 */
export class MapSet implements Disposable {
  readonly ownership: Ownership;
  readonly #maps: ReadonlyMap<string, BpfMap>;
  /** What was replaced because its size or layout changed: programs of the last start still write to it. */
  #replaced: ReadonlyMap<string, BpfMap>;

  private constructor(ownership: Ownership, maps: ReadonlyMap<string, BpfMap>, replaced: ReadonlyMap<string, BpfMap>) {
    this.ownership = ownership;
    this.#maps = maps;
    this.#replaced = replaced;
  }

  /** @throws KernelError `foreign-pin` */
  static open(options: MapSetOptions): MapSet {
    using object = BpfObject.open(options.objectPath, { name: "cts_maps" });
    const declared = object.maps.filter((map) => !map.isInternal);
    using templates = createTemplates(options.innerMaps);
    for (const [name, template] of templates.byName) object.setInnerMap(name, template);
    for (const [name, maxEntries] of options.maxEntries) object.setMapMaxEntries(name, maxEntries);
    const wanted = declared.map((map) => ({ ...map, maxEntries: options.maxEntries.get(map.name) ?? map.maxEntries }));
    const { existing, unused } = openExisting(options, wanted);
    const layouts = new Map(wanted.map(({ name }) => [name, object.mapTypes(name)]));
    const replaced = new Map<string, BpfMap>();
    const kept = new Map<string, BpfMap>();
    for (const map of wanted) {
      const found = existing.get(map.name);
      if (found === undefined) continue;
      const isKept =
        fits(found, map) &&
        isSameLayout(typesOf(found), layouts.get(map.name)!) &&
        takesInnerMap(found, templates.byName.get(map.name));
      if (isKept) {
        kept.set(map.name, found);
        object.reuseMap(map.name, found);
      } else replaced.set(map.name, found);
    }
    object.load();
    const maps = new Map(wanted.map((map) => [map.name, kept.get(map.name) ?? object.map(map.name)]));
    const ownership = pinOwnerMap(options, maps.get(OWNER_MAP)!, kept.has(OWNER_MAP));
    const pins = new RecordedPins(options.folder, ownership);
    for (const { name, mapId } of unused) ownership.record("map", name, mapId);
    for (const map of wanted) {
      if (map.name === OWNER_MAP) continue;
      if (kept.has(map.name)) ownership.record("map", map.name, maps.get(map.name)!.info.id);
      else pinFilled(pins, { name: map.name, map: maps.get(map.name)!, old: replaced.get(map.name) });
    }
    return new MapSet(ownership, maps, replaced);
  }

  /** True from an {@link open} that changed a map's size until {@link takeLateEntries}. */
  get hasReplaced(): boolean {
    return this.#replaced.size > 0;
  }

  /** Once no program uses the replaced maps any more: what they took after their content was copied goes along. */
  takeLateEntries(): void {
    for (const [name, old] of this.#replaced) {
      copyMissingEntries(old, this.get(name));
      old.close();
    }
    this.#replaced = new Map();
  }

  get names(): readonly string[] {
    return [...this.#maps.keys()];
  }

  has(name: string): boolean {
    return this.#maps.has(name);
  }

  get(name: string): BpfMap {
    const map = this.#maps.get(name);
    if (map === undefined) throw new KernelError("map-unknown", `the datapath has no map ${name}`);
    return map;
  }

  [Symbol.dispose](): void {
    for (const map of [...this.#maps.values(), ...this.#replaced.values()]) map.close();
  }
}

interface ExistingPins {
  /** Our maps among the pins, by name. */
  readonly existing: ReadonlyMap<string, BpfMap>;
  /** Pins to be recorded as ours although we declare no such map: without a record the next start would refuse them. */
  readonly unused: readonly { readonly name: string; readonly mapId: number }[];
}

/** Nothing of others is recorded before every pin was looked at. */
function openExisting(options: MapSetOptions, wanted: readonly DeclaredMap[]): ExistingPins {
  const pins = listPins(options.folder);
  const found = new Map<string, BpfMap>();
  const unused: { name: string; mapId: number }[] = [];
  const owner = pins.includes(OWNER_MAP) ? BpfMap.openPinned(join(options.folder, OWNER_MAP)) : undefined;
  const ownership = owner === undefined ? undefined : new Ownership(owner, options.installId);
  if (owner !== undefined) found.set(OWNER_MAP, owner);
  const foreign: string[] = [];
  for (const pin of pins) {
    if (pin === OWNER_MAP || !(pin.startsWith("cilium_") || pin.startsWith("cts_"))) continue;
    const name = pin.endsWith(NEXT_SUFFIX) ? pin.slice(0, -NEXT_SUFFIX.length) : pin;
    const declared = wanted.find((map) => map.name === name);
    const map = BpfMap.openPinned(join(options.folder, pin), { readOnly: true });
    const isOurs =
      ownership !== undefined &&
      [name, name + NEXT_SUFFIX].some((record) => ownership.owns("map", record, map.info.id));
    // Not in the place of a replacement: there it would be taken for what a killed agent left.
    const mayAdopt = options.adopt && name === pin && (declared === undefined || fits(map, declared));
    map.close();
    if (!isOurs && !mayAdopt) foreign.push(pin);
    else if (isOurs && pin.endsWith(NEXT_SUFFIX)) rmSync(join(options.folder, pin));
    else if (declared !== undefined) found.set(name, BpfMap.openPinned(join(options.folder, pin)));
    else if (!isOurs) unused.push({ name, mapId: map.info.id });
  }
  if (foreign.length > 0) throw foreignPins(options, foreign);
  return { existing: found, unused };
}

function foreignPins(options: MapSetOptions, foreign: readonly string[]): KernelError {
  const shown = foreign.slice(0, 5).join(", ") + (foreign.length > 5 ? ` and ${foreign.length - 5} more` : "");
  // By name, because pins of ours may lie beside them. A BPF file system takes no names with dots. linux/kernel/bpf/inode.c
  const away = `../${basename(options.folder)}-foreign`;
  return new KernelError(
    "foreign-pin",
    `${options.folder} holds pinned maps that this installation did not make: ${shown}`,
    {
      hint: "They belong to upstream Cilium or to another installation; nothing was changed.",
      nextSteps: [
        "adopt those with our layout: agent run --adopt",
        `or move them away: cd ${options.folder} && mkdir -p ${away} && mv ${foreign.join(" ")} ${away}/`,
      ],
      details: { folder: options.folder, pins: foreign },
    },
  );
}

function fits(map: BpfMap, declared: DeclaredMap): boolean {
  const { info } = map;
  return (
    info.type === declared.type &&
    info.keySizeBytes === declared.keySizeBytes &&
    info.valueSizeBytes === declared.valueSizeBytes &&
    info.maxEntries === declared.maxEntries &&
    info.flags === declared.flags
  );
}

interface Templates extends Disposable {
  readonly byName: ReadonlyMap<string, BpfMap>;
}

function createTemplates(innerMaps: ReadonlyMap<string, MapSpec> = new Map()): Templates {
  const byName = new Map([...innerMaps].map(([name, spec]) => [name, BpfMap.create(spec)]));
  return {
    byName,
    [Symbol.dispose]: () => {
      for (const map of byName.values()) map.close();
    },
  };
}

/**
 * Whether a map of maps was made for inner maps like this one, which nothing else tells of an empty one. The kernel compares
 * them before it finds that there is no such key to replace.
 */
function takesInnerMap(map: BpfMap, template: BpfMap | undefined): boolean {
  if (template === undefined) return true;
  const descriptor = Buffer.alloc(map.info.valueSizeBytes);
  descriptor.writeUInt32LE(template.fd);
  try {
    map.update(Buffer.alloc(map.info.keySizeBytes), descriptor, "replace");
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.details.errno === "ENOENT") return true;
    if (error instanceof KernelError && error.details.errno === "EINVAL") return false;
    throw error;
  }
}

/** The record of records comes first: whatever is pinned after it has an owner. */
function pinOwnerMap(options: MapSetOptions, map: BpfMap, isPinned: boolean): Ownership {
  const ownership = new Ownership(map, options.installId);
  if (!isPinned) map.pin(join(options.folder, OWNER_MAP));
  return ownership;
}

interface NewMap {
  readonly name: string;
  readonly map: BpfMap;
  /** Whose place it takes. */
  readonly old: BpfMap | undefined;
}

function pinFilled(pins: RecordedPins, { name, map, old }: NewMap): void {
  if (old !== undefined) copyEntries(old, map);
  pins.stage(name, map);
  pins.settle(name, map);
}

const typesOf = (map: BpfMap): EntryTypes => mapBtf(map) ?? noTypes;

const COPY_BATCH = 1024;

/** A changed size or layout must not cost connections: what fits goes along. */
function copyEntries(from: BpfMap, to: BpfMap): void {
  const convert = planCopy(from, to);
  if (convert === undefined) return;
  const room = to.info.maxEntries;
  let batch: TableEntry[] = [];
  let copied = 0;
  for (const entry of readEntries(from)) {
    if (copied === room) break;
    batch.push(convert(entry));
    copied++;
    if (batch.length < COPY_BATCH) continue;
    writeEntries(to, batch);
    batch = [];
  }
  writeEntries(to, batch);
}

function copyMissingEntries(from: BpfMap, to: BpfMap): void {
  // Only programs write to LRU maps; what the agent writes it writes to the new ones.
  const convert = from.info.type === "lru_hash" ? planCopy(from, to) : undefined;
  if (convert === undefined) return;
  for (const entry of readEntries(from)) {
    const { key, value } = convert(entry);
    if (to.lookup(key) === undefined) to.update(key, value);
  }
}

/** How entries go along: as they are, or field by field. Undefined: not at all, for maps of no entries of their own or, of
 * another size, without BTF. */
function planCopy(from: BpfMap, to: BpfMap): ((entry: TableEntry) => TableEntry) | undefined {
  const isPlainHash = from.info.type === "hash" || from.info.type === "lru_hash";
  if (!isPlainHash || from.info.type !== to.info.type) return undefined;
  const [old, now] = [typesOf(from), typesOf(to)];
  const isSameSize =
    from.info.keySizeBytes === to.info.keySizeBytes && from.info.valueSizeBytes === to.info.valueSizeBytes;
  if (isSameSize && isSameLayout(old, now)) return (entry) => entry;
  const toKey = planConversion(old.key, now.key);
  const toValue = planConversion(old.value, now.value);
  if (toKey === undefined || toValue === undefined) return undefined;
  return ({ key, value }) => ({ key: toKey(key), value: toValue(value) });
}

import { createOwnerCodecs, type OwnerKind, type OwnerValue } from "../abi/owner.js";
import type { BpfMap } from "../kernel/bpf-map.js";
import { KernelError } from "../lib/errors.js";
import { readEntries } from "./table.js";

/** Of the record, not of the product: raised when `cts_owner_value` changes. */
const RECORD_VERSION = 1;

const codecs = createOwnerCodecs();

/**
 * The pinned map `cts_owner`: one record for every map, link and device that this installation made. Nothing without a
 * record is opened for writing, replaced, detached or removed.
 */
export class Ownership {
  readonly #map: BpfMap;
  readonly installId: string;

  constructor(map: BpfMap, installId: string) {
    const { keySizeBytes, valueSizeBytes } = map.info;
    if (keySizeBytes !== codecs.key.sizeBytes || valueSizeBytes !== codecs.value.sizeBytes) {
      throw new KernelError("owner-layout", "the pinned map cts_owner has a layout that this version does not know", {
        hint: "It was written by another version of this product.",
        details: { keySizeBytes, valueSizeBytes },
      });
    }
    this.#map = map;
    const known = this.#read("install", "install");
    this.installId = known?.installId ?? installId;
    if (known === undefined) this.record("install", "install", 0);
  }

  /** Records before the thing is pinned: a crash in between leaves a record of nothing, never a thing of nobody. */
  record(kind: OwnerKind, name: string, objectId: number): void {
    const value = { installId: this.installId, objectId, version: RECORD_VERSION };
    this.#map.update(codecs.key.encode({ kind, name }), codecs.value.encode(value));
  }

  forget(kind: OwnerKind, name: string): void {
    this.#map.delete(codecs.key.encode({ kind, name }));
  }

  /** The id that the record names; undefined without a record. */
  objectId(kind: OwnerKind, name: string): number | undefined {
    return this.#read(kind, name)?.objectId;
  }

  /** Names of all records of a kind, sorted. */
  names(kind: OwnerKind): readonly string[] {
    return [...readEntries(this.#map)]
      .map((entry) => codecs.key.decode(entry.key))
      .filter((key) => key.kind === kind)
      .map((key) => key.name)
      .sort();
  }

  owns(kind: OwnerKind, name: string, objectId: number): boolean {
    return this.objectId(kind, name) === objectId;
  }

  #read(kind: OwnerKind, name: string): OwnerValue | undefined {
    const value = this.#map.lookup(codecs.key.encode({ kind, name }));
    return value === undefined ? undefined : codecs.value.decode(value);
  }
}

import { unlinkSync } from "node:fs";
import { BpfMap } from "../../../src/kernel/bpf-map.js";

/**
 * An empty map of any size in the place of a pinned one, which comes back afterwards. Programs and agents go on with the
 * one that they have open; who looks into the folder finds this one.
 */
export class PlacedMap implements Disposable {
  readonly map: BpfMap;
  readonly #path: string;
  readonly #original: BpfMap;

  constructor(path: string, maxEntries: number) {
    this.#path = path;
    this.#original = BpfMap.openPinned(path);
    const { type, name, keySizeBytes, valueSizeBytes, flags } = this.#original.info;
    this.map = BpfMap.create({ type, name, keySizeBytes, valueSizeBytes, maxEntries, flags });
    unlinkSync(path);
    this.map.pin(path);
  }

  [Symbol.dispose](): void {
    unlinkSync(this.#path);
    this.#original.pin(this.#path);
    this.#original.close();
    this.map.close();
  }
}

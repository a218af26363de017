import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "../kernel/bpf-map.js";
import { MapFlag } from "../kernel/map-type.js";
import { listPins, NEXT_SUFFIX } from "./bpf-folder.js";
import { POLICY_ENTRY_BYTES, POLICY_KEY_BYTES } from "./entries.js";
import type { Ownership } from "./ownership.js";

const PREFIX = "cilium_policy_v2_";

/** The pins of policy maps: `cilium_policy_v2_<endpoint id>`, each recorded before it is made. */
export class PolicyPins {
  readonly #folder: string;
  readonly #ownership: Ownership;
  readonly #maxEntries: number;

  constructor(options: { readonly folder: string; readonly ownership: Ownership; readonly maxEntries: number }) {
    this.#folder = options.folder;
    this.#ownership = options.ownership;
    this.#maxEntries = options.maxEntries;
  }

  endpointIds(): readonly number[] {
    const pinned = listPins(this.#folder)
      .filter((name) => /^cilium_policy_v2_\d{5}$/.test(name))
      .map((name) => Number(name.slice(PREFIX.length)));
    return pinned.sort((a, b) => a - b);
  }

  /** Undefined where nothing is pinned. */
  open(endpointId: number): BpfMap | undefined {
    const path = this.#path(endpointId);
    return existsSync(path) ? BpfMap.openPinned(path) : undefined;
  }

  /** Of another size when the setting changed since the map was made. */
  isConfiguredSize(map: BpfMap): boolean {
    return map.info.maxEntries === this.#maxEntries;
  }

  /** An empty map, not pinned. */
  create(endpointId: number): BpfMap {
    return BpfMap.create({
      type: "lpm_trie",
      // The kernel keeps 15 characters, of upstream's names too.
      name: pinName(endpointId).slice(0, 15),
      keySizeBytes: POLICY_KEY_BYTES,
      valueSizeBytes: POLICY_ENTRY_BYTES,
      maxEntries: this.#maxEntries,
      flags: MapFlag.noPrealloc | MapFlag.readOnlyProgram,
    });
  }

  /** Pins a filled map beside the one whose place it is to take, or under its name where there is none. */
  stage(endpointId: number, map: BpfMap): void {
    const isFirst = !existsSync(this.#path(endpointId));
    const name = pinName(endpointId) + (isFirst ? "" : NEXT_SUFFIX);
    this.#ownership.record("map", name, map.info.id);
    rmSync(join(this.#folder, name), { force: true });
    map.pin(join(this.#folder, name));
  }

  /** What was staged takes the name: who opens it by path finds the old map or the new one, never none. */
  settle(endpointId: number, map: BpfMap): void {
    const path = this.#path(endpointId);
    if (!existsSync(path + NEXT_SUFFIX)) return;
    renameSync(path + NEXT_SUFFIX, path);
    this.#ownership.record("map", pinName(endpointId), map.info.id);
    this.#ownership.forget("map", pinName(endpointId) + NEXT_SUFFIX);
  }

  /** Absence is not an error. */
  remove(endpointId: number): void {
    for (const suffix of ["", NEXT_SUFFIX]) {
      const path = this.#path(endpointId) + suffix;
      if (!existsSync(path)) continue;
      rmSync(path);
      this.#ownership.forget("map", pinName(endpointId) + suffix);
    }
  }

  #path(endpointId: number): string {
    return join(this.#folder, pinName(endpointId));
  }
}

function pinName(endpointId: number): string {
  return PREFIX + String(endpointId).padStart(5, "0");
}

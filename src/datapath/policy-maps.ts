import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "../kernel/bpf-map.js";
import { MapFlag } from "../kernel/map-type.js";
import { Turns } from "../lib/turns.js";
import type { PolicyEntry } from "../model/datapath-port.js";
import { listPins } from "./bpf-folder.js";
import { encodePolicyEntry, POLICY_ENTRY_BYTES, POLICY_KEY_BYTES } from "./entries.js";
import type { MapSet } from "./map-set.js";
import { PolicyEpoch } from "./policy-epoch.js";
import { applyPlan, isEmptyPlan, planTable } from "./table.js";

const PREFIX = "cilium_policy_v2_";

/** The pinned policy map of each endpoint, and the map of maps through which the programs find it. */
export class PolicyMaps {
  readonly #folder: string;
  readonly #maps: MapSet;
  readonly #maxEntries: number;
  readonly #epoch: PolicyEpoch;
  /** A change of the map of maps waits in the kernel, two of them for the same moment: files need threads of the pool too. */
  readonly #turns = new Turns(2);

  constructor(options: { readonly folder: string; readonly maps: MapSet; readonly maxEntries: number }) {
    this.#folder = options.folder;
    this.#maps = options.maps;
    this.#maxEntries = options.maxEntries;
    this.#epoch = new PolicyEpoch(options.maps.get("cts_policy_epoch"));
  }

  endpointIds(): readonly number[] {
    const pinned = listPins(this.#folder)
      .filter((name) => /^cilium_policy_v2_\d{5}$/.test(name))
      .map((name) => Number(name.slice(PREFIX.length)));
    return pinned.sort((a, b) => a - b);
  }

  async write(endpointId: number, desired: readonly PolicyEntry[]): Promise<void> {
    using map = this.#openOrCreate(endpointId);
    const plan = planTable(map, desired.map(encodePolicyEntry));
    const index = this.#index();
    const isIndexed = index.lookup(indexKey(endpointId))?.readUInt32LE() === map.info.id;
    if (isIndexed && isEmptyPlan(plan)) return;
    if (isIndexed) {
      using _change = this.#epoch.change();
      applyPlan(map, plan);
      return;
    }
    // After its content: a program never finds a map that is still empty.
    applyPlan(map, plan);
    await this.#changeIndex(() => index.updateInnerAsync(indexKey(endpointId), map));
  }

  /** Absence is not an error. */
  async remove(endpointId: number): Promise<void> {
    await this.#changeIndex(() => this.#index().deleteAsync(indexKey(endpointId)));
    const path = join(this.#folder, pinName(endpointId));
    if (!existsSync(path)) return;
    rmSync(path);
    this.#maps.ownership.forget("map", pinName(endpointId));
  }

  /** The epoch is odd for this change alone, not while it waits for others. */
  async #changeIndex(change: () => Promise<unknown>): Promise<void> {
    await this.#turns.run(async () => {
      using _change = this.#epoch.change();
      await change();
    });
  }

  #openOrCreate(endpointId: number): BpfMap {
    const name = pinName(endpointId);
    const path = join(this.#folder, name);
    if (existsSync(path)) {
      const map = BpfMap.openPinned(path);
      if (map.info.maxEntries === this.#maxEntries) return map;
      map.close();
      rmSync(path);
    }
    const map = BpfMap.create({
      type: "lpm_trie",
      // The kernel keeps 15 characters, of upstream's names too.
      name: name.slice(0, 15),
      keySizeBytes: POLICY_KEY_BYTES,
      valueSizeBytes: POLICY_ENTRY_BYTES,
      maxEntries: this.#maxEntries,
      flags: MapFlag.noPrealloc | MapFlag.readOnlyProgram,
    });
    this.#maps.ownership.record("map", name, map.info.id);
    map.pin(path);
    return map;
  }

  #index(): BpfMap {
    return this.#maps.get("cts_policy_maps");
  }
}

function pinName(endpointId: number): string {
  return PREFIX + String(endpointId).padStart(5, "0");
}

function indexKey(endpointId: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(endpointId);
  return key;
}

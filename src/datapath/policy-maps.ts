import type { BpfMap } from "../kernel/bpf-map.js";
import { Turns } from "../lib/turns.js";
import type { PolicyEntry } from "../model/datapath-port.js";
import { encodePolicyEntry } from "./entries.js";
import type { MapSet } from "./map-set.js";
import { isSafeInPlace } from "./policy-edit.js";
import { PolicyEpoch } from "./policy-epoch.js";
import { PolicyPins } from "./policy-pins.js";
import { deleteKeys, isEmptyPlan, planTable, type TableEntry, type TablePlan, writeEntries } from "./table.js";

/** New maps of one batch are open at the same time, twice while the kernel has them. */
const MOST_AT_ONCE = 128;

interface Wish {
  readonly endpointId: number;
  readonly desired: readonly PolicyEntry[];
  /** Everybody who asked for this endpoint since its last batch: they get what was asked last. */
  readonly settle: readonly ((error?: unknown) => void)[];
}

/** What the index, the epoch and the records of pins are taken from. */
type PolicyMapHolder = Pick<MapSet, "get" | "ownership">;

/** A map with the whole new policy, to be put in the place of what the programs use. */
interface Swap {
  readonly wish: Wish;
  readonly map: BpfMap;
}

/**
 * The pinned policy map of each endpoint, and the index (`cts_policy_maps`) through which the programs find it.
 *
 * A packet gets the verdict of its endpoint's whole old or whole new policy. A change that no packet can see half of
 * ({@link isSafeInPlace}) is made in the map; for any other one a new map is filled, pinned beside the old one, put into its
 * slot of the index in one step, and given its name. A kill in between leaves one of both in the slot and one under the
 * name; the next write finds that they differ and begins again.
 *
 * A slot's exchange waits until no program can see the old map. All writes that come meanwhile make one batch, which waits
 * once.
 */
export class PolicyMaps {
  readonly #maps: PolicyMapHolder;
  readonly #pins: PolicyPins;
  readonly #epoch: PolicyEpoch;
  readonly #waiting = new Map<number, Wish>();
  /** The batch that is being written; no batch begins before it ended. */
  #running: Promise<void> | undefined;
  readonly #leaving = new Map<number, Promise<void>>();
  /** Removals wait in the kernel, two of them for the same moment: files need threads of the pool too. */
  readonly #turns = new Turns(2);

  constructor(options: { readonly folder: string; readonly maps: PolicyMapHolder; readonly maxEntries: number }) {
    const { folder, maps, maxEntries } = options;
    this.#maps = maps;
    this.#pins = new PolicyPins({ folder, ownership: maps.ownership, maxEntries });
    this.#epoch = new PolicyEpoch(maps.get("cts_policy_epoch"));
  }

  endpointIds(): readonly number[] {
    return this.#pins.endpointIds();
  }

  /** Puts what is pinned into an index that lacks it: a new layout of the index must not cost an endpoint its policy. */
  async indexPinned(): Promise<void> {
    const missing = this.endpointIds().filter((endpointId) => this.#indexedId(endpointId) === undefined);
    for (let start = 0; start < missing.length; start += MOST_AT_ONCE) {
      const found = missing.slice(start, start + MOST_AT_ONCE).flatMap((endpointId) => this.#pinned(endpointId));
      try {
        await this.#index(found);
      } finally {
        for (const { map } of found) map.close();
      }
    }
  }

  /** Resolves when the programs judge by `desired`, or by what was asked for this endpoint later. */
  async write(endpointId: number, desired: readonly PolicyEntry[]): Promise<void> {
    const leaving = this.#leaving.get(endpointId);
    if (leaving !== undefined) await leaving;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      const earlier = this.#waiting.get(endpointId)?.settle ?? [];
      this.#waiting.set(endpointId, { endpointId, desired, settle: [...earlier, settle] });
      this.#running ??= this.#run();
    });
  }

  /** Absence is not an error. What waits to be written for the endpoint is dropped. */
  remove(endpointId: number): Promise<void> {
    const superseded = this.#waiting.get(endpointId);
    this.#waiting.delete(endpointId);
    for (const settle of superseded?.settle ?? []) settle();
    const batch = this.#running ?? Promise.resolve();
    const removal = batch.then(() => this.#turns.run(() => this.#remove(endpointId)));
    this.#leaving.set(endpointId, removal);
    return removal.finally(() => this.#leaving.delete(endpointId));
  }

  async #remove(endpointId: number): Promise<void> {
    if (this.#indexedId(endpointId) !== undefined) {
      using _change = this.#epoch.change();
      await this.#indexMap.deleteAsync(indexKey(endpointId));
    }
    this.#pins.remove(endpointId);
  }

  async #run(): Promise<void> {
    // What is asked in one turn of the event loop goes together.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()].slice(0, MOST_AT_ONCE);
      for (const { endpointId } of batch) this.#waiting.delete(endpointId);
      await this.#writeBatch(batch);
    }
    this.#running = undefined;
  }

  async #writeBatch(batch: readonly Wish[]): Promise<void> {
    const swaps: Swap[] = [];
    for (const wish of batch) {
      try {
        const map = this.#editOrReplace(wish);
        if (map === undefined) settleAll([wish]);
        else swaps.push({ wish, map });
      } catch (error) {
        settleAll([wish], error);
      }
    }
    try {
      await this.#index(swaps.map(({ wish, map }) => ({ endpointId: wish.endpointId, map })));
      for (const { wish, map } of swaps) this.#pins.settle(wish.endpointId, map);
      settleAll(swaps.map(({ wish }) => wish));
    } catch (error) {
      settleAll(
        swaps.map(({ wish }) => wish),
        error,
      );
    } finally {
      for (const { map } of swaps) map.close();
    }
  }

  /** Edits the map that the programs use, or returns a staged one for its place. */
  #editOrReplace({ endpointId, desired }: Wish): BpfMap | undefined {
    const entries = desired.map(encodePolicyEntry);
    using pinned = this.#pins.open(endpointId);
    if (pinned === undefined || this.#indexedId(endpointId) !== pinned.info.id) return this.#stage(endpointId, entries);
    if (!this.#pins.isConfiguredSize(pinned)) return this.#stage(endpointId, entries);
    const plan = planTable(pinned, entries);
    if (isEmptyPlan(plan)) return undefined;
    // What does not fit must fail before anybody can see a part of it.
    const isInPlace = entries.length <= pinned.info.maxEntries && isSafeInPlace(changedKeys(plan));
    if (!isInPlace) return this.#stage(endpointId, entries);
    using _change = this.#epoch.change();
    // Deletions first: a full map has room then. No packet sees two of these edits, so any order is right.
    deleteKeys(pinned, plan.deletions);
    writeEntries(pinned, plan.upserts);
    return undefined;
  }

  /** Filled before anybody can find it. */
  #stage(endpointId: number, entries: readonly TableEntry[]): BpfMap {
    const map = this.#pins.create(endpointId);
    try {
      writeEntries(map, entries);
      this.#pins.stage(endpointId, map);
      return map;
    } catch (error) {
      map.close();
      throw error;
    }
  }

  async #index(maps: readonly { readonly endpointId: number; readonly map: BpfMap }[]): Promise<void> {
    if (maps.length === 0) return;
    using _change = this.#epoch.change();
    const keys = Buffer.concat(maps.map(({ endpointId }) => indexKey(endpointId)));
    await this.#indexMap.updateInnersAsync(
      keys,
      maps.map(({ map }) => map),
    );
  }

  #pinned(endpointId: number): readonly { readonly endpointId: number; readonly map: BpfMap }[] {
    const map = this.#pins.open(endpointId);
    return map === undefined ? [] : [{ endpointId, map }];
  }

  /** Id of the map in the endpoint's slot. */
  #indexedId(endpointId: number): number | undefined {
    return this.#indexMap.lookup(indexKey(endpointId))?.readUInt32LE();
  }

  get #indexMap(): BpfMap {
    return this.#maps.get("cts_policy_maps");
  }
}

function changedKeys(plan: TablePlan): readonly Buffer[] {
  return [...plan.upserts.map(({ key }) => key), ...plan.deletions];
}

function settleAll(wishes: readonly Wish[], error?: unknown): void {
  for (const wish of wishes) for (const settle of wish.settle) settle(error);
}

function indexKey(endpointId: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(endpointId);
  return key;
}

import { KernelError } from "../lib/errors.js";
import { requireInstance, requireInteger } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { BpfObject } from "./bpf-object.js";
import type { BpfProgram } from "./bpf-program.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled } from "./feature-mask.js";
import { type KernelFailure, kernelError } from "./kernel-error.js";
import { isHashMapType } from "./map-type.js";
import { toolObjectPath } from "./tool-object.js";

/** Keys that were found, side by side. */
export interface FoundKeys {
  readonly keys: Buffer;
  readonly count: number;
}

/** `struct walk` of bpf/bucket_walk.bpf.c, as far as it is read here: offsets of its 32-bit words. */
const walkField = { buckets: 0, next: 4, keys: 8, isFull: 12, cutChains: 16 } as const;
const zero = Buffer.alloc(4);
const headsBytes = 4096;
/** The smallest packet that a test run takes. */
const packet = Buffer.alloc(64);

/**
 * Finds the keys of a hash map by looking at its buckets a few hundred at a time, in steps between which the kernel lets
 * others run: for large maps that are nearly empty, where a batch call, a next-key call or a map iterator holds the CPU over
 * the whole empty stretch. 16 million empty buckets take as long as with a batch call (some 30 ms), in as many calls as wished.
 *
 * The kernel's memory is read as it lies: a key may be gone, or rubbish, by the time it is told, so each one has to be looked
 * up. A key that stays while the map is walked is told; it may come twice when others in its bucket come and go.
 *
 * Needs 5.10, kernel BTF and CAP_PERFMON. Throws KernelError: `bucket-walk-open`, `object-load`, `program-test-run`,
 * `invalid-argument`, `handle-closed`.
 */
export class BucketWalk implements Disposable {
  readonly #program: BpfProgram;
  readonly #state: BpfMap;
  readonly #found: BpfMap;
  readonly #keySizeBytes: number;
  #buckets = 0;
  #next = 0;
  #cutChains = 0;

  private constructor(object: BpfObject, keySizeBytes: number) {
    this.#program = object.program("cts_walk_buckets");
    this.#state = object.map(object.maps.find((map) => map.name.endsWith(".bss"))?.name ?? "");
    this.#found = object.map("found_keys");
    this.#keySizeBytes = keySizeBytes;
  }

  /** @throws KernelError `bucket-walk-open` EINVAL for a map that is no hash map; `object-load` where the kernel has no BTF */
  static open(map: BpfMap): BucketWalk {
    requireInstance(map, BpfMap, "map");
    const failure: KernelFailure = {
      code: "bucket-walk-open",
      attempt: `walk the buckets of map ${map.info.name} (id ${map.info.id})`,
      errno: Errno.EINVAL,
      details: { mapId: map.info.id, mapName: map.info.name, mapType: map.info.type },
    };
    if (!isHashMapType(map.info.type)) {
      throw kernelError({ ...failure, hint: `Only hash maps have buckets, this is a map of type ${map.info.type}.` });
    }
    if (isFeatureDisabled("probe_read_kernel")) throw kernelError(failure);
    using object = BpfObject.open(toolObjectPath("bucket_walk"), { name: "cts_bucket_walk" });
    object.reuseMap("target", map, { sizes: "any" });
    const keyBytes = Buffer.alloc(4);
    keyBytes.writeUInt32LE(map.info.keySizeBytes);
    object.setRodata(keyBytes);
    object.load();
    return new BucketWalk(object, map.info.keySizeBytes);
  }

  /** Of the map; 0 before the first call of {@link walk}. */
  get bucketCount(): number {
    return this.#buckets;
  }

  get isDone(): boolean {
    return this.#buckets > 0 && this.#next >= this.#buckets;
  }

  /** Buckets with more elements than could be followed; never seen, and then the walk is not complete. */
  get cutChains(): number {
    return this.#cutChains;
  }

  /**
   * Looks at the next `buckets` buckets at most, in steps of 256 or, when one has elements, up to that one; ends early when
   * 64 KiB of keys are found. `isDone` tells the end: no key is no sign of it.
   */
  walk(buckets: number): FoundKeys {
    requireInteger(buckets, "buckets", 1, 1 << 30);
    this.#run(Math.ceil(buckets / 256));
    const state = this.#state.lookup(zero) ?? Buffer.alloc(walkField.cutChains + 4 + headsBytes);
    this.#buckets = state.readUInt32LE(walkField.buckets);
    this.#next = state.readUInt32LE(walkField.next);
    this.#cutChains = state.readUInt32LE(walkField.cutChains);
    const count = state.readUInt32LE(walkField.keys);
    if (count === 0) return { keys: Buffer.alloc(0), count: 0 };
    const keys = this.#found.lookup(zero)?.subarray(0, count * this.#keySizeBytes) ?? Buffer.alloc(0);
    state.writeUInt32LE(0, walkField.keys);
    state.writeUInt32LE(0, walkField.isFull);
    this.#state.update(zero, state);
    return { keys, count };
  }

  #run(steps: number): void {
    try {
      this.#program.testRun({ data: packet, repeat: steps });
    } catch (error) {
      // A signal ends the test run early; what was walked is kept in the program's state.
      const isInterrupted = error instanceof KernelError && error.details.errnoNumber === Errno.EINTR;
      if (!isInterrupted) throw error;
    }
  }

  close(): void {
    for (const handle of [this.#program, this.#state, this.#found]) handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

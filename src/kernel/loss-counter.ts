import { refuseArgument, requireBytes, requireInstance } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";

/**
 * A number of records that programs could not write, as they count it themselves: a u64 under one key of a map, on each CPU
 * of a per-CPU map. Reads the map at each call; its handle is the caller's and has to stay open.
 */
export class LossCounter {
  readonly #map: BpfMap;
  readonly #key: Buffer;
  #taken: bigint;

  /** Begins at the count that the map holds now. @throws KernelError `invalid-argument`, `map-lookup` */
  constructor(map: BpfMap, key: Uint8Array) {
    requireInstance(map, BpfMap, "map");
    if (map.info.valueSizeBytes !== 8) refuseArgument("map", "a map of values of 8 bytes", map.info.valueSizeBytes);
    requireBytes(key, map.info.keySizeBytes, "key");
    this.#map = map;
    this.#key = Buffer.from(key);
    this.#taken = this.total();
  }

  /** Whether a value was made by the constructor: a prototype says little. */
  static isMade(value: object): boolean {
    return #map in value;
  }

  /** Over all CPUs, since the map was made. */
  total(): bigint {
    const values = this.#map.lookup(this.#key) ?? Buffer.alloc(0);
    let sum = 0n;
    for (let at = 0; at + 8 <= values.length; at += 8) sum += values.readBigUInt64LE(at);
    return sum;
  }

  /** Since the last call. */
  take(): number {
    const total = this.total();
    const lost = Number(total - this.#taken);
    this.#taken = total;
    return lost;
  }
}

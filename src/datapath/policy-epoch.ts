import type { BpfMap } from "../kernel/bpf-map.js";

const KEY = Buffer.alloc(4);

/**
 * `cts_policy_epoch`, one `u32`: counts the changes of policy maps. Conntrack entries remember the epoch in which their
 * connection was allowed (bpf/lib/policy.h), and ask again in another one. While the number is odd a change is being made
 * and nothing is remembered; an agent that was killed in the middle of one leaves it odd.
 */
export class PolicyEpoch {
  readonly #map: BpfMap;
  #epoch: number;
  #changes = 0;

  constructor(map: BpfMap) {
    this.#map = map;
    this.#epoch = map.lookup(KEY)?.readUInt32LE() ?? 0;
    // What the killed agent wrote stands, and whoever it concerns asks again.
    if (isOdd(this.#epoch)) this.#advance();
  }

  /** Opens a change; dispose it once the kernel holds all of it. Changes may overlap. */
  change(): Disposable {
    if (this.#changes++ === 0) this.#advance();
    return {
      [Symbol.dispose]: () => {
        if (--this.#changes === 0) this.#advance();
      },
    };
  }

  #advance(): void {
    this.#epoch = (this.#epoch + 1) >>> 0;
    const value = Buffer.alloc(4);
    value.writeUInt32LE(this.#epoch);
    this.#map.update(KEY, value);
  }
}

function isOdd(value: number): boolean {
  return (value & 1) === 1;
}

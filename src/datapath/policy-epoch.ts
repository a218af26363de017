import type { BpfMap } from "../kernel/bpf-map.js";

const KEY = Buffer.alloc(4);

/**
 * `cts_policy_epoch`, one `u32`: counts the changes of policy maps. Conntrack entries remember the epoch in which their
 * connection was allowed (bpf/lib/policy.h), and ask again in another one. While the number is odd a change is being made
 * and nothing is remembered; an agent that was killed in the middle of one leaves it odd.
 */
export class PolicyEpoch {
  readonly #map: Pick<BpfMap, "lookup" | "update">;
  #epoch: number;
  #changes = 0;

  /** Begins a new epoch: while no agent ran, nobody counted. */
  constructor(map: Pick<BpfMap, "lookup" | "update">) {
    this.#map = map;
    this.#epoch = map.lookup(KEY)?.readUInt32LE() ?? 0;
    this.#write(this.#epoch + (isOdd(this.#epoch) ? 1 : 2));
  }

  /** Opens a change; dispose it once the kernel holds all of it. Changes may overlap. */
  change(): Disposable {
    // After a change whose end could not be written the number is odd already.
    if (!isOdd(this.#epoch)) this.#write(this.#epoch + 1);
    this.#changes++;
    return {
      [Symbol.dispose]: () => {
        this.#changes--;
        if (this.#changes === 0) this.#write(this.#epoch + 1);
      },
    };
  }

  #write(epoch: number): void {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(epoch >>> 0);
    this.#map.update(KEY, value);
    this.#epoch = epoch >>> 0;
  }
}

function isOdd(value: number): boolean {
  return (value & 1) === 1;
}

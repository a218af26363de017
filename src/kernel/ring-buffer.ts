import { KernelError } from "../lib/errors.js";
import { loadAddon } from "./addon.js";
import { refuseArgument, requireInstance, requireInteger } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { checkStatus } from "./kernel-error.js";
import type { NativeRingBuffer } from "./native-addon.js";

/**
 * How the reader learns of records.
 *
 * `poll`: the kernel wakes it, which costs the producing CPU a wake-up per record that is not marked BPF_RB_NO_WAKEUP.
 * `timed`: it looks every `intervalMs`; the program marks all records BPF_RB_NO_WAKEUP. A third of the throughput of new
 * connections lies between the two (see docs/native.md), so event streams of the datapath are timed.
 */
export type RingBufferMode = { readonly kind: "poll" } | { readonly kind: "timed"; readonly intervalMs: number };

export interface RingBufferOptions {
  readonly map: BpfMap;
  /**
   * All records of a wake-up at once, at most 16,384 or about 1 MiB: pairs of (offset, length) into `buffer`, each record
   * aligned to 8 bytes. Both are the callee's to keep.
   */
  readonly onRecords: (buffer: Buffer, records: Uint32Array) => void;
  readonly mode: RingBufferMode;
  /** Whether the open reader keeps the process alive. Default true. */
  readonly holdsLoop?: boolean;
}

/**
 * The reader of a ring buffer, on the event loop of this thread. A ring has one consumer position: a second reader of the
 * same map takes records away from the first, so never read a map that somebody else made.
 *
 * An exception in `onRecords` becomes an uncaughtException of the process (the records are gone, the reader goes on); when
 * `drain()` called it, drain throws it. Throws KernelError: `ring-buffer-open`, `ring-buffer-drain`, `invalid-argument`,
 * `handle-closed`.
 */
export class RingBuffer implements Disposable {
  readonly #native: NativeRingBuffer;
  readonly #mapName: string;
  #isOpen = true;

  constructor(options: RingBufferOptions) {
    const { map, mode } = options;
    requireInstance(map, BpfMap, "map");
    if (typeof options.onRecords !== "function") refuseArgument("onRecords", "a function", options.onRecords);
    if (mode.kind !== "poll" && mode.kind !== "timed") refuseArgument("mode.kind", "poll or timed", mode);
    if (mode.kind === "timed") requireInteger(mode.intervalMs, "mode.intervalMs", 1);
    if (map.info.type !== "ringbuf") refuseArgument("map", "a ringbuf map", map.info.type);
    this.#mapName = map.info.name;
    this.#native = new (loadAddon().RingBuffer)();
    const failure = () => ({ code: "ring-buffer-open", attempt: `read ring buffer ${map.info.name}` });
    checkStatus(this.#native.open(map.fd, options.onRecords), failure);
    const started = this.#native.start(mode.kind === "timed" ? mode.intervalMs : 0);
    if (started < 0) this.#native.close();
    checkStatus(started, failure);
    if (options.holdsLoop === false) this.#native.setHoldsLoop(false);
  }

  /** Reads what is there now, calling `onRecords` as often as needed. Returns the number of records. */
  drain(): number {
    if (!this.#isOpen) {
      throw new KernelError("handle-closed", `cannot drain: the reader of ${this.#mapName} is closed`, {
        details: { operation: "drain" },
      });
    }
    return checkStatus(this.#native.drain(), () => ({
      code: "ring-buffer-drain",
      attempt: `read ring buffer ${this.#mapName}`,
    }));
  }

  /** Stops reading; allowed inside `onRecords`. Records that were not read stay in the map. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

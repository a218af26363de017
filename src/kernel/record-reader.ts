import { KernelError } from "../lib/errors.js";
import {
  refuseArgument,
  requireBoolean,
  requireInstance,
  requireInteger,
  requireOneOf,
  requireOptions,
} from "./arguments.js";
import { checkStatus } from "./kernel-error.js";
import { LossCounter } from "./loss-counter.js";
import type { NativeRecordReader } from "./native-addon.js";

/**
 * How a reader learns of records.
 *
 * `poll`: the kernel wakes it, which costs the producing CPU a wake-up per record that is not marked BPF_RB_NO_WAKEUP.
 * `timed`: it looks every `intervalMs`; the program marks all records BPF_RB_NO_WAKEUP. A third of the throughput of new
 * connections lies between the two (see docs/native.md), so event streams of the datapath are timed.
 */
export type ReaderMode = { readonly kind: "poll" } | { readonly kind: "timed"; readonly intervalMs: number };

/**
 * All records of a wake-up at once, at most 16,384 or about 1 MiB: `records` holds offset and length of each in `buffer`
 * (and, from perf buffers, its CPU), aligned to 8 bytes; `lost` counts the records that were lost since the last call, and
 * may come alone. Buffer and array are the callee's to keep.
 *
 * A promise holds the reader up until it settles: what comes meanwhile waits in the kernel's buffer, and what that cannot
 * hold is lost and counted. That is how a slow consumer keeps this process's memory bounded.
 */
export type RecordCallback = (buffer: Buffer, records: Uint32Array, lost: number) => void | PromiseLike<void>;

export interface RecordReaderOptions {
  readonly onRecords: RecordCallback;
  readonly mode: ReaderMode;
  /** Whether the open reader keeps the process alive. Default true; not while a promise holds it up. */
  readonly holdsLoop?: boolean;
  /** Where the programs count what they could not write. */
  readonly lossCounter?: LossCounter;
}

/** Refuses what is wrong in the options before a reader is made. */
export function requireReaderOptions(options: RecordReaderOptions): void {
  const { mode, onRecords, holdsLoop = true, lossCounter } = options;
  if (typeof onRecords !== "function") refuseArgument("onRecords", "a function", onRecords);
  requireOptions(mode, "mode");
  requireOneOf(mode.kind, ["poll", "timed"], "mode.kind");
  if (mode.kind === "timed") requireInteger(mode.intervalMs, "mode.intervalMs", 1);
  requireBoolean(holdsLoop, "holdsLoop");
  if (lossCounter !== undefined) requireInstance(lossCounter, LossCounter, "lossCounter");
}

/** What the readers of ring and perf buffers share: callbacks, back-pressure, lost records, closing. */
export abstract class RecordReader implements Disposable {
  readonly #native: NativeRecordReader;
  readonly #name: string;
  readonly #code: string;
  readonly #options: RecordReaderOptions;
  #lost = 0;
  #isOpen = true;

  /**
   * @param kind for messages: `ring buffer`
   * @param open fills the native reader, handing the callback on
   */
  protected constructor(
    native: NativeRecordReader,
    kind: "ring buffer" | "perf buffer",
    mapName: string,
    options: RecordReaderOptions,
    open: (onRecords: (buffer: Buffer, records: Uint32Array, lost: number) => void) => number,
  ) {
    this.#native = native;
    this.#options = options;
    this.#name = `${kind} ${mapName}`;
    this.#code = kind.replace(" ", "-");
    const failure = () => ({ code: `${this.#code}-open`, attempt: `read ${this.#name}` });
    const { mode } = options;
    const opened = open((buffer, records, lost) => this.#deliver(buffer, records, lost));
    const status = opened < 0 ? opened : native.start(mode.kind === "timed" ? mode.intervalMs : 0);
    if (status < 0) native.close();
    checkStatus(status, failure);
    if (options.holdsLoop === false) native.setHoldsLoop(false);
  }

  #deliver(buffer: Buffer, records: Uint32Array, lostInBuffer: number): void {
    const lost = lostInBuffer + (this.#options.lossCounter?.take() ?? 0);
    this.#lost += lost;
    const answer = this.#options.onRecords(buffer, records, lost);
    if (typeof answer?.then !== "function" || !this.#isOpen) return;
    this.#native.pause();
    const resume = () => {
      if (this.#isOpen) this.#native.resume();
    };
    // A rejection nobody handles shall be seen as one, so it is passed on.
    void Promise.resolve(answer).finally(resume);
  }

  /** Records lost since the reader was opened, as far as they were told. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Reads what is there now, calling `onRecords` as often as needed, also while a promise holds the reader up. Returns the
   * number of records.
   */
  drain(): number {
    if (!this.#isOpen) {
      throw new KernelError("handle-closed", `cannot drain: the reader of ${this.#name} is closed`, {
        details: { operation: "drain" },
      });
    }
    return checkStatus(this.#native.drain(), () => ({ code: `${this.#code}-drain`, attempt: `read ${this.#name}` }));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Stops reading; allowed inside `onRecords`. Records that were not read stay in a ring and go with a perf buffer. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

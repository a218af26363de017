import { performance } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Growth of the heap since the last collection that is worth one: some tens of milliseconds. */
const WORTH_BYTES = 16 * 1024 * 1024;
const LOOK_MS = 10_000;
/** Share of the event loop's time below which the agent counts as quiet. */
const QUIET_SHARE = 0.1;

/**
 * Collects garbage and gives the pages back, after a start and when the agent is quiet after much work. Lists that were read
 * and encoded once fill the heap; V8 would keep them until it grows again, which in an idle agent is never.
 */
export class MemoryKeeper implements Disposable {
  readonly #collect: () => void;
  readonly #timer: NodeJS.Timeout;
  #leftBytes = 0;
  #before = performance.eventLoopUtilization();

  constructor() {
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc") as () => void;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  collect(): void {
    this.#collect();
    this.#leftBytes = getHeapStatistics().total_physical_size;
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    const isWorth = getHeapStatistics().total_physical_size > this.#leftBytes + WORTH_BYTES;
    if (isWorth && utilization < QUIET_SHARE) this.collect();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

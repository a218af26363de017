import { monitorEventLoopDelay } from "node:perf_hooks";

export interface ProcessFacts {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly cpuSeconds: number;
  /** Since the last reset; 0 while nothing was measured. */
  readonly eventLoopDelayP99Ms: number;
}

export interface ProcessMonitor extends Disposable {
  read(): ProcessFacts;
  /** Begins a new window: what was measured so far is forgotten. */
  reset(): void;
}

/** Each window starts anew, so that one slow moment at start does not stand in the figure for ever. */
const WINDOW_MS = 5 * 60_000;

/** Watches the event loop of this process; a long scan on it delays every answer, so its p99 has a budget (20 ms). */
export function openProcessMonitor(): ProcessMonitor {
  // Every 20 ms a timer of libuv, not of JavaScript: its cost is not measurable.
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  const timer = setInterval(() => histogram.reset(), WINDOW_MS);
  timer.unref();
  return {
    read: () => {
      const memory = process.memoryUsage();
      const cpu = process.cpuUsage();
      const p99Ns = histogram.count === 0 ? 0 : histogram.percentile(99);
      return {
        rssBytes: memory.rss,
        heapUsedBytes: memory.heapUsed,
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        // The histogram holds the distance of two ticks: what is above the resolution is the delay.
        eventLoopDelayP99Ms: Math.max(0, p99Ns / 1e6 - 20),
      };
    },
    reset: () => histogram.reset(),
    [Symbol.dispose]: () => {
      clearInterval(timer);
      histogram.disable();
    },
  };
}

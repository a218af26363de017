import { median } from "../statistics.js";

/** How many, p50, p99 and the longest, as cells. */
export function describeTimes(milliseconds: readonly number[]): readonly string[] {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const p99 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
  const cells = [median(sorted), p99, sorted.at(-1) ?? 0].map((time) => `${time.toFixed(1)} ms`);
  return [`${sorted.length}`, ...cells];
}

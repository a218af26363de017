import type { UnixTime } from "../../lib/utc-time.js";

/** Upstream's `utime`: 512 nanoseconds, of which a second has a whole number. */
const unitsPerSecond = 1_953_125n;

export function unixTimeOf(utime: bigint): UnixTime {
  return { seconds: Number(utime / unitsPerSecond), nanoseconds: Number(utime % unitsPerSecond) * 512 };
}

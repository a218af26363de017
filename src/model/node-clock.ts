/** The clock of a node, as the entries of its maps tell time by it. */
export interface NodeClock {
  /** CLOCK_MONOTONIC in whole seconds when the maps were read, or when they were captured. */
  readonly nowSeconds: number;
  /**
   * Set where the datapath stamps entries with jiffies (upstream's `enable-bpf-clock-probe`): entries hold jiffies of this
   * many a second, shifted right by 8, in place of seconds. bpf/lib/time.h
   */
  readonly jiffiesHz: number | undefined;
}

const jiffiesInUnit = 256;

/** Jiffies begin five minutes before 32 bits overflow. linux/include/linux/jiffies.h */
function initialJiffies(hz: number): number {
  return 2 ** 32 - 300 * hz;
}

/** The unit of the entries' times as upstream's tool turns it into seconds: each of two times is cut by itself. */
function secondsOfUnits(units: number, hz: number): number {
  return Math.floor((units * jiffiesInUnit) / hz);
}

/** Seconds from the reading to a time that an entry holds; below 0 when it is past. */
export function secondsUntil({ nowSeconds, jiffiesHz }: NodeClock, time: number): number {
  if (jiffiesHz === undefined) return time - nowSeconds;
  const nowUnits = Math.floor((initialJiffies(jiffiesHz) + nowSeconds * jiffiesHz) / jiffiesInUnit);
  return secondsOfUnits(time, jiffiesHz) - secondsOfUnits(nowUnits, jiffiesHz);
}

/** Seconds from a 64-bit time that an entry holds to the reading. */
export function secondsSince(clock: NodeClock, time: bigint): bigint {
  if (clock.jiffiesHz === undefined) return BigInt.asIntN(64, BigInt(clock.nowSeconds) - time);
  return BigInt(-secondsUntil(clock, Number(time)));
}

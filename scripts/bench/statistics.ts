/** A ratio of two alternating series, with what is needed to judge it. */
export interface Ratio {
  /** Median of the pairs' ratios. */
  readonly median: number;
  /** 95 % interval of that median, by bootstrap over the pairs. */
  readonly low: number;
  readonly high: number;
  readonly pairs: number;
}

/** @throws RangeError for an empty list */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("the median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** Mulberry32: the same raw data must give the same interval on every machine. */
function randomSequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const bootstrapRounds = 5_000;

/**
 * Compares two series of the same length, measured alternately: each pair saw the same noise, so its ratio is sounder
 * than the ratio of the medians.
 */
export function ratioOfPairs(ours: readonly number[], baseline: readonly number[]): Ratio {
  if (ours.length !== baseline.length) throw new RangeError("series of different length are not pairs");
  const ratios = ours.map((value, index) => value / (baseline[index] as number));
  const random = randomSequence(1);
  const resampled = Array.from({ length: bootstrapRounds }, () =>
    median(ratios.map(() => ratios[Math.floor(random() * ratios.length)] as number)),
  ).sort((a, b) => a - b);
  return {
    median: median(ratios),
    low: resampled[Math.floor(bootstrapRounds * 0.025)] as number,
    high: resampled[Math.ceil(bootstrapRounds * 0.975) - 1] as number,
    pairs: ratios.length,
  };
}

/** The median of a {@link Ratio} and its interval, as a table shows them. */
export function describeRatio(values: readonly number[], baseline: readonly number[]): string {
  const { median: middle, low, high } = ratioOfPairs(values, baseline);
  return `**${middle.toFixed(2)}** (${low.toFixed(2)}–${high.toFixed(2)})`;
}

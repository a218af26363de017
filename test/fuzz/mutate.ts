/** A source of numbers that the seed repeats (mulberry32): a failing input can be made again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) % bound;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

/** Numbers at which decoders change their minds. */
const telling: readonly number[] = [0, 1, 2, 4, 8, 16, 0x7f, 0x80, 0xc0, 0xf0, 0xf8, 0xfe, 0xff];

type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

const mutations: readonly Mutation[] = [
  (bytes, random) => change(bytes, random, (byte) => byte ^ (1 << random.below(8))),
  (bytes, random) => change(bytes, random, () => random.pick(telling)),
  (bytes, random) => change(bytes, random, () => random.below(256)),
  (bytes, random) => change(bytes, random, (byte) => byte + random.pick([1, -1])),
  (bytes, random) => Buffer.from(bytes.subarray(0, random.below(bytes.length + 1))),
  (bytes, random) => Buffer.concat([bytes, noise(random, 1 + random.below(64))]),
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), noise(random, to - from), bytes.subarray(to)]);
  },
  (bytes, random, other) => {
    const [from] = span(bytes, random);
    const [, to] = span(other, random);
    return Buffer.concat([bytes.subarray(0, from), other.subarray(to)]);
  },
];

/** Longest input that mutations grow to. */
const maxLength = 4096;

/** One of the seeds, changed a few times, or bytes out of the blue. */
export function makeInput(seeds: readonly Buffer[], random: Random): Buffer {
  if (seeds.length === 0 || random.below(50) === 0) return noise(random, random.below(200));
  let bytes = random.pick(seeds);
  for (let rounds = 1 + random.below(4); rounds > 0; rounds--) {
    bytes = random.pick(mutations)(bytes, random, random.pick(seeds)).subarray(0, maxLength) as Buffer;
  }
  return bytes;
}

function change(bytes: Buffer, random: Random, to: (byte: number) => number): Buffer {
  const changed = Buffer.from(bytes);
  if (changed.length > 0) {
    const at = random.below(changed.length);
    changed[at] = to(changed[at]!);
  }
  return changed;
}

function span(bytes: Buffer, random: Random): readonly [from: number, to: number] {
  const from = random.below(bytes.length + 1);
  return [from, from + random.below(bytes.length - from + 1)];
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

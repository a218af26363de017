const MASK = 0xffff_ffff_ffff_ffffn;
const C1 = 0x87c3_7b91_1142_53d5n;
const C2 = 0x4cf5_ad43_2745_937fn;

const times = (a: bigint, b: bigint): bigint => (a * b) & MASK;
const plus = (a: bigint, b: bigint): bigint => (a + b) & MASK;
const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & MASK;

/**
 * MurmurHash3_x64_128 of Austin Appleby (public domain): two halves of 64 bits.
 * @param seed 32 bits
 */
export function murmur3Hash128(bytes: Uint8Array, seed: number): readonly [bigint, bigint] {
  let h1 = BigInt(seed >>> 0);
  let h2 = h1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length - (bytes.length % 16);
  for (let at = 0; at < whole; at += 16) {
    h1 ^= mixFirst(view.getBigUint64(at, true));
    h1 = plus(times(plus(rotate(h1, 27n), h2), 5n), 0x52dc_e729n);
    h2 ^= mixSecond(view.getBigUint64(at + 8, true));
    h2 = plus(times(plus(rotate(h2, 31n), h1), 5n), 0x3849_5ab5n);
  }
  h2 ^= mixSecond(littleEndian(bytes.subarray(whole + 8)));
  h1 ^= mixFirst(littleEndian(bytes.subarray(whole, whole + 8)));
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = plus(h1, h2);
  h2 = plus(h2, h1);
  h1 = finish(h1);
  h2 = finish(h2);
  h1 = plus(h1, h2);
  return [h1, plus(h2, h1)];
}

function mixFirst(block: bigint): bigint {
  return times(rotate(times(block, C1), 31n), C2);
}

function mixSecond(block: bigint): bigint {
  return times(rotate(times(block, C2), 33n), C1);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function finish(value: bigint): bigint {
  const first = times(value ^ (value >> 33n), 0xff51_afd7_ed55_8ccdn);
  const second = times(first ^ (first >> 33n), 0xc4ce_b9fe_1a85_ec53n);
  return second ^ (second >> 33n);
}

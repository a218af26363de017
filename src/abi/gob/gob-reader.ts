import { GobError } from "./gob-error.js";

/** Reads the primitives of a gob message, never beyond its end. @throws GobError `gob-cut`, `gob-number` */
export class GobReader {
  #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Goes on with another message, when this one is at its end. */
  continueWith(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#offset = 0;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** One byte below 128, or the negated count of the big-endian bytes that follow. */
  uint(): bigint {
    const first = this.#byte();
    if (first < 0x80) return BigInt(first);
    const count = 256 - first;
    if (count > 8) throw new GobError("gob-number", `an integer cannot have ${count} bytes`);
    let value = 0n;
    for (const byte of this.#take(count)) value = (value << 8n) | BigInt(byte);
    return value;
  }

  /** An unsigned integer that counts or numbers something: what exceeds 2^32 − 1 cannot be true. */
  count(): number {
    const first = this.#bytes[this.#offset] ?? 0x80;
    if (first < 0x80) {
      this.#offset++;
      return first;
    }
    const value = this.uint();
    if (value > 0xffff_ffffn) throw new GobError("gob-number", `${value} is too large for a count`);
    return Number(value);
  }

  /** The sign is in the lowest bit; a negative integer is sent as its complement. */
  int(): bigint {
    const value = this.uint();
    return (value & 1n) === 0n ? value >> 1n : ~(value >> 1n);
  }

  /** The bits of a double, bytes reversed: those of its exponent are the interesting ones. */
  float(): number {
    const bits = Buffer.alloc(8);
    bits.writeBigUInt64LE(this.uint());
    return bits.readDoubleBE();
  }

  /** A copy: nothing of the message is kept alive by its parts. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#take(this.count()));
  }

  text(): string {
    return this.#take(this.count()).toString("utf8");
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw new GobError("gob-cut", "a value ends before its bytes do");
    this.#offset++;
    return byte;
  }

  #take(count: number): Buffer {
    if (count > this.remaining) {
      throw new GobError("gob-cut", `${count} bytes are announced where ${this.remaining} are left`);
    }
    const taken = this.#bytes.subarray(this.#offset, this.#offset + count);
    this.#offset += count;
    return taken;
  }
}

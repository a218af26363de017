import { GobError } from "./gob-error.js";
import { GobReader } from "./gob-reader.js";

/** Thrown within the decoder when the bytes end before the message that is wanted does. */
export class MissingBytes {
  /** How many there must be, counted from the start of the buffer. */
  readonly neededBytes: number;

  constructor(neededBytes: number) {
    this.neededBytes = neededBytes;
  }
}

/** The messages in a buffer, one after the other, each with its length before it. */
export class GobMessages {
  readonly #buffer: Buffer;
  readonly #limit: number;
  #offset = 0;

  /** @param limit bytes of one message */
  constructor(buffer: Buffer, limit: number) {
    this.#buffer = buffer;
    this.#limit = limit;
  }

  /** Where the next message begins. */
  get offset(): number {
    return this.#offset;
  }

  /** @throws GobError `gob-limit`, `gob-number`; {@link MissingBytes} when it is not whole */
  next(): Buffer {
    const start = this.#offset + this.#prefixBytes();
    const length = new GobReader(this.#whole(start)).uint();
    if (length > this.#limit) {
      throw new GobError("gob-limit", `a message of ${length} bytes; ${this.#limit} are allowed`);
    }
    const end = start + Number(length);
    this.#whole(end);
    this.#offset = end;
    return this.#buffer.subarray(start, end);
  }

  #prefixBytes(): number {
    const first = this.#whole(this.#offset + 1)[0]!;
    // A prefix longer than an integer can be is refused by whoever reads it.
    return first < 0x80 ? 1 : Math.min(9, 257 - first);
  }

  /** What lies before `end`, from the next message on. */
  #whole(end: number): Buffer {
    if (end > this.#buffer.length) throw new MissingBytes(end);
    return this.#buffer.subarray(this.#offset, end);
  }
}

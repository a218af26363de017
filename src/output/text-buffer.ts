const firstBytes = 128 * 1024;
/** Longer texts are handed to the runtime's encoder, whose call costs more than so many characters do here. */
const longText = 48;
/** Longer ones are measured first: three times their memory costs more than walking over them twice. */
const measuredText = 64 * 1024;

/**
 * Text that is written again and again: encoded once, padded to whole words of eight bytes, which are copied one by one.
 * The words are doubles because reading those makes no objects; none can be a NaN, whose bits would not be kept: for
 * that a byte 0x7f has to follow one of 0xf0 and above, and in UTF-8 it never does.
 */
export interface TextPiece {
  readonly words: Float64Array;
  readonly lengthBytes: number;
}

const wordBytes = 8;

export function textPiece(text: string): TextPiece {
  const bytes = Buffer.from(text);
  const padded = Buffer.alloc(Math.ceil(bytes.length / wordBytes) * wordBytes);
  padded.set(bytes);
  const count = padded.length / wordBytes;
  const words = Float64Array.from({ length: count }, (_, index) => padded.readDoubleLE(wordBytes * index));
  return { words, lengthBytes: bytes.length };
}

/** The double whose bytes are blanks. */
const blanks = textPiece(" ".repeat(wordBytes)).words[0]!;

/**
 * Collects text as UTF-8 in memory that is used over and over: a list of half a million rows makes no string, no
 * garbage and no copy of what it prints.
 */
export class TextBuffer {
  /** Holds nothing but UTF-8, from the zeros of its beginning on: see {@link TextPiece}. */
  #bytes = Buffer.alloc(firstBytes);
  #words = wordsOf(this.#bytes);
  #length = 0;

  get lengthBytes(): number {
    return this.#length;
  }

  /** Everything so far; the bytes are valid until the next one is written. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  piece({ words, lengthBytes }: TextPiece): void {
    this.#reserve(lengthBytes);
    const to = this.#words;
    const start = this.#length;
    // A call of the runtime's copy takes longer than the few words do here.
    for (let i = 0; i < words.length; i++) to.setFloat64(start + wordBytes * i, words[i]!, true);
    this.#length = start + lengthBytes;
  }

  /** A part of another buffer. */
  copy(from: TextBuffer, startBytes: number, endBytes: number): void {
    this.#reserve(endBytes - startBytes);
    const source = from.#words;
    const to = this.#words;
    const shift = this.#length - startBytes;
    for (let at = startBytes; at < endBytes; at += wordBytes) {
      to.setFloat64(at + shift, source.getFloat64(at, true), true);
    }
    this.#length += endBytes - startBytes;
  }

  text(text: string): void {
    if (text.length > longText || !this.#writeIf(text, 0, 0x7f)) this.#encode(text);
  }

  /** Text in which a control character shows as `?`: a name must not be able to forge a line or drive the terminal. */
  printable(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
    if (!this.#writeIf(text, 0x20, 0x7e)) this.#encode(text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?"));
  }

  /** An integer's digits. */
  number(value: number): void {
    if (!(value >= 0 && value <= 0x7fff_ffff)) {
      this.text(String(value));
      return;
    }
    const digits = digitCount(value);
    this.#reserve(digits);
    const bytes = this.#bytes;
    let at = this.#length + digits;
    this.#length = at;
    let rest = value | 0;
    do {
      const tenth = (rest / 10) | 0;
      bytes[--at] = 0x30 + rest - 10 * tenth;
      rest = tenth;
    } while (rest > 0);
  }

  /** The digits of a kernel counter. */
  counter(value: bigint): void {
    const exact = Number(BigInt.asUintN(64, value));
    if (exact <= Number.MAX_SAFE_INTEGER) this.number(exact);
    else this.text(value.toString());
  }

  /** The counter in JSON: a number while it is exact, else its digits in a string. */
  jsonCounter(value: bigint): void {
    const exact = Number(BigInt.asUintN(64, value));
    if (exact <= Number.MAX_SAFE_INTEGER) this.number(exact);
    else this.text(`"${value}"`);
  }

  blanks(count: number): void {
    if (count <= 0) return;
    this.#reserve(count);
    const to = this.#words;
    const end = this.#length + count;
    for (let at = this.#length; at < end; at += wordBytes) to.setFloat64(at, blanks, true);
    this.#length = end;
  }

  /** Ends the line, whose last character is no blank then. */
  endLine(): void {
    while (this.#length > 0 && this.#bytes[this.#length - 1] === 0x20) this.#length--;
    this.#reserve(1);
    this.#bytes[this.#length++] = 0x0a;
  }

  /** Writes the text if all of its characters are in the range; otherwise nothing. */
  #writeIf(text: string, lowest: number, highest: number): boolean {
    const count = text.length;
    this.#reserve(count);
    const bytes = this.#bytes;
    const start = this.#length;
    for (let i = 0; i < count; i++) {
      const code = text.charCodeAt(i);
      if (code < lowest || code > highest) return false;
      bytes[start + i] = code;
    }
    this.#length = start + count;
    return true;
  }

  #encode(text: string): void {
    // No character of UTF-16 takes more than three bytes of UTF-8.
    this.#reserve(text.length > measuredText ? Buffer.byteLength(text) : 3 * text.length);
    this.#length += this.#bytes.write(text, this.#length, "utf8");
  }

  #reserve(count: number): void {
    const needed = this.#length + count + wordBytes;
    if (needed > this.#bytes.length) this.#grow(needed);
  }

  #grow(needed: number): void {
    const larger = Buffer.alloc(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#words = wordsOf(larger);
  }
}

function wordsOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function digitCount(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1_000) return 3;
  if (value < 10_000) return 4;
  if (value < 100_000) return 5;
  if (value < 1_000_000) return 6;
  if (value < 10_000_000) return 7;
  if (value < 100_000_000) return 8;
  return value < 1_000_000_000 ? 9 : 10;
}

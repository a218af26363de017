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
/** From here on a 64-bit number is larger than `Number.MAX_SAFE_INTEGER`. */
const exactHighWord = 2 ** 21;

export function textPiece(text: string): TextPiece {
  const bytes = Buffer.from(text);
  const padded = Buffer.alloc(Math.ceil(bytes.length / wordBytes) * wordBytes);
  padded.set(bytes);
  const count = padded.length / wordBytes;
  const words = Float64Array.from({ length: count }, (_, index) => padded.readDoubleLE(wordBytes * index));
  return { words, lengthBytes: bytes.length };
}

/** An octet's digits and a dot, as a word of four bytes, and how many of them count. */
const octetTexts = Array.from({ length: 256 }, (_, octet) => Buffer.from(`${octet}.   `));
const octetWords = Uint32Array.from(octetTexts, (text) => text.readUInt32LE());
const octetLengths = Uint8Array.from(octetTexts, (text) => text.indexOf(0x2e) + 1);

/** `00` to `99`, as words of two bytes. */
const digitPairs = Uint16Array.from({ length: 100 }, (_, pair) =>
  Buffer.from(String(pair).padStart(2, "0")).readUInt16LE(),
);

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
  /** By how much texts beyond ASCII were longer than their characters. */
  #continuationBytes = 0;

  get lengthBytes(): number {
    return this.#length;
  }

  /** Characters so far; pieces count as ASCII. */
  get width(): number {
    return this.#length - this.#continuationBytes;
  }

  /** Everything so far; the bytes are valid until the next one is written. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#length = 0;
    this.#continuationBytes = 0;
  }

  piece({ words, lengthBytes }: TextPiece): void {
    this.words(words, 0, words.length, lengthBytes);
  }

  /** A piece that lies among others. */
  words(from: Float64Array, first: number, count: number, lengthBytes: number): void {
    this.#reserve(lengthBytes);
    const to = this.#words;
    const start = this.#length;
    // A call of the runtime's copy takes longer than the few words do here.
    for (let i = 0; i < count; i++) to.setFloat64(start + wordBytes * i, from[first + i]!, true);
    this.#length = start + lengthBytes;
  }

  text(text: string): void {
    if (text.length > longText || !this.#writeIf(text, 0, 0x7f)) this.#encode(text);
  }

  /** Text in which a control character shows as `?`: a name must not be able to forge a line or drive the terminal. */
  printable(text: string): void {
    if (!this.#writeIf(text, 0x20, 0x7e)) this.#encode(printableText(text));
  }

  /** An integer's digits. */
  number(value: number): void {
    if (!(value >= 0 && value <= 0x7fff_ffff)) {
      this.text(String(value));
      return;
    }
    this.#reserve(10);
    this.#length = this.#digits(value | 0, this.#length);
  }

  /** A piece with an integer behind it. */
  labelled({ words, lengthBytes }: TextPiece, value: number): void {
    this.#reserve(lengthBytes + 10);
    const to = this.#words;
    const start = this.#length;
    for (let i = 0; i < words.length; i++) to.setFloat64(start + wordBytes * i, words[i]!, true);
    this.#length = start + lengthBytes;
    if (value >= 0 && value <= 0x7fff_ffff) this.#length = this.#digits(value | 0, start + lengthBytes);
    else this.text(String(value));
  }

  /** Writes at `start`, returns the end. Two digits at a time. */
  #digits(value: number, start: number): number {
    const to = this.#words;
    const end = start + digitCount(value);
    let at = end;
    let rest = value;
    while (rest >= 100) {
      const hundredth = (rest / 100) | 0;
      at -= 2;
      to.setUint16(at, digitPairs[rest - 100 * hundredth]!, true);
      rest = hundredth;
    }
    if (rest >= 10) to.setUint16(at - 2, digitPairs[rest]!, true);
    else to.setUint8(at - 1, 0x30 + rest);
    return end;
  }

  /** An IPv4 address, as a 32-bit number. */
  v4(word: number): void {
    this.#reserve(16);
    this.#octet(word >>> 24);
    this.#octet((word >>> 16) & 0xff);
    this.#octet((word >>> 8) & 0xff);
    this.#octet(word & 0xff);
    this.#length--; // the last dot
  }

  #octet(octet: number): void {
    this.#words.setUint32(this.#length, octetWords[octet]!, true);
    this.#length += octetLengths[octet]!;
  }

  /** The digits of a 64-bit number in two words. */
  u64(low: number, high: number): void {
    if (high === 0) this.number(low);
    else this.text(String((BigInt(high) << 32n) | BigInt(low)));
  }

  /** The same in JSON: a number while it is exact, else its digits in a string. */
  jsonU64(low: number, high: number): void {
    if (high < exactHighWord) this.u64(low, high);
    else this.text(`"${(BigInt(high) << 32n) | BigInt(low)}"`);
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
    const written = this.#bytes.write(text, this.#length, "utf8");
    this.#length += written;
    this.#continuationBytes += written - text.length;
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

/** The text with a `?` for each control character. */
export function printableText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
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

import { type TextBuffer, textPiece } from "./text-buffer.js";

/**
 * Texts by small numbers, made when they are first asked for and kept side by side: where rows ask for one of thousands
 * at random, it matters more how far they lie apart in memory than how long they are.
 */
export class PieceTable {
  readonly #textOf: (index: number) => string;
  #words = new Float64Array(1024);
  #used = 0;
  /** First word, number of words and of bytes of each; no words: not made yet. */
  #places = new Int32Array(3 * 256);

  constructor(textOf: (index: number) => string) {
    this.#textOf = textOf;
  }

  write(index: number, out: TextBuffer): void {
    const at = 3 * index;
    if (!(this.#places[at + 1]! > 0)) this.#make(index);
    const places = this.#places;
    out.words(this.#words, places[at]!, places[at + 1]!, places[at + 2]!);
  }

  #make(index: number): void {
    const { words, lengthBytes } = textPiece(this.#textOf(index));
    this.#words = withRoom(this.#words, this.#used + words.length);
    this.#places = withRoom(this.#places, 3 * index + 3);
    this.#words.set(words, this.#used);
    this.#places.set([this.#used, words.length, lengthBytes], 3 * index);
    this.#used += words.length;
  }
}

function withRoom<Column extends Float64Array | Int32Array>(column: Column, needed: number): Column {
  if (column.length >= needed) return column;
  const larger = new (column.constructor as new (length: number) => Column)(Math.max(needed, 2 * column.length));
  larger.set(column);
  return larger;
}

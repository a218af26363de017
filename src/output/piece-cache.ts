import { type TextPiece, textPiece } from "./text-buffer.js";

/** Then the cache starts again, so that its memory is bounded. */
const maxPieces = 16_384;

/** Text of values that many rows share (addresses' names, sets of flags), made and encoded once for each. */
export class PieceCache<Key, Source = Key> {
  readonly #pieces = new Map<Key, TextPiece>();
  readonly #textOf: (source: Source) => string;
  /** Neighbours are often alike. */
  #latestKey: Key | undefined;
  #latest: TextPiece | undefined;

  constructor(textOf: (source: Source) => string) {
    this.#textOf = textOf;
  }

  /** @param source what the text is made of, the first time that the key is seen */
  of(key: Key, source: Source): TextPiece {
    if (key === this.#latestKey && this.#latest !== undefined) return this.#latest;
    const piece = this.#pieces.get(key) ?? this.#make(key, source);
    this.#latestKey = key;
    this.#latest = piece;
    return piece;
  }

  #make(key: Key, source: Source): TextPiece {
    if (this.#pieces.size >= maxPieces) this.#pieces.clear();
    const piece = textPiece(this.#textOf(source));
    this.#pieces.set(key, piece);
    return piece;
  }
}

import type { CtColumns } from "../../model/conntrack-columns.js";

/** Connections that are remembered at most: 64 MB. */
export const largestTupleSet = 4_194_304;

/**
 * Remembers which connections there are, by 64 bits of each: that among a million new ones one is taken for one of a
 * million known has a chance of one in twenty million. Sixteen bytes a connection, and no object.
 */
export class TupleSet {
  size = 0;
  /** Two words a place; both are 0 where it is free. */
  #places = new Int32Array(2 * 1024);
  readonly #hash = new TupleHash();

  /** False when there is no room for another. */
  add(columns: CtColumns, index: number): boolean {
    this.#hash.of(columns, index);
    const at = this.#find(this.#places, this.#hash.low, this.#hash.high);
    if (this.#places[at] !== 0 || this.#places[at + 1] !== 0) return true;
    if (this.size >= largestTupleSet) return false;
    this.#places[at] = this.#hash.low;
    this.#places[at + 1] = this.#hash.high;
    this.size++;
    if (4 * this.size > this.#places.length) this.#grow();
    return true;
  }

  has(columns: CtColumns, index: number): boolean {
    this.#hash.of(columns, index);
    const at = this.#find(this.#places, this.#hash.low, this.#hash.high);
    return this.#places[at] !== 0 || this.#places[at + 1] !== 0;
  }

  /** Where these words are, or belong. */
  #find(places: Int32Array, low: number, high: number): number {
    const mask = places.length / 2 - 1;
    for (let place = low & mask; ; place = (place + 1) & mask) {
      const at = 2 * place;
      if (places[at] === low && places[at + 1] === high) return at;
      if (places[at] === 0 && places[at + 1] === 0) return at;
    }
  }

  #grow(): void {
    const places = new Int32Array(2 * this.#places.length);
    for (let from = 0; from < this.#places.length; from += 2) {
      const [low, high] = [this.#places[from]!, this.#places[from + 1]!];
      if (low === 0 && high === 0) continue;
      const at = this.#find(places, low, high);
      places[at] = low;
      places[at + 1] = high;
    }
    this.#places = places;
  }
}

const mapNumbers = { tcp4: 1, any4: 2, tcp6: 3, any6: 4 } as const;

/** Two different mixtures of what makes an entry's key. */
class TupleHash {
  low = 0;
  high = 0;

  of({ head, values, isV6 }: CtColumns, index: number): void {
    this.low = 0x2545_f491;
    this.high = mapNumbers[head.map] + 8 * (head.clusterId ?? 0);
    const width = isV6 ? 4 : 1;
    for (let word = 0; word < width; word++) {
      this.#mix(values.source[index * width + word]!);
      this.#mix(values.destination[index * width + word]!);
    }
    this.#mix((values.sourcePort[index]! << 16) | values.destinationPort[index]!);
    this.#mix((values.protocol[index]! << 8) | (values.direction[index]! << 1) | values.isRelated[index]!);
    this.#finish();
  }

  /** A round of MurmurHash3, x86_128's first two lanes. */
  #mix(word: number): void {
    let first = Math.imul(word, 0x239b_961b);
    first = Math.imul((first << 15) | (first >>> 17), 0xab0e_9789);
    this.low ^= first;
    this.low = (Math.imul((this.low << 19) | (this.low >>> 13), 5) + this.high + 0x561c_cd1b) | 0;
    let second = Math.imul(word, 0x38b3_4ae5);
    second = Math.imul((second << 17) | (second >>> 15), 0xa1e3_8b93);
    this.high ^= second;
    this.high = (Math.imul((this.high << 15) | (this.high >>> 17), 5) + this.low + 0x96cd_1c35) | 0;
  }

  #finish(): void {
    this.low = finalMix((this.low + this.high) | 0);
    this.high = finalMix((this.high + this.low) | 0) || 1;
  }
}

function finalMix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}

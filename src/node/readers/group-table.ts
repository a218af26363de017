/** Index of the group that takes what finds no room. */
export const restGroup = 0;

const wordBase = 2 ** 32;

/**
 * Counts by keys of a few 32-bit words, in memory that is bounded by the number of groups: an open hash table over columns,
 * because half a million entries are counted while a map is read and none of them shall become an object.
 */
export class GroupTable {
  /** Groups, {@link restGroup} included. */
  length = 1;
  readonly #words: number;
  readonly #maxGroups: number;
  /** Group at each place of the hash table, 0 for none. */
  #slots = new Int32Array(1024);
  #keys: Int32Array;
  #entries = new Float64Array(512);
  readonly #packets = new WideSums();
  readonly #bytes = new WideSums();

  /** @param words of a key */
  constructor(words: number, maxGroups: number) {
    this.#words = words;
    this.#maxGroups = maxGroups;
    this.#keys = new Int32Array(512 * words);
  }

  /** Counts an entry with this key and answers its group. */
  count(key: Int32Array): number {
    const group = this.#groupOf(key);
    this.#entries[group]!++;
    return group;
  }

  addPackets(group: number, words: Uint32Array, index: number): void {
    this.#packets.add(group, words[2 * index]!, words[2 * index + 1]!);
  }

  addBytes(group: number, words: Uint32Array, index: number): void {
    this.#bytes.add(group, words[2 * index]!, words[2 * index + 1]!);
  }

  key(group: number): Int32Array {
    return this.#keys.subarray(group * this.#words, (group + 1) * this.#words);
  }

  entries(group: number): number {
    return this.#entries[group] ?? 0;
  }

  packets(group: number): bigint {
    return this.#packets.of(group);
  }

  bytes(group: number): bigint {
    return this.#bytes.of(group);
  }

  #groupOf(key: Int32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const group = this.#slots[slot]!;
      if (group === 0) return this.length > this.#maxGroups ? restGroup : this.#add(key, slot);
      if (this.#hasKey(group, key)) return group;
    }
  }

  #hasKey(group: number, key: Int32Array): boolean {
    const at = group * this.#words;
    for (let word = 0; word < this.#words; word++) if (this.#keys[at + word] !== key[word]) return false;
    return true;
  }

  #add(key: Int32Array, slot: number): number {
    const group = this.length++;
    if (group >= this.#entries.length) {
      this.#keys = grown(this.#keys);
      this.#entries = grown(this.#entries);
    }
    this.#keys.set(key, group * this.#words);
    this.#slots[slot] = group;
    if (2 * this.length > this.#slots.length) this.#rehash();
    return group;
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    for (let group = 1; group < this.length; group++) {
      let slot = hashOf(this.key(group)) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = group;
    }
    this.#slots = slots;
  }
}

/** Sums of 64-bit numbers, low and high words apart: neither loses a bit. */
class WideSums {
  #low = new Float64Array(512);
  #high = new Float64Array(512);

  add(group: number, low: number, high: number): void {
    if (group >= this.#low.length) {
      this.#low = grown(this.#low, group);
      this.#high = grown(this.#high, group);
    }
    const sum = this.#low[group]! + low;
    const carry = sum >= wordBase ? 1 : 0;
    this.#low[group] = sum - carry * wordBase;
    this.#high[group]! += high + carry;
  }

  of(group: number): bigint {
    return (BigInt(this.#high[group] ?? 0) << 32n) + BigInt(this.#low[group] ?? 0);
  }
}

function grown<Column extends Int32Array | Float64Array>(column: Column, least = 0): Column {
  const larger = new (column.constructor as new (length: number) => Column)(Math.max(2 * column.length, least + 1));
  larger.set(column);
  return larger;
}

/** MurmurHash3's mixing of words. */
function hashOf(key: Int32Array): number {
  let hash = key.length;
  for (let at = 0; at < key.length; at++) {
    let word = Math.imul(key[at]!, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash ^= word;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

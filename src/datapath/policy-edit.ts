/**
 * May a policy map be edited where it is, entry by entry, while packets are judged by it?
 *
 * A packet asks for two keys: its peer's identity and identity 0 ("any"), both with its direction, protocol and port; of each
 * it gets the entry with the longest prefix that fits. One edit of one entry is seen or not seen, so the packet gets the
 * verdict of before or of after. Two edits that concern the same packet can be seen one without the other, in any order:
 * - in both look-ups: old `{peer: allow}`, new `{any: allow}`. Between the look-ups of one packet the map changes from the
 *   one to the other, and the packet finds neither.
 * - in one look-up: old `{80/TCP: deny}`, new `{TCP: allow}`. The walk from short prefixes to long ones has passed the place of
 *   the short one before that comes, and reaches the long one after it went.
 * No order of edits helps, because a walk may stop for any time between two steps. So edits are made in place only where no
 * packet meets two of them; everything else is written into a new map, which takes the old one's place in one step.
 */
export function isSafeInPlace(changedKeys: readonly Buffer[]): boolean {
  if (changedKeys.length < 2) return true;
  if (changedKeys.length > MOST_EDITS) return false;
  const keys = changedKeys.map(readKey);
  const places = new Set<string>();
  for (const { side, peer, length, target } of keys) {
    places.add(placeText(side, peer, length, target));
    if (peer !== ANY_PEER) places.add(placeText(side, SOME_PEER, length, target));
  }
  return !keys.some(({ side, peer, length, target }) => {
    const isShared = (other: number, otherLength: number) => places.has(placeText(side, other, otherLength, target));
    return prefixLengths.some(
      (other) =>
        (other < length && isShared(peer, other)) ||
        (other <= length && isShared(peer === ANY_PEER ? SOME_PEER : ANY_PEER, other)),
    );
  });
}

/** With more, a new map is as cheap. */
const MOST_EDITS = 512;
const ANY_PEER = 0;
/** Stands for every identity but 0. */
const SOME_PEER = -1;
/** Identity and direction: all of a key's bits that no prefix leaves out. */
const STATIC_BITS = 40;
/** Protocol and port. */
const TARGET_BITS = 24;
/** Nothing, the protocol, and each number of bits of the port. */
const prefixLengths: readonly number[] = [0, ...Array.from({ length: 17 }, (_, bits) => 8 + bits)];

interface ReadKey {
  readonly side: number;
  readonly peer: number;
  /** Bits of protocol and port that count. */
  readonly length: number;
  /** All 24 bits. */
  readonly target: number;
}

/** `struct policy_key` */
function readKey(key: Buffer): ReadKey {
  return {
    length: key.readUInt32LE(0) - STATIC_BITS,
    peer: key.readUInt32LE(4),
    side: key[8]!,
    target: key.readUIntBE(9, 3),
  };
}

function placeText(side: number, peer: number, length: number, target: number): string {
  return `${side} ${peer} ${length} ${target >>> (TARGET_BITS - length)}`;
}

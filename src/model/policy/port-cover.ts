import { ancestorKey, anyPortKey, FULL_BITS, type PortKey, partsOfPortKey, portsOfKey } from "./port-keys.js";

interface Interval {
  readonly first: number;
  readonly last: number;
}

/** A set of nodes of the tree of protocols and ports, asked whether together they hold everything below another node. */
export class PortCover {
  readonly #keys: ReadonlySet<PortKey>;
  /** Levels that have any node: the only ones where a node above is looked for. */
  readonly #levels: readonly number[];
  readonly #intervals = new Map<number, readonly Interval[]>();

  constructor(keys: ReadonlySet<PortKey>) {
    this.#keys = keys;
    this.#levels = [...new Set([...keys].map((key) => partsOfPortKey(key).bits))];
  }

  /** A node of the set above `key`, not itself. */
  hasAncestor(key: PortKey): boolean {
    const { bits } = partsOfPortKey(key);
    return this.#levels.some((level) => level < bits && this.#keys.has(ancestorKey(key, level)));
  }

  /** By nodes at or above `key`, or by those below it taken together. */
  covers(key: PortKey): boolean {
    if (this.#keys.has(key) || this.hasAncestor(key)) return true;
    const { protocol, bits } = partsOfPortKey(key);
    // No set of rules names all 256 protocols.
    if (key === anyPortKey || bits === FULL_BITS) return false;
    const { first, last } = portsOfKey(key);
    return this.#intervalsOf(protocol).some((interval) => interval.first <= first && interval.last >= last);
  }

  /** The ports of a protocol in the set, adjacent ones joined. */
  #intervalsOf(protocol: number): readonly Interval[] {
    const known = this.#intervals.get(protocol);
    if (known !== undefined) return known;
    const nodes = [...this.#keys].filter((key) => key !== anyPortKey && partsOfPortKey(key).protocol === protocol);
    const joined: { first: number; last: number }[] = [];
    for (const node of nodes.map(portsOfKey).sort((a, b) => a.first - b.first)) {
      const open = joined.at(-1);
      if (open !== undefined && node.first <= open.last + 1) open.last = Math.max(open.last, node.last);
      else joined.push({ ...node });
    }
    this.#intervals.set(protocol, joined);
    return joined;
  }
}

import type { RowFilter } from "../../model/readers.js";
import type { RowTraits } from "../../model/row-traits.js";

/** Tests rows against a filter whose lists were made into sets once. */
export class RowMatcher {
  readonly #addresses: ReadonlySet<string> | undefined;
  /** Address → ports, so that a row is tested without making a text of its own. */
  readonly #transportAddresses: ReadonlyMap<string, ReadonlySet<number>> | undefined;
  readonly #protocols: ReadonlySet<number> | undefined;
  readonly #ports: ReadonlySet<number> | undefined;
  readonly #identities: ReadonlySet<number> | undefined;
  readonly #states: ReadonlySet<string> | undefined;
  readonly #directions: ReadonlySet<string> | undefined;
  /** No field is set: every row passes, and its traits need not be made. */
  readonly isEmpty: boolean;

  constructor(filter: RowFilter = {}) {
    this.#addresses = toSet(filter.addresses);
    this.#transportAddresses = toPorts(filter.transportAddresses);
    this.#protocols = toSet(filter.protocols);
    this.#ports = toSet(filter.ports);
    this.#identities = toSet(filter.identities);
    this.#states = toSet(filter.states);
    this.#directions = toSet(filter.directions);
    this.isEmpty = Object.values(filter).every((value) => value === undefined);
  }

  matches(traits: RowTraits): boolean {
    return (
      admits(this.#protocols, traits.protocol) &&
      admits(this.#identities, traits.identity) &&
      admitsAny(this.#identities, traits.identities) &&
      admits(this.#states, traits.state) &&
      admits(this.#directions, traits.direction) &&
      this.#matchesEnds(traits.ends)
    );
  }

  #matchesEnds(ends: RowTraits["ends"]): boolean {
    if (ends === undefined) return true;
    return (
      (this.#addresses === undefined || ends.some((end) => this.#addresses!.has(end.address.text))) &&
      (this.#ports === undefined || ends.some((end) => end.port !== undefined && this.#ports!.has(end.port))) &&
      (this.#transportAddresses === undefined ||
        ends.some((end) => this.#transportAddresses!.get(end.address.text)?.has(end.port ?? 0)))
    );
  }
}

/** @param texts `address:port` */
function toPorts(texts: readonly string[] | undefined): ReadonlyMap<string, ReadonlySet<number>> | undefined {
  if (texts === undefined) return undefined;
  const ports = new Map<string, Set<number>>();
  for (const text of texts) {
    const colon = text.lastIndexOf(":");
    const address = text.slice(0, colon);
    const known = ports.get(address) ?? new Set();
    ports.set(address, known.add(Number(text.slice(colon + 1))));
  }
  return ports;
}

function toSet<T>(values: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return values === undefined ? undefined : new Set(values);
}

function admits<T>(wanted: ReadonlySet<T> | undefined, value: T | undefined): boolean {
  return wanted === undefined || value === undefined || wanted.has(value);
}

function admitsAny<T>(wanted: ReadonlySet<T> | undefined, values: readonly T[] | undefined): boolean {
  return wanted === undefined || values === undefined || values.some((value) => wanted.has(value));
}

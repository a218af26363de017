import { IpAddress } from "../../lib/ip.js";
import type { RowFilter } from "../../model/readers.js";
import type { RowTraits } from "../../model/row-traits.js";

type AddressKey = IpAddress["key"];

/** Tests rows against a filter whose lists were made into sets once. */
export class RowMatcher {
  /** Keys of addresses, so that a row is tested without making a text of its own. */
  readonly #addresses: ReadonlySet<AddressKey> | undefined;
  readonly #transportAddresses: ReadonlyMap<AddressKey, ReadonlySet<number>> | undefined;
  readonly #protocols: ReadonlySet<number> | undefined;
  readonly #ports: ReadonlySet<number> | undefined;
  readonly #identities: ReadonlySet<number> | undefined;
  readonly #states: ReadonlySet<string> | undefined;
  readonly #directions: ReadonlySet<string> | undefined;
  /** No field is set: every row passes, and its traits need not be made. */
  readonly isEmpty: boolean;
  readonly #speaksOfEnds: boolean;

  constructor(filter: RowFilter = {}) {
    this.#addresses = toSet(filter.addresses?.map(keyOf));
    this.#transportAddresses = toPorts(filter.transportAddresses);
    this.#protocols = toSet(filter.protocols);
    this.#ports = toSet(filter.ports);
    this.#identities = toSet(filter.identities);
    this.#states = toSet(filter.states);
    this.#directions = toSet(filter.directions);
    this.#speaksOfEnds = [filter.addresses, filter.transportAddresses, filter.ports].some((list) => list !== undefined);
    this.isEmpty = Object.values(filter).every((value) => value === undefined);
  }

  /** Asks for no trait that the filter does not speak of. */
  matches(traits: RowTraits): boolean {
    return (
      (this.#protocols === undefined || admits(this.#protocols, traits.protocol)) &&
      (this.#identities === undefined || admits(this.#identities, traits.identity)) &&
      admitsAny(this.#identities, traits.identities) &&
      (this.#states === undefined || admits(this.#states, traits.state)) &&
      (this.#directions === undefined || admits(this.#directions, traits.direction)) &&
      (!this.#speaksOfEnds || this.#matchesEnds(traits.ends))
    );
  }

  #matchesEnds(ends: RowTraits["ends"]): boolean {
    if (ends === undefined) return true;
    return (
      (this.#addresses === undefined || ends.some((end) => this.#addresses!.has(end.address.key))) &&
      (this.#ports === undefined || ends.some((end) => end.port !== undefined && this.#ports!.has(end.port))) &&
      (this.#transportAddresses === undefined ||
        ends.some((end) => this.#transportAddresses!.get(end.address.key)?.has(end.port ?? 0)))
    );
  }
}

/** @param texts `address:port` */
function toPorts(texts: readonly string[] | undefined): ReadonlyMap<AddressKey, ReadonlySet<number>> | undefined {
  if (texts === undefined) return undefined;
  const ports = new Map<AddressKey, Set<number>>();
  for (const text of texts) {
    const colon = text.lastIndexOf(":");
    const address = keyOf(text.slice(0, colon));
    const known = ports.get(address) ?? new Set();
    ports.set(address, known.add(Number(text.slice(colon + 1))));
  }
  return ports;
}

function toSet<T>(values: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return values === undefined ? undefined : new Set(values);
}

/** Of a canonical text. One that is no address is no row's key either. */
function keyOf(text: string): AddressKey {
  return IpAddress.tryParse(text)?.key ?? text;
}

function admits<T>(wanted: ReadonlySet<T>, value: T | undefined): boolean {
  return value === undefined || wanted.has(value);
}

function admitsAny<T>(wanted: ReadonlySet<T> | undefined, values: readonly T[] | undefined): boolean {
  return wanted === undefined || values === undefined || values.some((value) => wanted.has(value));
}

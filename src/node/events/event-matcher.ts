import type { EventFilter } from "../../model/event-filter.js";
import { type MessageTypeName, messageTypes } from "../../model/monitor.js";
import type { MonitorEvent } from "../../model/monitor-event.js";
import type { RowTraits } from "../../model/row-traits.js";
import { RowMatcher } from "../readers/row-matcher.js";

/** Types of records that say why something was dropped or denied. */
const reasonTypes: readonly MessageTypeName[] = ["drop", "policy-verdict"];

/** Tests events against a filter whose lists were made into sets once. What an event lacks, it does not have. */
export class EventMatcher {
  /** Numbers of the messages that it asks for; undefined: all. */
  readonly types: ReadonlySet<number> | undefined;
  readonly #from: ReadonlySet<number> | undefined;
  readonly #to: ReadonlySet<number> | undefined;
  readonly #relatedTo: ReadonlySet<number> | undefined;
  readonly #identities: ReadonlySet<number> | undefined;
  readonly #dropReasons: ReadonlySet<number> | undefined;
  readonly #packets: RowMatcher;
  /** Nothing but types is asked for: a record's first byte tells. */
  readonly isByTypeOnly: boolean;

  constructor(filter: EventFilter = {}) {
    const { types, from, to, relatedTo, identities, dropReasons, packets } = filter;
    // Only these have a reason: most records of a busy node are traces, and need not be decoded to be left out.
    const possible =
      dropReasons === undefined ? types : (types ?? reasonTypes).filter((name) => reasonTypes.includes(name));
    this.types = possible && new Set(possible.map((name) => messageTypes[name]));
    this.#from = from && new Set(from);
    this.#to = to && new Set(to);
    this.#relatedTo = relatedTo && new Set(relatedTo);
    this.#identities = identities && new Set(identities);
    this.#dropReasons = dropReasons && new Set(dropReasons);
    this.#packets = new RowMatcher(packets);
    const others = [from, to, relatedTo, identities, dropReasons];
    this.isByTypeOnly = others.every((list) => list === undefined) && this.#packets.isEmpty;
  }

  /** @param type first byte of the record */
  admitsType(type: number): boolean {
    return this.types === undefined || this.types.has(type);
  }

  /** Of an event whose type is admitted. */
  matches(event: MonitorEvent): boolean {
    if (this.isByTypeOnly || event.kind === "lost") return true;
    const { endpointId, destinationEndpointId, sourceIdentity, destinationIdentity, reason } = event;
    return (
      hasAny(this.#from, [endpointId]) &&
      hasAny(this.#to, [destinationEndpointId]) &&
      hasAny(this.#relatedTo, [endpointId, destinationEndpointId]) &&
      hasAny(this.#identities, [sourceIdentity, destinationIdentity]) &&
      hasAny(this.#dropReasons, [reason]) &&
      (this.#packets.isEmpty || this.#matchesPacket(event))
    );
  }

  #matchesPacket({ packet }: MonitorEvent): boolean {
    if (packet?.protocol === undefined) return false;
    const { source, destination, sourcePort, destinationPort, protocol } = packet;
    const ends: NonNullable<RowTraits["ends"]> = [
      ...(source === undefined ? [] : [{ address: source, port: sourcePort }]),
      ...(destination === undefined ? [] : [{ address: destination, port: destinationPort }]),
    ];
    return this.#packets.matches({ ends, protocol });
  }
}

function hasAny<T>(wanted: ReadonlySet<T> | undefined, values: readonly (T | undefined)[]): boolean {
  return wanted === undefined || values.some((value) => value !== undefined && wanted.has(value));
}

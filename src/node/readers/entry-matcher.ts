import type { CtColumns } from "../../model/conntrack-columns.js";
import { secondsUntil } from "../../model/node-clock.js";
import type { ConntrackRequest, CtTimes } from "../../model/readers.js";
import type { RowTraits } from "../../model/row-traits.js";
import { RowMatcher } from "./row-matcher.js";

/** Finds the conntrack entries that a request asks for, without making a row of any. */
export class EntryMatcher {
  readonly #matcher: RowMatcher;
  readonly #times: CtTimes;

  constructor({ filter, times = {} }: ConntrackRequest) {
    this.#matcher = new RowMatcher(filter);
    this.#times = times;
  }

  /** Their places. */
  wanted(columns: CtColumns): readonly number[] {
    const traits = new EntryTraits(columns);
    const isInTime = timeTest(columns, this.#times);
    const wanted: number[] = [];
    for (let index = 0; index < columns.length; index++) {
      traits.index = index;
      if (isInTime(index) && (this.#matcher.isEmpty || this.#matcher.matches(traits))) wanted.push(index);
    }
    return wanted;
  }
}

function timeTest(columns: CtColumns, { isExpired, seenWithinSeconds }: CtTimes): (index: number) => boolean {
  const { expiresAtSeconds } = columns.values;
  const { clock } = columns.head;
  if (clock === undefined || (isExpired !== true && seenWithinSeconds === undefined)) return () => true;
  const earliest = seenWithinSeconds === undefined ? Number.NEGATIVE_INFINITY : -seenWithinSeconds;
  return (index) =>
    (isExpired !== true || secondsUntil(clock, expiresAtSeconds[index]!) < 0) &&
    (seenWithinSeconds === undefined ||
      (columns.lastSeen(index) > 0 && secondsUntil(clock, columns.lastSeen(index)) >= earliest));
}

/** One entry after the other, seen by the filter, which asks for nothing but what it speaks of. */
class EntryTraits implements RowTraits {
  index = 0;
  readonly #columns: CtColumns;

  constructor(columns: CtColumns) {
    this.#columns = columns;
  }

  get ends(): RowTraits["ends"] {
    const { values } = this.#columns;
    return [
      { address: this.#columns.source(this.index), port: values.sourcePort[this.index] },
      { address: this.#columns.destination(this.index), port: values.destinationPort[this.index] },
    ];
  }

  get protocol(): number {
    return this.#columns.values.protocol[this.index]!;
  }

  get identity(): number {
    return this.#columns.values.sourceIdentity[this.index]!;
  }

  get state(): string {
    return this.#columns.state(this.index);
  }

  get direction(): string {
    return this.#columns.direction(this.index);
  }
}

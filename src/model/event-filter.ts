import { type MessageTypeName, messageTypes } from "./monitor.js";
import type { RowFilter } from "./readers.js";

/**
 * Which events somebody wants: every field that is set must hold, within a field any value may. Losses are never filtered.
 * Plain JSON.
 */
export interface EventFilter {
  readonly types?: readonly MessageTypeName[] | undefined;
  /** Endpoints whose programs reported it. */
  readonly from?: readonly number[] | undefined;
  /** Endpoints that the packet was headed to on its node. */
  readonly to?: readonly number[] | undefined;
  /** Either of the two. */
  readonly relatedTo?: readonly number[] | undefined;
  /** Of either end. */
  readonly identities?: readonly number[] | undefined;
  /** Codes: only what was dropped or denied. */
  readonly dropReasons?: readonly number[] | undefined;
  /** Addresses, ports and protocols of the packet. */
  readonly packets?: RowFilter | undefined;
}

/** Longest list of a request: more than that is a mistake, or somebody who wants to keep the agent busy. */
const longestList = 10_000;

/** The filter in a request's body, which may be absent; undefined for anything else. */
export function parseEventFilter(body: unknown): EventFilter | undefined {
  const filter = body ?? {};
  if (!isObject(filter)) return undefined;
  const { types, from, to, relatedTo, identities, dropReasons, packets } = filter;
  const isFilter =
    isList(types, isTypeName) &&
    [from, to, relatedTo, identities, dropReasons].every((list) => isList(list, isCount)) &&
    (packets === undefined || isPacketFilter(packets));
  return isFilter ? (filter as EventFilter) : undefined;
}

function isPacketFilter(value: unknown): value is RowFilter {
  if (!isObject(value)) return false;
  const { addresses, transportAddresses, protocols, ports } = value;
  return (
    [addresses, transportAddresses].every((list) => isList(list, isText)) &&
    [protocols, ports].every((list) => isList(list, isCount))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isList(list: unknown, isItem: (item: unknown) => boolean): boolean {
  return list === undefined || (Array.isArray(list) && list.length <= longestList && list.every(isItem));
}

function isTypeName(value: unknown): value is MessageTypeName {
  return typeof value === "string" && Object.hasOwn(messageTypes, value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

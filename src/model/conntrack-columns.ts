import { IpAddress } from "../lib/ip.js";
import { ctFlag, ctFlagNames } from "./conntrack-flags.js";
import type { NameColumn } from "./name-column.js";
import type { NodeClock } from "./node-clock.js";
import type { RowBatch } from "./row-batch.js";
import type { AddressName, CtDirection, CtLayout, CtMap, CtRow, CtState } from "./rows.js";

export type NumberColumn = Uint8Array | Uint16Array | Uint32Array;

/** What the entries of a batch have in common: they are of one map of one node. */
export interface CtColumnsHead {
  readonly node: string | undefined;
  readonly map: CtMap;
  /** See {@link CtRow.clusterId}. */
  readonly clusterId?: number | undefined;
  readonly clock: NodeClock | undefined;
  readonly layout: CtLayout;
}

/**
 * Each property of all entries in an array of its own. An address takes one 32-bit word or four, in network order; a 64-bit
 * number takes two, the low one first.
 */
export interface CtColumnValues {
  readonly protocol: NumberColumn;
  /** Index into {@link ctDirections}. */
  readonly direction: Uint8Array;
  readonly isRelated: Uint8Array;
  readonly source: Int32Array;
  readonly sourcePort: NumberColumn;
  readonly destination: Int32Array;
  readonly destinationPort: NumberColumn;
  readonly expiresAtSeconds: NumberColumn;
  readonly packets: Uint32Array;
  readonly bytes: Uint32Array;
  readonly rxFlagsSeen: NumberColumn;
  readonly txFlagsSeen: NumberColumn;
  readonly lastRxReportSeconds: NumberColumn;
  readonly lastTxReportSeconds: NumberColumn;
  readonly flags: NumberColumn;
  readonly revNatId: NumberColumn;
  readonly sourceIdentity: NumberColumn;
  /** See {@link CtRow.union0}. */
  readonly union0: Uint32Array;
  /** The second 64-bit word: {@link CtRow.backendId} or {@link CtRow.rxBytes}. */
  readonly union1: Uint32Array;
  readonly natPort: NumberColumn | undefined;
  readonly interfaceIndex: NumberColumn | undefined;
}

export const ctDirections = ["out", "in", "service"] as const satisfies readonly CtDirection[];
const service = ctDirections.indexOf("service");

/**
 * Conntrack entries column by column: half a million of them are filtered, named and printed without an object for any.
 * Iterating makes the rows.
 */
export class CtColumns implements RowBatch<CtRow> {
  readonly head: CtColumnsHead;
  readonly values: CtColumnValues;
  readonly length: number;
  /** Undefined until they are looked up. */
  sourceNames: NameColumn | undefined;
  destinationNames: NameColumn | undefined;
  readonly isV6: boolean;

  constructor(head: CtColumnsHead, values: CtColumnValues) {
    this.head = head;
    this.values = values;
    this.length = values.protocol.length;
    this.isV6 = head.map.endsWith("6");
  }

  source(index: number): IpAddress {
    return addressAt(this.values.source, index, this.isV6);
  }

  destination(index: number): IpAddress {
    return addressAt(this.values.destination, index, this.isV6);
  }

  direction(index: number): CtDirection {
    return ctDirections[this.values.direction[index]!]!;
  }

  state(index: number): CtState {
    const { flags, protocol, lastRxReportSeconds } = this.values;
    const bits = flags[index]!;
    const closing = bits & (ctFlag.rxClosing | ctFlag.txClosing);
    if (closing === (ctFlag.rxClosing | ctFlag.txClosing)) return "closed";
    if (closing !== 0) return "closing";
    const isEstablished = protocol[index] === tcp ? (bits & ctFlag.seenNonSyn) !== 0 : lastRxReportSeconds[index]! > 0;
    return isEstablished ? "established" : "new";
  }

  /** When a packet of either direction was reported last; 0 for never. */
  lastSeen(index: number): number {
    const { lastRxReportSeconds, lastTxReportSeconds } = this.values;
    return Math.max(lastRxReportSeconds[index]!, lastTxReportSeconds[index]!);
  }

  /** Whether the second union is, or may be, a backend's id. */
  hasBackendId(index: number): boolean {
    return !this.head.layout.hasRxCounters || this.values.direction[index] === service;
  }

  row(index: number): CtRow {
    const { head, values } = this;
    const [union0, union1] = [u64At(values.union0, index), u64At(values.union1, index)];
    const { hasRxCounters } = head.layout;
    const flags = values.flags[index]!;
    return {
      ...head,
      protocol: values.protocol[index]!,
      direction: this.direction(index),
      isRelated: values.isRelated[index] === 1,
      source: this.source(index),
      sourcePort: values.sourcePort[index]!,
      destination: this.destination(index),
      destinationPort: values.destinationPort[index]!,
      sourceName: nameAt(this.sourceNames, index),
      destinationName: nameAt(this.destinationNames, index),
      state: this.state(index),
      expiresAtSeconds: values.expiresAtSeconds[index]!,
      packets: u64At(values.packets, index),
      bytes: u64At(values.bytes, index),
      rxPackets: hasRxCounters ? union0 : undefined,
      rxBytes: hasRxCounters ? union1 : undefined,
      rxFlagsSeen: values.rxFlagsSeen[index]!,
      txFlagsSeen: values.txFlagsSeen[index]!,
      lastRxReportSeconds: values.lastRxReportSeconds[index]!,
      lastTxReportSeconds: values.lastTxReportSeconds[index]!,
      flags,
      flagNames: ctFlagNames(flags),
      revNatId: values.revNatId[index]!,
      sourceIdentity: values.sourceIdentity[index]!,
      backendId: this.hasBackendId(index) ? union1 : undefined,
      union0,
      natPort: values.natPort?.[index],
      interfaceIndex: values.interfaceIndex?.[index],
    };
  }

  *[Symbol.iterator](): Generator<CtRow> {
    for (let index = 0; index < this.length; index++) yield this.row(index);
  }

  map<T>(change: (row: CtRow) => T): readonly T[] {
    return Array.from(this, change);
  }

  slice(from: number, to: number): CtColumns {
    return this.pick(Array.from({ length: Math.min(to, this.length) - from }, (_, offset) => from + offset));
  }

  /** The entries at these places. */
  pick(indexes: readonly number[]): CtColumns {
    const values = Object.fromEntries(
      Object.entries(this.values).map(([name, column]) => [name, pickFrom(column, indexes, this.length)]),
    ) as unknown as CtColumnValues;
    const picked = new CtColumns(this.head, values);
    picked.sourceNames = pickNames(this.sourceNames, indexes);
    picked.destinationNames = pickNames(this.destinationNames, indexes);
    return picked;
  }
}

/** Whether the releases in question differ in a field. Service entries have a backend's id in all of them. */
export function isUnknownField({ unknownFields }: CtLayout, field: string, direction: CtDirection): boolean {
  return unknownFields.includes(field) && !(field === "backendId" && direction === "service");
}

const tcp = 6;

type Column = NumberColumn | Int32Array;

function pickFrom(column: Column | undefined, indexes: readonly number[], length: number): Column | undefined {
  if (column === undefined) return undefined;
  const width = column.length / Math.max(1, length);
  const picked = column.slice(0, indexes.length * width);
  indexes.forEach((index, place) => {
    for (let word = 0; word < width; word++) picked[place * width + word] = column[index * width + word]!;
  });
  return picked;
}

function pickNames(column: NameColumn | undefined, indexes: readonly number[]): NameColumn | undefined {
  return column && { names: column.names, ids: Int32Array.from(indexes, (index) => column.ids[index]!) };
}

function nameAt(column: NameColumn | undefined, index: number): AddressName | undefined {
  return column?.names[column.ids[index]!];
}

function addressAt(words: Int32Array, index: number, isV6: boolean): IpAddress {
  if (!isV6) return IpAddress.ofV4(words[index]!);
  const at = 4 * index;
  return IpAddress.ofV6(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
}

function u64At(words: Uint32Array, index: number): bigint {
  return (BigInt(words[2 * index + 1]!) << 32n) | BigInt(words[2 * index]!);
}

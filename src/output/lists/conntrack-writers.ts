import type { CtColumns } from "../../model/conntrack-columns.js";
import { ctDirections, isUnknownField } from "../../model/conntrack-columns.js";
import { ctFlagNames } from "../../model/conntrack-flags.js";
import { ctColumnsOf } from "../../model/conntrack-from-rows.js";
import { type NameColumn, noName } from "../../model/name-column.js";
import { type NodeClock, secondsUntil } from "../../model/node-clock.js";
import { protocolName } from "../../model/protocol-names.js";
import type { RowBatch } from "../../model/row-batch.js";
import type { CtRow } from "../../model/rows.js";
import type { EntryWriter, RowWriters } from "../list-format.js";
import { NamePieces } from "../name-pieces.js";
import { PieceCache } from "../piece-cache.js";
import { printableText, textPiece } from "../text-buffer.js";
import { addressPortWriter } from "./address-writers.js";
import { hex, nameText, orDash, orUnknown } from "./cells.js";
import { conntrackItemWriter } from "./conntrack-json.js";
import {
  agoText,
  directionText,
  flagText,
  lastSeenText,
  remainingText,
  restText,
  secondsAgo,
} from "./conntrack-texts.js";

type CellWriter = (columns: CtColumns) => EntryWriter;

/** Cells and items of conntrack entries, straight from their columns. */
export function conntrackWriters(options: {
  readonly hasAge: boolean;
}): (batch: RowBatch<CtRow>) => readonly RowWriters[] {
  const cells = Object.entries(cellWriters());
  const itemWriter = conntrackItemWriter(options);
  return (batch) =>
    ctColumnsOf(batch).map((columns) => ({
      length: columns.length,
      cells: new Map(cells.map(([header, writer]) => [header, writer(columns)])),
      item: itemWriter(columns),
    }));
}

/** By header; what many entries have in common is made once and kept. */
function cellWriters(): Readonly<Record<string, CellWriter>> {
  return {
    NODE: ({ head }) => {
      const node = textPiece(printableText(head.node ?? "-"));
      return (_, out) => out.piece(node);
    },
    CLUSTER: ({ head }) => {
      const cluster = textPiece(orDash(head.clusterId));
      return (_, out) => out.piece(cluster);
    },
    PROTO: shared(({ values }, index) => values.protocol[index]!, protocolName),
    DIR: shared(
      ({ values }, index) => 2 * values.direction[index]! + values.isRelated[index]!,
      (bits) => directionText(ctDirections[bits >> 1]!, (bits & 1) === 1),
    ),
    SOURCE: (columns) => addressPortWriter(columns, "source"),
    FROM: named(({ sourceNames }) => sourceNames),
    DESTINATION: (columns) => addressPortWriter(columns, "destination"),
    TO: named(({ destinationNames }) => destinationNames),
    STATE: shared(
      (columns, index) => columns.state(index),
      (state) => state,
    ),
    EXPIRES: shared(
      ({ head, values }, index) => remainingKey(values.expiresAtSeconds[index]!, head.clock),
      (key) => (typeof key === "string" ? key : restText(key)),
    ),
    "LAST-SEEN": shared(lastSeenKey, (key) => (typeof key === "string" ? key : agoText(key))),
    REVNAT:
      ({ values: { revNatId } }) =>
      (index, out) =>
        out.number(revNatId[index]!),
    IDENTITY:
      ({ values: { sourceIdentity } }) =>
      (index, out) =>
        out.number(sourceIdentity[index]!),
    PACKETS:
      ({ values: { packets } }) =>
      (index, out) =>
        out.u64(packets[2 * index]!, packets[2 * index + 1]!),
    BYTES:
      ({ values: { bytes } }) =>
      (index, out) =>
        out.u64(bytes[2 * index]!, bytes[2 * index + 1]!),
    BACKEND: (columns) => (index, out) => {
      const { union1 } = columns.values;
      if (isUnknownField(columns.head.layout, "backendId", columns.direction(index))) out.text(orUnknown(undefined));
      else if (columns.hasBackendId(index)) out.u64(union1[2 * index]!, union1[2 * index + 1]!);
      else out.number(0);
    },
    "RX-FLAGS": shared(({ values }, index) => values.rxFlagsSeen[index]!, hexByte),
    "TX-FLAGS": shared(({ values }, index) => values.txFlagsSeen[index]!, hexByte),
    FLAGS: shared(
      ({ values }, index) => values.flags[index]!,
      (flags) => flagText(ctFlagNames(flags)),
    ),
  };
}

function hexByte(byte: number): string {
  return hex(byte, 2);
}

/** Texts that many entries share: each is made once for a key. */
function shared<Key>(keyOf: (columns: CtColumns, index: number) => Key, textOf: (key: Key) => string): CellWriter {
  const pieces = new PieceCache<Key>((key) => textOf(key));
  return (columns) => (index, out) => {
    const key = keyOf(columns, index);
    out.piece(pieces.of(key, key));
  };
}

const dash = textPiece(nameText(undefined));

function named(namesOf: (columns: CtColumns) => NameColumn | undefined): CellWriter {
  const pieces = new NamePieces((name) => printableText(nameText(name)));
  return (columns) => {
    const names = namesOf(columns);
    const write = pieces.writer(names);
    return (index, out) => {
      if ((names?.ids[index] ?? noName) === noName) out.piece(dash);
      else write(index, out);
    };
  };
}

/** What `lastSeenText` depends on: seconds since then, or the text itself. */
function lastSeenKey(columns: CtColumns, index: number): number | string {
  const { clock } = columns.head;
  const time = columns.lastSeen(index);
  return secondsAgo(clock, time) ?? lastSeenText(clock, time);
}

/** What `remainingText` depends on: the text itself without a clock; of hours no more than the minute is shown. */
function remainingKey(expiresAtSeconds: number, clock: NodeClock | undefined): number | string {
  if (clock === undefined) return remainingText(expiresAtSeconds, undefined);
  const remaining = secondsUntil(clock, expiresAtSeconds);
  return remaining < 3600 ? Math.max(-1, remaining) : remaining - (remaining % 60);
}

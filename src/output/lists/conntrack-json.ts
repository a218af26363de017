import { type CtColumns, isUnknownField, type NumberColumn } from "../../model/conntrack-columns.js";
import { ctFlagNames } from "../../model/conntrack-flags.js";
import { protocolName } from "../../model/protocol-names.js";
import type { CtLayout } from "../../model/rows.js";
import type { EntryWriter } from "../list-format.js";
import { NamePieces } from "../name-pieces.js";
import { PieceCache } from "../piece-cache.js";
import { type TextBuffer, type TextPiece, textPiece } from "../text-buffer.js";
import { addressWriter } from "./address-writers.js";
import { nameItem } from "./cells.js";
import { secondsAgo } from "./conntrack-texts.js";

const state = {
  new: textPiece(',"state":"new","expiresAtSeconds":'),
  established: textPiece(',"state":"established","expiresAtSeconds":'),
  closing: textPiece(',"state":"closing","expiresAtSeconds":'),
  closed: textPiece(',"state":"closed","expiresAtSeconds":'),
} as const;
const sourcePort = textPiece('","sourcePort":');
const destination = textPiece(',"destination":"');
const destinationPort = textPiece('","destinationPort":');
const packets = textPiece(',"packets":');
const bytes = textPiece(',"bytes":');
const rxPackets = textPiece(',"rxPackets":');
const rxBytes = textPiece(',"rxBytes":');
const lastTxReport = textPiece(',"lastTxReportSeconds":');
const sourceIdentity = textPiece(',"sourceIdentity":');
const backendId = textPiece(',"backendId":');
const unknownBackendId = textPiece(',"backendId":null');
const unknownRxCounters = textPiece(',"rxPackets":null,"rxBytes":null');
const end = textPiece("}");

/**
 * The text of conntrack items. Written out by hand because half a million entries are printed in a third of a second this
 * way and in four with an object for each.
 */
export function conntrackItemWriter({ hasAge }: { readonly hasAge: boolean }): (columns: CtColumns) => EntryWriter {
  const sourceNames = new NamePieces((name) => `,"sourceName":${JSON.stringify(nameItem(name))}`);
  const destinationNames = new NamePieces((name) => `,"destinationName":${JSON.stringify(nameItem(name))}`);
  const seenFlags = new PieceCache<number>(
    (bits) => `,"rxFlagsSeen":${bits >> 8},"txFlagsSeen":${bits & 0xff},"lastRxReportSeconds":`,
  );
  const flagNames = new PieceCache<number>((flags) => `,"flags":${JSON.stringify(ctFlagNames(flags))},"revNatId":`);
  return (columns) => {
    const { values, head } = columns;
    const areRxCountersUnknown = head.layout.unknownFields.includes("rxPackets");
    const heads = headPieces(columns);
    const [writeSource, writeDestination] = [addressWriter(columns, "source"), addressWriter(columns, "destination")];
    const writeSourceName = sourceNames.writer(columns.sourceNames);
    const writeDestinationName = destinationNames.writer(columns.destinationNames);
    const writeTail = tailWriter(columns);
    return (index, out) => {
      out.piece(heads.of(headNumber(columns, index), index));
      writeSource(index, out);
      out.labelled(sourcePort, values.sourcePort[index]!);
      writeSourceName(index, out);
      out.piece(destination);
      writeDestination(index, out);
      out.labelled(destinationPort, values.destinationPort[index]!);
      writeDestinationName(index, out);
      out.labelled(state[columns.state(index)], values.expiresAtSeconds[index]!);
      writeCounter(packets, values.packets, index, out);
      writeCounter(bytes, values.bytes, index, out);
      if (head.layout.hasRxCounters) {
        writeCounter(rxPackets, values.union0, index, out);
        writeCounter(rxBytes, values.union1, index, out);
      } else if (areRxCountersUnknown) {
        out.piece(unknownRxCounters);
      }
      const seen = (values.rxFlagsSeen[index]! << 8) | values.txFlagsSeen[index]!;
      out.labelled(seenFlags.of(seen, seen), values.lastRxReportSeconds[index]!);
      out.labelled(lastTxReport, values.lastTxReportSeconds[index]!);
      const flags = values.flags[index]!;
      out.labelled(flagNames.of(flags, flags), values.revNatId[index]!);
      out.labelled(sourceIdentity, values.sourceIdentity[index]!);
      writeTail(index, out);
      if (hasAge) writeAge(columns, index, out);
      out.piece(end);
    };
  };
}

/** What not every release has. */
function tailWriter(columns: CtColumns): EntryWriter {
  const { union1, natPort, interfaceIndex } = columns.values;
  const { layout } = columns.head;
  const writeNatPort = optionalWriter("natPort", layout, natPort);
  const writeInterface = optionalWriter("interfaceIndex", layout, interfaceIndex);
  const isBackendUnknown = layout.unknownFields.includes("backendId");
  return (index, out) => {
    if (isBackendUnknown && isUnknownField(layout, "backendId", columns.direction(index))) out.piece(unknownBackendId);
    else if (columns.hasBackendId(index)) writeCounter(backendId, union1, index, out);
    writeNatPort(index, out);
    writeInterface(index, out);
  };
}

function writeAge(columns: CtColumns, index: number, out: TextBuffer): void {
  const seconds = secondsAgo(columns.head.clock, columns.lastSeen(index));
  if (seconds !== undefined) out.text(`,"lastSeenSecondsAgo":${seconds}`);
}

function optionalWriter(name: string, layout: CtLayout, column: NumberColumn | undefined): EntryWriter {
  const isUnknown = layout.unknownFields.includes(name);
  const label = textPiece(`,"${name}":${isUnknown ? "null" : ""}`);
  if (isUnknown) return (_, out) => out.piece(label);
  return column === undefined ? () => undefined : (index, out) => out.labelled(label, column[index]!);
}

function writeCounter(key: TextPiece, words: Uint32Array, index: number, out: TextBuffer): void {
  out.piece(key);
  out.jsonU64(words[2 * index]!, words[2 * index + 1]!);
}

/** From the brace to the source: the same for all entries of a batch that have protocol and direction in common. */
function headPieces(columns: CtColumns): PieceCache<number> {
  const { node, map, clusterId } = columns.head;
  const nodeText = node === undefined ? "" : `"node":${JSON.stringify(node)},`;
  const clusterText = clusterId === undefined ? "" : `,"clusterId":${clusterId}`;
  return new PieceCache((index) => {
    const protocol = protocolName(columns.values.protocol[index]!);
    const related = columns.values.isRelated[index] === 1;
    return `{${nodeText}"map":"${map}"${clusterText},"protocol":"${protocol}","direction":"${columns.direction(index)}","related":${related},"source":"`;
  });
}

function headNumber({ values }: CtColumns, index: number): number {
  return (values.protocol[index]! << 3) | (values.direction[index]! << 1) | values.isRelated[index]!;
}

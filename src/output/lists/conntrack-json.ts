import type { IpAddress } from "../../lib/ip.js";
import { protocolName } from "../../model/protocol-names.js";
import type { AddressName, CtMap, CtRow } from "../../model/rows.js";
import { PieceCache } from "../piece-cache.js";
import { type TextBuffer, type TextPiece, textPiece } from "../text-buffer.js";
import { nameItem } from "./cells.js";

const state = {
  new: textPiece(',"state":"new","expiresAtSeconds":'),
  established: textPiece(',"state":"established","expiresAtSeconds":'),
  closing: textPiece(',"state":"closing","expiresAtSeconds":'),
  closed: textPiece(',"state":"closed","expiresAtSeconds":'),
} as const;
const packets = textPiece(',"packets":');
const bytes = textPiece(',"bytes":');
const rxPackets = textPiece(',"rxPackets":');
const rxBytes = textPiece(',"rxBytes":');
const lastTxReport = textPiece(',"lastTxReportSeconds":');
const backendId = textPiece(',"backendId":');
const natPort = textPiece(',"natPort":');
const interfaceIndex = textPiece(',"interfaceIndex":');
const end = textPiece("}");
const directionNumber = { out: 0, in: 1, service: 2 } as const;

/**
 * The text of a conntrack item. Written out by hand because half a million entries are printed in half a second this
 * way and in four with an object for each.
 */
export function conntrackItemWriter(): (row: CtRow, out: TextBuffer) => void {
  const heads = new HeadPieces();
  const sources = new PieceCache<IpAddress>(({ text }) => `${text}","sourcePort":`);
  const sourceNames = new PieceCache<AddressName>((name) => `,"sourceName":${JSON.stringify(nameItem(name))}`);
  const destinations = new PieceCache<IpAddress>(({ text }) => `,"destination":"${text}","destinationPort":`);
  const destinationNames = new PieceCache<AddressName>(
    (name) => `,"destinationName":${JSON.stringify(nameItem(name))}`,
  );
  const seenFlags = new PieceCache<number, CtRow>(
    (row) => `,"rxFlagsSeen":${row.rxFlagsSeen},"txFlagsSeen":${row.txFlagsSeen},"lastRxReportSeconds":`,
  );
  const flagNames = new PieceCache<number, CtRow>((row) => `,"flags":${JSON.stringify(row.flagNames)},"revNatId":`);
  const identities = new PieceCache<number>((identity) => `,"sourceIdentity":${identity}`);
  return (row, out) => {
    out.piece(heads.of(row));
    out.piece(sources.of(row.source, row.source));
    out.number(row.sourcePort);
    if (row.sourceName !== undefined) out.piece(sourceNames.of(row.sourceName, row.sourceName));
    out.piece(destinations.of(row.destination, row.destination));
    out.number(row.destinationPort);
    if (row.destinationName !== undefined) out.piece(destinationNames.of(row.destinationName, row.destinationName));
    out.piece(state[row.state]);
    out.number(row.expiresAtSeconds);
    writeCounter(packets, row.packets, out);
    writeCounter(bytes, row.bytes, out);
    writeCounter(rxPackets, row.rxPackets, out);
    writeCounter(rxBytes, row.rxBytes, out);
    out.piece(seenFlags.of((row.rxFlagsSeen << 8) | row.txFlagsSeen, row));
    out.number(row.lastRxReportSeconds);
    writeNumber(lastTxReport, row.lastTxReportSeconds, out);
    out.piece(flagNames.of(row.flags, row));
    out.number(row.revNatId);
    out.piece(identities.of(row.sourceIdentity, row.sourceIdentity));
    writeCounter(backendId, row.backendId, out);
    writeNumber(natPort, row.natPort, out);
    writeNumber(interfaceIndex, row.interfaceIndex, out);
    out.piece(end);
  };
}

function writeNumber(key: TextPiece, value: number | undefined, out: TextBuffer): void {
  if (value === undefined) return;
  out.piece(key);
  out.number(value);
}

function writeCounter(key: TextPiece, value: bigint | undefined, out: TextBuffer): void {
  if (value === undefined) return;
  out.piece(key);
  out.jsonCounter(value);
}

/** From the brace to the source: the same for all rows of a map that have protocol and direction in common. */
class HeadPieces {
  #node: string | undefined;
  #map: CtMap | undefined;
  #pieces = new PieceCache<number, CtRow>(headText);

  of(row: CtRow): TextPiece {
    if (row.node !== this.#node || row.map !== this.#map) {
      this.#node = row.node;
      this.#map = row.map;
      this.#pieces = new PieceCache(headText);
    }
    return this.#pieces.of((row.protocol << 3) | (directionNumber[row.direction] << 1) | (row.isRelated ? 1 : 0), row);
  }
}

function headText(row: CtRow): string {
  const node = row.node === undefined ? "" : `"node":${JSON.stringify(row.node)},`;
  return `{${node}"map":"${row.map}","protocol":"${protocolName(row.protocol)}","direction":"${row.direction}","related":${row.isRelated},"source":"`;
}

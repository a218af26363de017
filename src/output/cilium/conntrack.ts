import type { IpAddress } from "../../lib/ip.js";
import { protocolName } from "../../model/protocol-names.js";
import type { CtRow } from "../../model/rows.js";
import type { BatchPrinter } from "../batch-printer.js";
import type { CiliumContext, CiliumFormat } from "../list-format.js";
import { PieceCache } from "../piece-cache.js";
import { type TextBuffer, textPiece } from "../text-buffer.js";
import { ciliumJsonPrinter } from "./conntrack-json.js";
import { MapEnds } from "./map-ends.js";

/**
 * `cilium-dbg bpf ct list`: one line an entry, an empty line after each map. Every line ends in a blank. Entries with
 * protocol 0 are left out of the text, but not of the JSON.
 */
export const ciliumConntrack: CiliumFormat<CtRow> = { text: textPrinter, json: ciliumJsonPrinter };

function textPrinter(context: CiliumContext): BatchPrinter<CtRow> {
  const now = context.monotonicNowSeconds === undefined ? undefined : Math.floor(context.monotonicNowSeconds);
  const writeEntry = entryWriter(now);
  const ends = new MapEnds();
  return {
    batch: (rows, out) => {
      for (const row of rows) {
        out.text(ends.before(row.map, row.node));
        if (row.protocol !== 0) writeEntry(row, out);
      }
    },
    end: async (out) => out.text(ends.last((await context.status()).mapsRead)),
  };
}

const directionTexts = { out: "OUT", in: "IN", service: "SVC" } as const;
const directionNumbers = { out: 0, in: 1, service: 2 } as const;
const field = {
  colon: textPiece(":"),
  expires: textPiece(" expires="),
  relatedExpires: textPiece(" related expires="),
  blank: textPiece(" "),
  packets: textPiece("Packets="),
  bytes: textPiece(" Bytes="),
  rxPackets: textPiece("RxPackets="),
  rxBytes: textPiece(" RxBytes="),
  txPackets: textPiece("TxPackets="),
  txBytes: textPiece(" TxBytes="),
  sourceIdentity: textPiece(" SourceSecurityID="),
  interfaceIndex: textPiece("IfIndex="),
  backendId: textPiece("BackendID="),
  natPort: textPiece("NatPort="),
  newline: textPiece("\n"),
} as const;

function entryWriter(now: number | undefined): (row: CtRow, out: TextBuffer) => void {
  const heads = new PieceCache<number, CtRow>(
    (row) => `${protocolName(row.protocol)} ${directionTexts[row.direction]} `,
  );
  const sources = new PieceCache<IpAddress>(({ text }) => `${text}:`);
  const destinations = new PieceCache<IpAddress>(({ text }) => ` -> ${text}:`);
  const rxFlags = new PieceCache<number>((byte) => ` RxFlagsSeen=${hexByte(byte)} LastRxReport=`);
  const txFlags = new PieceCache<number>((byte) => ` TxFlagsSeen=${hexByte(byte)} LastTxReport=`);
  const flags = new PieceCache<number, CtRow>(flagText);
  return (row, out) => {
    out.piece(heads.of((row.protocol << 2) | directionNumbers[row.direction], row));
    out.piece(sources.of(row.source, row.source));
    out.number(row.sourcePort);
    out.piece(destinations.of(row.destination, row.destination));
    out.number(row.destinationPort);
    out.piece(row.isRelated ? field.relatedExpires : field.expires);
    out.number(row.expiresAtSeconds);
    if (now !== undefined) out.text(` (remaining: ${row.expiresAtSeconds - now} sec(s))`);
    out.piece(field.blank);
    writeRxCounters(row, out);
    out.piece(rxFlags.of(row.rxFlagsSeen, row.rxFlagsSeen));
    out.number(row.lastRxReportSeconds);
    writeTxCounters(row, out);
    out.piece(txFlags.of(row.txFlagsSeen, row.txFlagsSeen));
    out.number(row.lastTxReportSeconds);
    out.piece(flags.of(row.flags, row));
    out.number(row.revNatId);
    out.piece(field.sourceIdentity);
    out.number(row.sourceIdentity);
    out.piece(field.blank);
    writeTail(row, out);
    out.piece(field.newline);
  };
}

/** Up to 1.15 both directions were counted apart. */
function writeRxCounters(row: CtRow, out: TextBuffer): void {
  const isApart = row.rxPackets !== undefined;
  out.piece(isApart ? field.rxPackets : field.packets);
  out.counter(row.rxPackets ?? row.packets);
  out.piece(isApart ? field.rxBytes : field.bytes);
  out.counter(isApart ? (row.rxBytes ?? 0n) : row.bytes);
}

function writeTxCounters(row: CtRow, out: TextBuffer): void {
  if (row.rxPackets === undefined) return;
  out.piece(field.blank);
  out.piece(field.txPackets);
  out.counter(row.packets);
  out.piece(field.txBytes);
  out.counter(row.bytes);
}

/** `IfIndex=` up to 1.17, `BackendID=` from 1.16, `NatPort=` from 1.19. */
function writeTail(row: CtRow, out: TextBuffer): void {
  if (row.interfaceIndex !== undefined) {
    out.piece(field.interfaceIndex);
    out.number(row.interfaceIndex);
    out.piece(field.blank);
  }
  if (row.backendId !== undefined && row.rxPackets === undefined) {
    out.piece(field.backendId);
    out.counter(row.backendId);
    out.piece(field.blank);
  }
  if (row.natPort !== undefined) {
    out.piece(field.natPort);
    out.number(row.natPort);
    out.piece(field.blank);
  }
}

function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

/** `0x0013 [ RxClosing TxClosing SeenNonSyn ]` */
function flagText(row: CtRow): string {
  const names = row.flagNames.map((name) => `${name} `).join("");
  return ` Flags=0x${row.flags.toString(16).padStart(4, "0")} [ ${names}] RevNAT=`;
}

import { swap16 } from "../../lib/bytes.js";
import type { IpAddress } from "../../lib/ip.js";
import type { CtRow } from "../../model/rows.js";
import type { BatchPrinter } from "../batch-printer.js";
import { PieceCache } from "../piece-cache.js";
import { type TextBuffer, type TextPiece, textPiece } from "../text-buffer.js";

const first = textPiece('\n  {\n    "Key": {\n      "DestAddr": [');
const next = textPiece(',\n  {\n    "Key": {\n      "DestAddr": [');
const field = {
  sourceAddress: textPiece('\n      ],\n      "SourceAddr": ['),
  destinationPort: textPiece('\n      ],\n      "DestPort": '),
  sourcePort: textPiece(',\n      "SourcePort": '),
  union0: textPiece('\n    },\n    "Value": {\n      "Union0": [\n        '),
  backendId: textPiece(",\n        "),
  packets: textPiece('\n      ],\n      "Packets": '),
  bytes: textPiece(',\n      "Bytes": '),
  lifetime: textPiece(',\n      "Lifetime": '),
  flags: textPiece(',\n      "Flags": '),
  revNat: textPiece(',\n      "RevNAT": '),
  natPort: textPiece(',\n      "NatPort": '),
  sourceIdentity: textPiece(',\n      "SourceSecurityID": '),
  lastTxReport: textPiece(',\n      "LastTxReport": '),
  lastRxReport: textPiece(',\n      "LastRxReport": '),
  end: textPiece("\n    }\n  }"),
} as const;

/** `cilium-dbg bpf ct list -o json` */
export function ciliumJsonPrinter(): BatchPrinter<CtRow> {
  const writeEntry = entryWriter();
  let isFirst = true;
  return {
    begin: (out) => out.text("["),
    batch: (rows, out) => {
      for (const row of rows) {
        out.piece(isFirst ? first : next);
        isFirst = false;
        writeEntry(row, out);
      }
    },
    end: (out) => out.text(isFirst ? "]\n\n" : "\n]\n\n"),
  };
}

const keyFlags = { out: 0, in: 1, service: 4 } as const;

/** Field by field as Go marshals upstream's structs; ports and ids as the kernel's network-order u16 read in host order. */
function entryWriter(): (row: CtRow, out: TextBuffer) => void {
  const addresses = new PieceCache<IpAddress>(({ bytes }) => `\n        ${bytes.join(",\n        ")}`);
  const kinds = new PieceCache<number, CtRow>(
    (row) => `,\n      "NextHeader": ${row.protocol},\n      "Flags": ${keyFlagsOf(row)}`,
  );
  const seenFlags = new PieceCache<number, CtRow>(
    (row) => `,\n      "TxFlagsSeen": ${row.txFlagsSeen},\n      "RxFlagsSeen": ${row.rxFlagsSeen}`,
  );
  return (row, out) => {
    // In service entries the key's addresses are not swapped, its ports are.
    const isService = row.direction === "service";
    const destination = isService ? row.destination : row.source;
    const source = isService ? row.source : row.destination;
    out.piece(addresses.of(destination, destination));
    out.piece(field.sourceAddress);
    out.piece(addresses.of(source, source));
    writeNumber(field.destinationPort, swap16(isService ? row.sourcePort : row.destinationPort), out);
    writeNumber(field.sourcePort, swap16(isService ? row.destinationPort : row.sourcePort), out);
    out.piece(kinds.of((row.protocol << 3) | keyFlagsOf(row), row));
    writeCounter(field.union0, row.union0, out);
    writeCounter(field.backendId, row.backendId ?? 0n, out);
    writeCounter(field.packets, row.packets, out);
    writeCounter(field.bytes, row.bytes, out);
    writeNumber(field.lifetime, row.expiresAtSeconds, out);
    writeNumber(field.flags, row.flags, out);
    writeNumber(field.revNat, swap16(row.revNatId), out);
    writeNumber(field.natPort, swap16(row.natPort ?? 0), out);
    out.piece(seenFlags.of((row.rxFlagsSeen << 8) | row.txFlagsSeen, row));
    writeNumber(field.sourceIdentity, row.sourceIdentity, out);
    writeNumber(field.lastTxReport, row.lastTxReportSeconds, out);
    writeNumber(field.lastRxReport, row.lastRxReportSeconds, out);
    out.piece(field.end);
  };
}

function keyFlagsOf(row: CtRow): number {
  return keyFlags[row.direction] | (row.isRelated ? 2 : 0);
}

function writeNumber(key: TextPiece, value: number, out: TextBuffer): void {
  out.piece(key);
  out.number(value);
}

function writeCounter(key: TextPiece, value: bigint, out: TextBuffer): void {
  out.piece(key);
  out.counter(value);
}

import { swap16 } from "../../lib/bytes.js";
import { type CtColumns, ctDirections } from "../../model/conntrack-columns.js";
import { ctColumnsOf } from "../../model/conntrack-from-rows.js";
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
      for (const columns of ctColumnsOf(rows)) {
        for (let index = 0; index < columns.length; index++) {
          out.piece(isFirst ? first : next);
          isFirst = false;
          writeEntry(columns, index, out);
        }
      }
    },
    end: (out) => out.text(isFirst ? "]\n\n" : "\n]\n\n"),
  };
}

/** By direction, as {@link ctDirections} numbers them. */
const keyFlags = [0, 1, 4] as const;
const service = ctDirections.indexOf("service");

const octets = Array.from({ length: 256 }, (_, octet) => textPiece(`,\n        ${octet}`));
const firstOctets = Array.from({ length: 256 }, (_, octet) => textPiece(`\n        ${octet}`));

function writeOctets(words: Int32Array, index: number, count: number, out: TextBuffer): void {
  for (let byte = 0; byte < 4 * count; byte++) {
    const octet = (words[index * count + (byte >> 2)]! >>> (24 - 8 * (byte & 3))) & 0xff;
    out.piece((byte === 0 ? firstOctets : octets)[octet]!);
  }
}

/** Field by field as Go marshals upstream's structs; ports and ids as the kernel's network-order u16 read in host order. */
function entryWriter(): (columns: CtColumns, index: number, out: TextBuffer) => void {
  const kinds = new PieceCache<number>((bits) => `,\n      "NextHeader": ${bits >> 3},\n      "Flags": ${bits & 7}`);
  const seenFlags = new PieceCache<number>(
    (bits) => `,\n      "TxFlagsSeen": ${bits & 0xff},\n      "RxFlagsSeen": ${bits >> 8}`,
  );
  return (columns, index, out) => {
    const { values, isV6 } = columns;
    // In service entries the key's addresses are not swapped, its ports are.
    const isService = values.direction[index] === service;
    const count = isV6 ? 4 : 1;
    writeOctets(isService ? values.destination : values.source, index, count, out);
    out.piece(field.sourceAddress);
    writeOctets(isService ? values.source : values.destination, index, count, out);
    const [destinationPort, sourcePort] = [values.destinationPort[index]!, values.sourcePort[index]!];
    out.labelled(field.destinationPort, swap16(isService ? sourcePort : destinationPort));
    out.labelled(field.sourcePort, swap16(isService ? destinationPort : sourcePort));
    const flags = keyFlags[values.direction[index]!]! | (values.isRelated[index]! << 1);
    const kind = (values.protocol[index]! << 3) | flags;
    out.piece(kinds.of(kind, kind));
    writeCounter(field.union0, values.union0, index, out);
    if (columns.hasBackendId(index)) writeCounter(field.backendId, values.union1, index, out);
    else out.labelled(field.backendId, 0);
    writeCounter(field.packets, values.packets, index, out);
    writeCounter(field.bytes, values.bytes, index, out);
    out.labelled(field.lifetime, values.expiresAtSeconds[index]!);
    out.labelled(field.flags, values.flags[index]!);
    out.labelled(field.revNat, swap16(values.revNatId[index]!));
    out.labelled(field.natPort, swap16(values.natPort?.[index] ?? 0));
    const seen = (values.rxFlagsSeen[index]! << 8) | values.txFlagsSeen[index]!;
    out.piece(seenFlags.of(seen, seen));
    out.labelled(field.sourceIdentity, values.sourceIdentity[index]!);
    out.labelled(field.lastTxReport, values.lastTxReportSeconds[index]!);
    out.labelled(field.lastRxReport, values.lastRxReportSeconds[index]!);
    out.piece(field.end);
  };
}

function writeCounter(key: TextPiece, words: Uint32Array, index: number, out: TextBuffer): void {
  out.piece(key);
  out.u64(words[2 * index]!, words[2 * index + 1]!);
}

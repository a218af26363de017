import { swap16 } from "../../lib/bytes.js";
import { type CtColumns, ctDirections } from "../../model/conntrack-columns.js";
import { ctColumnsOf } from "../../model/conntrack-from-rows.js";
import type { CtRow } from "../../model/rows.js";
import { isReleaseSince, type UpstreamRelease } from "../../model/upstream-release.js";
import type { BatchPrinter } from "../batch-printer.js";
import { PieceCache } from "../piece-cache.js";
import { type TextBuffer, type TextPiece, textPiece } from "../text-buffer.js";

const first = textPiece('\n  {\n    "Key": {\n      "DestAddr": [');
const next = textPiece(',\n  {\n    "Key": {\n      "DestAddr": [');
const field = {
  sourceAddress: textPiece('\n      ],\n      "SourceAddr": ['),
  destinationPort: textPiece('\n      ],\n      "DestPort": '),
  sourcePort: textPiece(',\n      "SourcePort": '),
  lifetime: textPiece(',\n      "Lifetime": '),
  flags: textPiece(',\n      "Flags": '),
  revNat: textPiece(',\n      "RevNAT": '),
  sourceIdentity: textPiece(',\n      "SourceSecurityID": '),
  lastTxReport: textPiece(',\n      "LastTxReport": '),
  lastRxReport: textPiece(',\n      "LastRxReport": '),
  end: textPiece("\n    }\n  }"),
} as const;

/** What stands before the fields that upstream's structure has called otherwise over the releases. */
interface ValueForm {
  readonly union0: TextPiece;
  readonly union1: TextPiece;
  readonly packets: TextPiece;
  readonly bytes: TextPiece;
  /** The u16 behind the service id. */
  readonly port: TextPiece;
}

const valueStart = '\n    },\n    "Value": {\n      ';
const named = (name: string): TextPiece => textPiece(`,\n      "${name}": `);

function plainForm(
  union0: string,
  [union1, packets, bytes, port]: readonly [string, string, string, string],
): ValueForm {
  return {
    union0: textPiece(`${valueStart}"${union0}": `),
    union1: named(union1),
    packets: named(packets),
    bytes: named(bytes),
    port: named(port),
  };
}

/** Newest first. */
const valueForms: readonly (readonly [since: UpstreamRelease, form: ValueForm])[] = [
  [
    "1.19",
    {
      union0: textPiece(`${valueStart}"Union0": [\n        `),
      union1: textPiece(",\n        "),
      packets: textPiece('\n      ],\n      "Packets": '),
      bytes: named("Bytes"),
      port: named("NatPort"),
    },
  ],
  ["1.18", plainForm("Reserved0", ["BackendID", "Packets", "Bytes", "Reserved4"])],
  ["1.16", plainForm("Reserved0", ["BackendID", "Packets", "Bytes", "IfIndex"])],
  ["1.14", plainForm("RxPackets", ["RxBytes", "TxPackets", "TxBytes", "IfIndex"])],
];

function valueFormOf(release: UpstreamRelease): ValueForm {
  return (valueForms.find(([since]) => isReleaseSince(release, since)) ?? valueForms.at(-1)!)[1];
}

/** `cilium-dbg bpf ct list -o json` */
export function ciliumJsonPrinter(): BatchPrinter<CtRow> {
  const writeEntry = entryWriter();
  let isFirst = true;
  return {
    begin: (out) => out.text("["),
    batch: (rows, out) => {
      for (const columns of ctColumnsOf(rows)) {
        const form = valueFormOf(columns.head.layout.release);
        for (let index = 0; index < columns.length; index++) {
          out.piece(isFirst ? first : next);
          isFirst = false;
          writeEntry(columns, form, index, out);
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
function entryWriter(): (columns: CtColumns, form: ValueForm, index: number, out: TextBuffer) => void {
  const kinds = new PieceCache<number>((bits) => `,\n      "NextHeader": ${bits >> 3},\n      "Flags": ${bits & 7}`);
  const seenFlags = new PieceCache<number>(
    (bits) => `,\n      "TxFlagsSeen": ${bits & 0xff},\n      "RxFlagsSeen": ${bits >> 8}`,
  );
  return (columns, form, index, out) => {
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
    writeCounter(form.union0, values.union0, index, out);
    writeCounter(form.union1, values.union1, index, out);
    writeCounter(form.packets, values.packets, index, out);
    writeCounter(form.bytes, values.bytes, index, out);
    out.labelled(field.lifetime, values.expiresAtSeconds[index]!);
    out.labelled(field.flags, values.flags[index]!);
    out.labelled(field.revNat, swap16(values.revNatId[index]!));
    // Release 1.18 has neither, and keeps the bytes zero.
    out.labelled(form.port, values.interfaceIndex?.[index] ?? swap16(values.natPort?.[index] ?? 0));
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

import type { IpAddress } from "../../lib/ip.js";
import { type CtColumns, ctDirections } from "../../model/conntrack-columns.js";
import { ctFlagNames } from "../../model/conntrack-flags.js";
import { ctColumnsOf } from "../../model/conntrack-from-rows.js";
import { secondsUntil } from "../../model/node-clock.js";
import { protocolName } from "../../model/protocol-names.js";
import type { CtRow } from "../../model/rows.js";
import { upstreamAddress } from "../../model/upstream-address.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import type { BatchPrinter } from "../batch-printer.js";
import type { CiliumContext, CiliumFormat, EntryWriter } from "../list-format.js";
import { addressWriter } from "../lists/address-writers.js";
import { PieceCache } from "../piece-cache.js";
import { type TextBuffer, type TextPiece, textPiece } from "../text-buffer.js";
import { ciliumJsonPrinter } from "./conntrack-json.js";
import { MapEnds } from "./map-ends.js";

/**
 * `cilium-dbg bpf ct list`: one line an entry, an empty line after each map. Every line ends in a blank. Entries with
 * protocol 0 are left out of the text, but not of the JSON.
 */
export const ciliumConntrack: CiliumFormat<CtRow> = { text: textPrinter, json: ciliumJsonPrinter };

function textPrinter(context: CiliumContext): BatchPrinter<CtRow> {
  const writerOf = entryWriter(context.hasTimeDiff === true);
  const ends = new MapEnds();
  return {
    batch: (rows, out) => {
      for (const columns of ctColumnsOf(rows)) {
        out.text(ends.before(`${columns.head.map}/${columns.head.clusterId ?? 0}`, columns.head.node));
        const { protocol } = columns.values;
        const writeEntry = writerOf(columns);
        for (let index = 0; index < columns.length; index++) if (protocol[index] !== 0) writeEntry(index, out);
      }
    },
    end: async (out) => out.text(ends.last((await context.status()).mapsRead)),
  };
}

const directionTexts = { out: "OUT", in: "IN", service: "SVC" } as const;
const field = {
  colon: textPiece(":"),
  arrow: textPiece(" -> "),
  expires: textPiece(" expires="),
  relatedExpires: textPiece(" related expires="),
  packets: textPiece(" Packets="),
  bytes: textPiece(" Bytes="),
  rxPackets: textPiece(" RxPackets="),
  rxBytes: textPiece(" RxBytes="),
  txPackets: textPiece(" TxPackets="),
  txBytes: textPiece(" TxBytes="),
  sourceIdentity: textPiece(" SourceSecurityID="),
  interfaceIndex: textPiece(" IfIndex="),
  backendId: textPiece(" BackendID="),
  natPort: textPiece(" NatPort="),
  end: textPiece(" \n"),
} as const;

function entryWriter(hasTimeDiff: boolean): (columns: CtColumns) => EntryWriter {
  const heads = new PieceCache<number>(
    (bits) => `${protocolName(bits >> 2)} ${directionTexts[ctDirections[bits & 3]!]} `,
  );
  const rxFlags = new PieceCache<number>((byte) => ` RxFlagsSeen=${hexByte(byte)} LastRxReport=`);
  const txFlags = new PieceCache<number>((byte) => ` TxFlagsSeen=${hexByte(byte)} LastTxReport=`);
  const flagTexts = new PieceCache<number>(flagText);
  return (columns) => {
    const { values, head } = columns;
    const nameBits = isReleaseSince(head.layout.release, "1.16") ? 0 : olderNames;
    const clock = hasTimeDiff ? head.clock : undefined;
    const textOf = (address: IpAddress): string => upstreamAddress(address, head.layout.release);
    const writeSource = addressWriter(columns, "source", textOf);
    const writeDestination = addressWriter(columns, "destination", textOf);
    return (index, out) => {
      const kind = (values.protocol[index]! << 2) | values.direction[index]!;
      out.piece(heads.of(kind, kind));
      writeSource(index, out);
      out.labelled(field.colon, values.sourcePort[index]!);
      out.piece(field.arrow);
      writeDestination(index, out);
      out.labelled(field.colon, values.destinationPort[index]!);
      const expiresAt = values.expiresAtSeconds[index]!;
      out.labelled(values.isRelated[index] === 1 ? field.relatedExpires : field.expires, expiresAt);
      if (clock !== undefined) out.text(` (remaining: ${secondsUntil(clock, expiresAt)} sec(s))`);
      writeRxCounters(columns, index, out);
      const rxSeen = values.rxFlagsSeen[index]!;
      out.labelled(rxFlags.of(rxSeen, rxSeen), values.lastRxReportSeconds[index]!);
      if (head.layout.hasRxCounters) {
        writeCounter(field.txPackets, values.packets, index, out);
        writeCounter(field.txBytes, values.bytes, index, out);
      }
      const txSeen = values.txFlagsSeen[index]!;
      out.labelled(txFlags.of(txSeen, txSeen), values.lastTxReportSeconds[index]!);
      const flags = values.flags[index]!;
      out.labelled(flagTexts.of(flags | nameBits, flags | nameBits), values.revNatId[index]!);
      out.labelled(field.sourceIdentity, values.sourceIdentity[index]!);
      writeTail(columns, index, out);
    };
  };
}

/** Up to 1.15 both directions were counted apart. */
function writeRxCounters({ head, values }: CtColumns, index: number, out: TextBuffer): void {
  const isApart = head.layout.hasRxCounters;
  writeCounter(isApart ? field.rxPackets : field.packets, isApart ? values.union0 : values.packets, index, out);
  writeCounter(isApart ? field.rxBytes : field.bytes, isApart ? values.union1 : values.bytes, index, out);
}

/** `IfIndex=` up to 1.17, `BackendID=` from 1.16, `NatPort=` from 1.19. */
function writeTail(columns: CtColumns, index: number, out: TextBuffer): void {
  const { head, values } = columns;
  if (values.interfaceIndex !== undefined) out.labelled(field.interfaceIndex, values.interfaceIndex[index]!);
  if (!head.layout.hasRxCounters) writeCounter(field.backendId, values.union1, index, out);
  if (values.natPort !== undefined) out.labelled(field.natPort, values.natPort[index]!);
  out.piece(field.end);
}

function writeCounter(key: TextPiece, words: Uint32Array, index: number, out: TextBuffer): void {
  out.piece(key);
  out.u64(words[2 * index]!, words[2 * index + 1]!);
}

function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

/** Beside the 16 bits of the flags: the names are those up to 1.15, which call one of them otherwise. */
const olderNames = 1 << 16;

/** `0x0013 [ RxClosing TxClosing SeenNonSyn ]` */
function flagText(bits: number): string {
  const flags = bits & ~olderNames;
  const rename = (name: string): string => (flags !== bits && name === "DSRInternal" ? "DSR" : name);
  const names = ctFlagNames(flags)
    .map((name) => `${rename(name)} `)
    .join("");
  return ` Flags=0x${flags.toString(16).padStart(4, "0")} [ ${names}] RevNAT=`;
}

import type { IpAddress } from "../../lib/ip.js";
import { protocolName } from "../../model/protocol-names.js";
import type { CtRow } from "../../model/rows.js";
import type { CiliumContext, CiliumFormat, RowBatches } from "../list-format.js";

/**
 * `cilium-dbg bpf ct list`: one line an entry, an empty line after each map. Every line ends in a blank. Entries with
 * protocol 0 are left out of the text, but not of the JSON.
 */
export const ciliumConntrack: CiliumFormat<CtRow> = { text: printText, json: printJson };

async function* printText(rows: RowBatches<CtRow>, context: CiliumContext): AsyncGenerator<string> {
  const now = context.monotonicNowSeconds === undefined ? undefined : Math.floor(context.monotonicNowSeconds);
  const flags = new FlagTexts();
  const ends = new MapEnds();
  for await (const batch of rows) {
    let text = "";
    for (const row of batch) {
      text += ends.before(row);
      if (row.protocol !== 0) text += formatEntry(row, flags.of(row), now);
    }
    yield text;
  }
  yield ends.last((await context.status()).mapsRead);
}

/** The empty line after each map. Rows of several nodes may come interleaved; each map gets its one line whatever the order. */
class MapEnds {
  readonly #seen = new Set<string>();
  #map: string | undefined;
  #node: string | undefined;

  /** What stands before the entry: an empty line when it is the first one of another map. */
  before(row: CtRow): string {
    if (row.map === this.#map && row.node === this.#node) return "";
    this.#map = row.map;
    this.#node = row.node;
    const name = `${row.map}@${row.node ?? ""}`;
    if (this.#seen.has(name)) return "";
    this.#seen.add(name);
    return this.#seen.size > 1 ? "\n" : "";
  }

  /** The lines that are still due: of the last map, and of maps without any entry. */
  last(mapsRead: number | undefined): string {
    const maps = Math.max(mapsRead ?? 0, this.#seen.size);
    return "\n".repeat(maps - Math.max(this.#seen.size - 1, 0));
  }
}

const directionTexts = { out: "OUT", in: "IN", service: "SVC" } as const;

function formatEntry(row: CtRow, flags: string, now: number | undefined): string {
  const remaining = now === undefined ? "" : ` (remaining: ${row.expiresAtSeconds - now} sec(s))`;
  return `${protocolName(row.protocol)} ${directionTexts[row.direction]} ${row.source.text}:${row.sourcePort} -> ${row.destination.text}:${row.destinationPort} ${row.isRelated ? "related " : ""}expires=${row.expiresAtSeconds}${remaining} ${formatCounters(row)}Flags=${flags} RevNAT=${row.revNatId} SourceSecurityID=${row.sourceIdentity} ${formatTail(row)}\n`;
}

/** Up to 1.15 both directions were counted apart. */
function formatCounters(row: CtRow): string {
  const rx = `RxFlagsSeen=${hexByte(row.rxFlagsSeen)} LastRxReport=${row.lastRxReportSeconds} `;
  const tx = `TxFlagsSeen=${hexByte(row.txFlagsSeen)} LastTxReport=${row.lastTxReportSeconds} `;
  if (row.rxPackets === undefined) return `Packets=${row.packets} Bytes=${row.bytes} ${rx}${tx}`;
  return `RxPackets=${row.rxPackets} RxBytes=${row.rxBytes ?? 0n} ${rx}TxPackets=${row.packets} TxBytes=${row.bytes} ${tx}`;
}

/** `IfIndex=` up to 1.17, `BackendID=` from 1.16, `NatPort=` from 1.19. */
function formatTail(row: CtRow): string {
  let text = row.interfaceIndex === undefined ? "" : `IfIndex=${row.interfaceIndex} `;
  if (row.backendId !== undefined && row.rxPackets === undefined) text += `BackendID=${row.backendId} `;
  if (row.natPort !== undefined) text += `NatPort=${row.natPort} `;
  return text;
}

const hexBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) => `0x${byte.toString(16).padStart(2, "0")}`);

function hexByte(byte: number): string {
  return hexBytes[byte]!;
}

/** `0x0013 [ RxClosing TxClosing SeenNonSyn ]`, made once for each combination that occurs. */
class FlagTexts {
  readonly #texts = new Map<number, string>();

  of(row: CtRow): string {
    let text = this.#texts.get(row.flags);
    if (text === undefined) {
      text = `0x${row.flags.toString(16).padStart(4, "0")} [ ${row.flagNames.map((name) => `${name} `).join("")}]`;
      this.#texts.set(row.flags, text);
    }
    return text;
  }
}

async function* printJson(rows: RowBatches<CtRow>): AsyncGenerator<string> {
  const arrays = new ByteArrayTexts();
  yield "[";
  let isFirst = true;
  for await (const batch of rows) {
    let text = "";
    for (const row of batch) {
      text += `${isFirst ? "" : ","}\n${formatJsonEntry(row, arrays)}`;
      isFirst = false;
    }
    yield text;
  }
  yield isFirst ? "]\n\n" : "\n]\n\n";
}

const keyFlags = { out: 0, in: 1, service: 4 } as const;

/** Field by field as Go marshals upstream's structs; ports and ids as the kernel's network-order u16 read in host order. */
function formatJsonEntry(row: CtRow, arrays: ByteArrayTexts): string {
  const isService = row.direction === "service";
  // In service entries the key's addresses are not swapped, its ports are.
  const [destination, source] = isService ? [row.destination, row.source] : [row.source, row.destination];
  const [destinationPort, sourcePort] = isService
    ? [row.sourcePort, row.destinationPort]
    : [row.destinationPort, row.sourcePort];
  return `  {
    "Key": {
      "DestAddr": ${arrays.of(destination)},
      "SourceAddr": ${arrays.of(source)},
      "DestPort": ${swap16(destinationPort)},
      "SourcePort": ${swap16(sourcePort)},
      "NextHeader": ${row.protocol},
      "Flags": ${keyFlags[row.direction] | (row.isRelated ? 2 : 0)}
    },
    "Value": {
      "Union0": [
        ${row.union0},
        ${row.backendId ?? 0n}
      ],
      "Packets": ${row.packets},
      "Bytes": ${row.bytes},
      "Lifetime": ${row.expiresAtSeconds},
      "Flags": ${row.flags},
      "RevNAT": ${swap16(row.revNatId)},
      "NatPort": ${swap16(row.natPort ?? 0)},
      "TxFlagsSeen": ${row.txFlagsSeen},
      "RxFlagsSeen": ${row.rxFlagsSeen},
      "SourceSecurityID": ${row.sourceIdentity},
      "LastTxReport": ${row.lastTxReportSeconds},
      "LastRxReport": ${row.lastRxReportSeconds}
    }
  }`;
}

/** Addresses as Go prints byte arrays, made once for each address object: decoders share those. */
class ByteArrayTexts {
  #texts = new Map<IpAddress, string>();

  of(address: IpAddress): string {
    let text = this.#texts.get(address);
    if (text === undefined) {
      if (this.#texts.size >= 32_768) this.#texts = new Map();
      text = `[\n        ${address.bytes.join(",\n        ")}\n      ]`;
      this.#texts.set(address, text);
    }
    return text;
  }
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

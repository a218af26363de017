import { addressPort } from "../../lib/ip.js";
import type { JsonObject, JsonValue } from "../../lib/json-value.js";
import { isUnknownField } from "../../model/conntrack-columns.js";
import { secondsUntil } from "../../model/node-clock.js";
import { protocolName } from "../../model/protocol-names.js";
import type { CtRow } from "../../model/rows.js";
import { ciliumConntrack } from "../cilium/conntrack.js";
import { definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { hex, nameItem, nameText, nodeColumn, orDash, orUnknown } from "./cells.js";
import { directionText, flagText, lastSeenText, remainingText, secondsAgo } from "./conntrack-texts.js";
import { conntrackWriters } from "./conntrack-writers.js";

const lastSeenHeader = "LAST-SEEN";

/** `bpf ct list` */
export const conntrackList: ListFormat<CtRow> = {
  kind: "ConntrackEntryList",
  columns: [
    nodeColumn,
    { header: "PROTO", value: (row) => protocolName(row.protocol) },
    { header: "DIR", value: (row) => directionText(row.direction, row.isRelated) },
    { header: "SOURCE", value: (row) => addressPort(row.source, row.sourcePort) },
    { header: "FROM", value: (row) => nameText(row.sourceName) },
    { header: "DESTINATION", value: (row) => addressPort(row.destination, row.destinationPort) },
    { header: "TO", value: (row) => nameText(row.destinationName) },
    { header: "STATE", value: (row) => row.state },
    {
      header: "EXPIRES",
      value: (row) => remainingText(row.expiresAtSeconds, row.clock),
      sortKey: (row) =>
        row.clock === undefined ? row.expiresAtSeconds : secondsUntil(row.clock, row.expiresAtSeconds),
    },
    {
      header: lastSeenHeader,
      isWide: true,
      value: (row) => lastSeenText(row.clock, lastSeenOf(row)),
      sortKey: (row) => lastSeenOf(row),
    },
    { header: "REVNAT", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
    { header: "IDENTITY", value: (row) => String(row.sourceIdentity), sortKey: (row) => row.sourceIdentity },
    { header: "PACKETS", isWide: true, value: (row) => String(row.packets), sortKey: (row) => row.packets },
    { header: "BYTES", isWide: true, value: (row) => String(row.bytes), sortKey: (row) => row.bytes },
    {
      header: "BACKEND",
      isWide: true,
      value: (row) => (isUnknown(row, "backendId") ? orUnknown(undefined) : String(row.backendId ?? 0n)),
      sortKey: (row) => row.backendId ?? 0n,
    },
    { header: "RX-FLAGS", isWide: true, value: (row) => hex(row.rxFlagsSeen, 2) },
    { header: "TX-FLAGS", isWide: true, value: (row) => hex(row.txFlagsSeen, 2) },
    { header: "FLAGS", isWide: true, value: (row) => flagText(row.flagNames) },
  ],
  item: conntrackItem,
  writers: () => conntrackWriters({ hasAge: false }),
  name: (row) =>
    `conntrackentry/${protocolName(row.protocol).toLowerCase()}-${row.direction}-${addressPort(row.source, row.sourcePort)}-${addressPort(row.destination, row.destinationPort)}`,
  cilium: ciliumConntrack,
};

/** `bpf ct list cluster` */
export const clusterConntrackList: ListFormat<CtRow> = {
  ...conntrackList,
  columns: [
    nodeColumn,
    { header: "CLUSTER", value: (row) => orDash(row.clusterId), sortKey: (row) => row.clusterId ?? 0 },
    ...conntrackList.columns.slice(1),
  ],
};

/** With `--age`: when an entry was seen last is in the table, and in JSON how long ago that is. */
export function withAge(format: ListFormat<CtRow>): ListFormat<CtRow> {
  return {
    ...format,
    columns: format.columns.map((column) => (column.header === lastSeenHeader ? { ...column, isWide: false } : column)),
    item: (row) => definedFields({ ...format.item(row), lastSeenSecondsAgo: secondsAgo(row.clock, lastSeenOf(row)) }),
    writers: () => conntrackWriters({ hasAge: true }),
  };
}

function lastSeenOf({ lastRxReportSeconds, lastTxReportSeconds }: CtRow): number {
  return Math.max(lastRxReportSeconds, lastTxReportSeconds);
}

function conntrackItem(row: CtRow): JsonObject {
  return definedFields({
    node: row.node,
    map: row.map,
    clusterId: row.clusterId,
    protocol: protocolName(row.protocol),
    direction: row.direction,
    related: row.isRelated,
    source: row.source.text,
    sourcePort: row.sourcePort,
    sourceName: nameItem(row.sourceName),
    destination: row.destination.text,
    destinationPort: row.destinationPort,
    destinationName: nameItem(row.destinationName),
    state: row.state,
    expiresAtSeconds: row.expiresAtSeconds,
    packets: jsonCounter(row.packets),
    bytes: jsonCounter(row.bytes),
    rxPackets: known(row, "rxPackets"),
    rxBytes: known(row, "rxBytes"),
    rxFlagsSeen: row.rxFlagsSeen,
    txFlagsSeen: row.txFlagsSeen,
    lastRxReportSeconds: row.lastRxReportSeconds,
    lastTxReportSeconds: row.lastTxReportSeconds,
    flags: row.flagNames,
    revNatId: row.revNatId,
    sourceIdentity: row.sourceIdentity,
    backendId: known(row, "backendId"),
    natPort: known(row, "natPort"),
    interfaceIndex: known(row, "interfaceIndex"),
  });
}

type OptionalField = "rxPackets" | "rxBytes" | "backendId" | "natPort" | "interfaceIndex";

/** Absent where the release has no such field, null where it depends on the release. */
function known(row: CtRow, field: OptionalField): JsonValue | undefined {
  if (isUnknown(row, field)) return null;
  const value = row[field];
  return typeof value === "bigint" ? jsonCounter(value) : value;
}

function isUnknown({ layout, direction }: CtRow, field: OptionalField): boolean {
  return isUnknownField(layout, field, direction);
}

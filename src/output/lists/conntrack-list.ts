import { addressPort } from "../../lib/ip.js";
import type { JsonObject } from "../../lib/json-value.js";
import { protocolName } from "../../model/protocol-names.js";
import type { CtRow } from "../../model/rows.js";
import { ciliumConntrack } from "../cilium/conntrack.js";
import { definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { hex, nameItem, nameText, nodeColumn, orDash } from "./cells.js";
import { directionText, flagText, remainingText } from "./conntrack-texts.js";
import { conntrackWriters } from "./conntrack-writers.js";

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
      value: (row) => remainingText(row.expiresAtSeconds, row.remainingSeconds),
      sortKey: (row) => row.remainingSeconds ?? row.expiresAtSeconds,
    },
    { header: "REVNAT", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
    { header: "IDENTITY", value: (row) => String(row.sourceIdentity), sortKey: (row) => row.sourceIdentity },
    { header: "PACKETS", isWide: true, value: (row) => String(row.packets), sortKey: (row) => row.packets },
    { header: "BYTES", isWide: true, value: (row) => String(row.bytes), sortKey: (row) => row.bytes },
    {
      header: "BACKEND",
      isWide: true,
      value: (row) => String(row.backendId ?? 0n),
      sortKey: (row) => row.backendId ?? 0n,
    },
    { header: "RX-FLAGS", isWide: true, value: (row) => hex(row.rxFlagsSeen, 2) },
    { header: "TX-FLAGS", isWide: true, value: (row) => hex(row.txFlagsSeen, 2) },
    { header: "FLAGS", isWide: true, value: (row) => flagText(row.flagNames) },
  ],
  item: conntrackItem,
  writers: conntrackWriters,
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
    rxPackets: row.rxPackets === undefined ? undefined : jsonCounter(row.rxPackets),
    rxBytes: row.rxBytes === undefined ? undefined : jsonCounter(row.rxBytes),
    rxFlagsSeen: row.rxFlagsSeen,
    txFlagsSeen: row.txFlagsSeen,
    lastRxReportSeconds: row.lastRxReportSeconds,
    lastTxReportSeconds: row.lastTxReportSeconds,
    flags: row.flagNames,
    revNatId: row.revNatId,
    sourceIdentity: row.sourceIdentity,
    backendId: row.backendId === undefined ? undefined : jsonCounter(row.backendId),
    natPort: row.natPort,
    interfaceIndex: row.interfaceIndex,
  });
}

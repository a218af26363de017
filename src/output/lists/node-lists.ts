import { swap16 } from "../../lib/bytes.js";
import { addressPort, type IpAddress } from "../../lib/ip.js";
import { protocolName } from "../../model/protocol-names.js";
import type { FeatureRow, MapFillRow, SockRevNatRow, WhichRow } from "../../model/rows.js";
import { upstreamEnd } from "../../model/upstream-address.js";
import { mapDump } from "../cilium/map-dump.js";
import { definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { hex, l4Item, l4Text, nameItem, nameText, nodeColumn, orDash } from "./cells.js";

function fillPercent(row: MapFillRow): number | undefined {
  return row.entries === undefined || row.maxEntries === 0 ? undefined : (100 * row.entries) / row.maxEntries;
}

/** `bpf map list`: how full each pinned map is. */
export const mapFillList: ListFormat<MapFillRow> = {
  kind: "MapList",
  columns: [
    nodeColumn,
    { header: "NAME", value: (row) => row.name },
    { header: "TYPE", value: (row) => row.type },
    { header: "ENTRIES", align: "right", value: (row) => orDash(row.entries), sortKey: (row) => row.entries ?? -1 },
    { header: "MAX", align: "right", value: (row) => String(row.maxEntries), sortKey: (row) => row.maxEntries },
    {
      header: "FILL",
      align: "right",
      value: (row) => (fillPercent(row) === undefined ? "-" : `${fillPercent(row)!.toFixed(1)}%`),
      sortKey: (row) => fillPercent(row) ?? -1,
    },
    { header: "OWNER", value: (row) => row.owner },
    {
      header: "KEY",
      isWide: true,
      align: "right",
      value: (row) => String(row.keySizeBytes),
      sortKey: (row) => row.keySizeBytes,
    },
    {
      header: "VALUE",
      isWide: true,
      align: "right",
      value: (row) => String(row.valueSizeBytes),
      sortKey: (row) => row.valueSizeBytes,
    },
    { header: "FLAGS", isWide: true, value: (row) => hex(row.flags, 2) },
    { header: "ID", isWide: true, align: "right", value: (row) => String(row.id), sortKey: (row) => row.id },
    { header: "BTF", isWide: true, value: (row) => (row.hasBtf ? "yes" : "no") },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      name: row.name,
      id: row.id,
      type: row.type,
      keySizeBytes: row.keySizeBytes,
      valueSizeBytes: row.valueSizeBytes,
      entries: row.entries,
      maxEntries: row.maxEntries,
      flags: row.flags,
      hasBtf: row.hasBtf,
      owner: row.owner,
    }),
  name: (row) => `map/${row.name}`,
};

/** `features` */
export const featureList: ListFormat<FeatureRow> = {
  kind: "FeatureList",
  columns: [
    nodeColumn,
    { header: "FEATURE", value: (row) => row.name },
    { header: "AVAILABLE", value: (row) => (row.isAvailable ? "yes" : "NO") },
    { header: "SINCE", value: (row) => row.since },
    { header: "COST-WHEN-MISSING", value: (row) => row.costWhenMissing },
    { header: "PROBED", isWide: true, value: (row) => row.probed },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      name: row.name,
      available: row.isAvailable,
      probed: row.probed,
      costWhenMissing: row.costWhenMissing,
      since: row.since,
    }),
  name: (row) => `feature/${row.name}`,
};

/** `which` */
export const whichList: ListFormat<WhichRow> = {
  kind: "WhichList",
  columns: [
    nodeColumn,
    { header: "PROTO", value: (row) => protocolName(row.protocol) },
    { header: "SOURCE", value: (row) => addressPort(row.source, row.sourcePort) },
    { header: "FROM", value: (row) => nameText(row.sourceName) },
    { header: "DIALLED", value: (row) => (row.frontend === undefined ? "-" : l4Text(row.frontend)) },
    { header: "SERVICE", value: (row) => nameText(row.frontendName) },
    { header: "BACKEND", value: (row) => l4Text(row.backend) },
    { header: "POD", value: (row) => nameText(row.backendName) },
    { header: "ON-NODE", value: (row) => orDash(row.backendNode) },
    {
      header: "PROCESS",
      value: (row) => (row.process === undefined ? "-" : `${row.process.command}(${row.process.pid})`),
    },
    { header: "LIVE", value: (row) => (row.isLive ? "live" : "recent") },
    { header: "VERDICT", value: (row) => row.verdict },
    { header: "EVIDENCE", value: (row) => row.evidence.join("; ") },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      protocol: protocolName(row.protocol),
      source: row.source.text,
      sourcePort: row.sourcePort,
      sourceName: nameItem(row.sourceName),
      frontend: row.frontend === undefined ? undefined : l4Item(row.frontend),
      frontendName: nameItem(row.frontendName),
      backend: l4Item(row.backend),
      backendName: nameItem(row.backendName),
      backendNode: row.backendNode,
      process: row.process === undefined ? undefined : { pid: row.process.pid, command: row.process.command },
      live: row.isLive,
      verdict: row.verdict,
      evidence: row.evidence,
    }),
  name: (row) => `connection/${addressPort(row.source, row.sourcePort)}-${l4Text(row.backend)}`,
};

/** The socket LB's reverse map. */
export const sockRevNatList: ListFormat<SockRevNatRow> = {
  kind: "SocketRevNatList",
  columns: [
    nodeColumn,
    { header: "COOKIE", value: (row) => String(row.cookie), sortKey: (row) => row.cookie },
    { header: "BACKEND", value: (row) => addressPort(row.backend, row.backendPort) },
    { header: "TO", value: (row) => nameText(row.backendName) },
    { header: "FRONTEND", value: (row) => addressPort(row.frontend, row.frontendPort) },
    { header: "SERVICE", value: (row) => nameText(row.serviceName) },
    { header: "REVNAT", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      cookie: jsonCounter(row.cookie),
      backend: row.backend.text,
      backendPort: row.backendPort,
      backendName: nameItem(row.backendName),
      frontend: row.frontend.text,
      frontendPort: row.frontendPort,
      service: nameItem(row.serviceName),
      revNatId: row.revNatId,
    }),
  name: (row) => `socketrevnat/${row.cookie}`,
  cilium: mapDump({
    keyTitle: "Socket Cookie",
    valueTitle: "Backend -> Frontend",
    key: (row) => String(row.cookie),
    value: (row) => {
      const backend = ciliumSocketEnd(row, row.backend, row.backendPort);
      return `${backend} -> ${ciliumSocketEnd(row, row.frontend, row.frontendPort)} (revnat=${swap16(row.revNatId)})`;
    },
    isMissingEmpty: true,
  }),
};

/**
 * Upstream's tool prints the structure as it lies in the map: numbers in network order are read in the node's, and its Go
 * type of the ports is signed.
 */
function ciliumSocketEnd({ release }: SockRevNatRow, address: IpAddress, port: number): string {
  return upstreamEnd(address, asInt16(swap16(port)), release);
}

function asInt16(value: number): number {
  return (value << 16) >> 16;
}

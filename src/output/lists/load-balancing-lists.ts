import { protocolName } from "../../model/protocol-names.js";
import type { LbBackendRow, LbServiceRow, RevNatRow } from "../../model/rows.js";
import { mapDump } from "../cilium/map-dump.js";
import { definedFields, type JsonObject, type ListFormat } from "../list-format.js";
import { addressPort, hex, l4Item, l4Text, nameItem, nameText, nodeColumn } from "./cells.js";

const serviceTitle = "SERVICE ADDRESS";
const backendTitle = "BACKEND ADDRESS (REVNAT_ID) (SLOT)";

/** `10.96.0.10:53/UDP (1)`, with `/i` before the slot for the internal scope. */
function serviceKey(row: LbServiceRow): string {
  return `${l4Text(row)}${row.scope === "internal" ? "/i" : ""} (${row.slot})`;
}

function serviceName(row: LbServiceRow): string {
  return `lbservice/${l4Text(row)}${row.scope === "internal" ? "/i" : ""}-${row.slot}`;
}

function serviceItem(row: LbServiceRow): JsonObject {
  const isMaster = row.slot === 0;
  return definedFields({
    node: row.node,
    frontend: l4Item(row),
    service: nameItem(row.serviceName),
    scope: row.scope,
    slot: row.slot,
    type: row.serviceType,
    flags: row.flagTexts,
    revNatId: row.revNatId,
    count: isMaster ? row.count : undefined,
    quarantinedCount: isMaster ? row.quarantinedCount : undefined,
    affinityTimeoutSeconds: isMaster ? row.affinityTimeoutSeconds : undefined,
    algorithm: isMaster ? row.algorithm : undefined,
    l7ProxyPort: isMaster && row.l7ProxyPort > 0 ? row.l7ProxyPort : undefined,
    backendId: isMaster ? undefined : row.backendId,
    backend: row.backend === undefined ? undefined : l4Item(row.backend),
    backendName: nameItem(row.backendName),
  });
}

/** The entry that keeps packets to ports which a Service does not have from being routed: upstream's wildcard. */
function isOtherPorts(row: LbServiceRow): boolean {
  return row.slot === 0 && row.port === 0 && row.protocol === 0;
}

function targetText(row: LbServiceRow): string {
  if (isOtherPorts(row)) return "(other ports: dropped)";
  if (row.slot === 0) return row.count === 0 ? "(no backends)" : `(${row.count} backends)`;
  return row.backend === undefined ? `backend ${row.backendId} not found` : l4Text(row.backend);
}

/** Upstream's value text of one entry. The blank after the flags of a master is upstream's. */
function ciliumValue(row: LbServiceRow): string {
  if (row.slot > 0) {
    if (row.backend === undefined) return `backend ${row.backendId} not found`;
    return `${l4Text(row.backend)} (${row.revNatId}) (${row.slot})`;
  }
  const none = row.address.family === 6 ? "[::]:0" : "0.0.0.0:0";
  const proxy = row.l7ProxyPort > 0 ? `(L7LB Proxy Port: ${row.l7ProxyPort})` : "";
  return `${none} (${row.revNatId}) (${row.slot}) [${row.flagTexts.join(", ")}] ${proxy}`;
}

/** `bpf lb list` */
export const lbServiceList: ListFormat<LbServiceRow> = {
  kind: "LbServiceList",
  columns: [
    nodeColumn,
    { header: "FRONTEND", value: l4Text },
    { header: "SERVICE", value: (row) => nameText(row.serviceName) },
    { header: "SLOT", value: (row) => String(row.slot), sortKey: (row) => row.slot },
    { header: "BACKEND", value: targetText },
    { header: "TO", value: (row) => nameText(row.backendName) },
    { header: "REVNAT", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
    { header: "FLAGS", value: (row) => (row.slot === 0 ? row.flagTexts.join(",") : "-") },
    { header: "SCOPE", isWide: true, value: (row) => row.scope },
    {
      header: "AFFINITY",
      isWide: true,
      value: (row) => (row.affinityTimeoutSeconds > 0 ? `${row.affinityTimeoutSeconds}s` : "-"),
    },
    { header: "ALGORITHM", isWide: true, value: (row) => (row.slot === 0 ? row.algorithm : "-") },
  ],
  item: serviceItem,
  name: serviceName,
  cilium: mapDump({ keyTitle: serviceTitle, valueTitle: backendTitle, key: serviceKey, value: ciliumValue }),
};

/** `bpf lb list --frontends`: the entries as the map holds them. */
export const lbFrontendList: ListFormat<LbServiceRow> = {
  kind: "LbFrontendList",
  columns: [
    nodeColumn,
    { header: "FRONTEND", value: l4Text },
    { header: "SERVICE", value: (row) => nameText(row.serviceName) },
    { header: "SLOT", value: (row) => String(row.slot), sortKey: (row) => row.slot },
    { header: "BACKEND-ID", value: (row) => String(row.backendId), sortKey: (row) => row.backendId },
    { header: "COUNT", value: (row) => String(row.count), sortKey: (row) => row.count },
    { header: "QUARANTINED", value: (row) => String(row.quarantinedCount), sortKey: (row) => row.quarantinedCount },
    { header: "REVNAT", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
    { header: "FLAGS", value: (row) => `${hex(row.flags, 2)} ${hex(row.flags2, 2)}` },
    { header: "FLAG-NAMES", isWide: true, value: (row) => row.flagTexts.join(",") },
  ],
  item: serviceItem,
  name: serviceName,
  cilium: mapDump({
    keyTitle: serviceTitle,
    valueTitle: "BACKEND ID",
    key: serviceKey,
    value: (row) =>
      `${row.union0} ${row.count}[${row.quarantinedCount}] (${row.revNatId}) [0x${row.flags.toString(16)} 0x${row.flags2.toString(16)}]`,
  }),
};

/** `bpf lb list --backends` */
export const lbBackendList: ListFormat<LbBackendRow> = {
  kind: "LbBackendList",
  columns: [
    nodeColumn,
    { header: "ID", value: (row) => String(row.backendId), sortKey: (row) => row.backendId },
    { header: "BACKEND", value: l4Text },
    { header: "NAME", value: (row) => nameText(row.backendName) },
    { header: "STATE", value: (row) => row.state },
    {
      header: "CLUSTER",
      isWide: true,
      value: (row) => String(row.clusterId ?? "?"),
      sortKey: (row) => row.clusterId ?? 0,
    },
    { header: "ZONE", isWide: true, value: (row) => String(row.zone), sortKey: (row) => row.zone },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      id: row.backendId,
      ...l4Item(row),
      state: row.state,
      clusterId: row.clusterId,
      zone: row.zone,
      name: nameItem(row.backendName),
    }),
  name: (row) => `lbbackend/${row.backendId}`,
  // Upstream prints the protocol and the address here and leaves the port out.
  cilium: mapDump({
    keyTitle: "ID",
    valueTitle: backendTitle,
    key: (row) => String(row.backendId),
    value: (row) => `${protocolName(row.protocol)}://${row.address.text}${row.zone > 0 ? `[${row.zone}]` : ""}`,
  }),
};

/** `bpf lb list --revnat` */
export const revNatList: ListFormat<RevNatRow> = {
  kind: "RevNatList",
  columns: [
    nodeColumn,
    { header: "ID", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
    { header: "FRONTEND", value: (row) => addressPort(row.address, row.port) },
    { header: "SERVICE", value: (row) => nameText(row.serviceName) },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      id: row.revNatId,
      address: row.address.text,
      port: row.port,
      service: nameItem(row.serviceName),
    }),
  name: (row) => `revnat/${row.revNatId}`,
  cilium: mapDump({
    keyTitle: "ID",
    valueTitle: backendTitle,
    key: (row) => String(row.revNatId),
    value: (row) => addressPort(row.address, row.port),
  }),
};

import { addressPort, joinHostPort } from "../../lib/ip.js";
import type { JsonObject } from "../../lib/json-value.js";
import type { NumberedService, SourceRangeRow } from "../../model/lb-rows.js";
import { protocolName } from "../../model/protocol-names.js";
import type { LbBackendRow, LbServiceRow, RevNatRow } from "../../model/rows.js";
import { upstreamAddress, upstreamPrefix } from "../../model/upstream-address.js";
import { isReleaseSince, type UpstreamRelease } from "../../model/upstream-release.js";
import { mapDump } from "../cilium/map-dump.js";
import { type Column, definedFields, type ListFormat } from "../list-format.js";
import { clusterSuffix, hex, l4Item, l4Text, nameItem, nameText, nodeColumn, orUnknown } from "./cells.js";

const serviceTitle = "SERVICE ADDRESS";
const backendTitle = "BACKEND ADDRESS (REVNAT_ID) (SLOT)";

type Backend = NonNullable<LbServiceRow["backend"]>;

/** `10.96.0.10:53/UDP (1)`, with `/i` before the slot for the internal scope; the protocol since 1.17. */
function ciliumKey(row: LbServiceRow): string {
  return `${ciliumAddress(row, row, "1.20")}${row.scope === "internal" ? "/i" : ""} (${row.slot})`;
}

/** Upstream puts any address of an IPv6 service in brackets, also that of an IPv4 backend; since 1.18 with its cluster. */
function ciliumAddress(
  row: LbServiceRow,
  { address, port, protocol, clusterId }: Backend,
  netipSince: UpstreamRelease,
): string {
  const cluster = isReleaseSince(row.release, "1.18") ? clusterSuffix(clusterId) : "";
  const text = `${upstreamAddress(address, row.release, netipSince)}${cluster}`;
  const host = row.address.family === 6 ? `[${text}]` : text;
  return `${host}:${port}${isReleaseSince(row.release, "1.17") ? `/${protocolName(protocol)}` : ""}`;
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
    return `${ciliumAddress(row, row.backend, "1.18")} (${row.revNatId}) (${row.slot})`;
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
  cilium: mapDump({
    keyTitle: serviceTitle,
    valueTitle: backendTitle,
    key: ciliumKey,
    value: ciliumValue,
    isMissingEmpty: true,
  }),
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
    isMissingEmpty: true,
    key: ciliumKey,
    value: (row) => {
      const quarantined = isReleaseSince(row.release, "1.17") ? `[${row.quarantinedCount}]` : "";
      return `${row.union0} ${row.count}${quarantined} (${row.revNatId}) [${hex(row.flags, 1)} ${hex(row.flags2, 1)}]`;
    },
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
      value: (row) => orUnknown(row.clusterId),
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
      clusterId: row.clusterId ?? null,
      zone: row.zone,
      name: nameItem(row.backendName),
    }),
  name: (row) => `lbbackend/${row.backendId}`,
  // Upstream prints the protocol and the address here and leaves the port out.
  cilium: mapDump({
    keyTitle: "ID",
    valueTitle: backendTitle,
    isMissingEmpty: true,
    key: (row) => String(row.backendId),
    value: (row) =>
      `${protocolName(row.protocol)}://${row.address.text}${clusterSuffix(row.clusterId)}${zoneSuffix(row)}`,
  }),
};

export const serviceColumns: readonly Column<NumberedService>[] = [
  { header: "REVNAT", value: (row) => String(row.revNatId), sortKey: (row) => row.revNatId },
  {
    header: "FRONTEND",
    value: ({ frontend }) => (frontend === undefined ? "-" : addressPort(frontend.address, frontend.port)),
  },
  { header: "SERVICE", value: (row) => nameText(row.serviceName) },
];

export function serviceFields({ revNatId, frontend, serviceName }: NumberedService): JsonObject {
  return definedFields({
    revNatId,
    frontend: frontend === undefined ? undefined : { address: frontend.address.text, port: frontend.port },
    service: nameItem(serviceName),
  });
}

/** Upstream puts the zone's name in the brackets, which is in its agent's configuration and never known to the tool. */
function zoneSuffix({ zone }: LbBackendRow): string {
  return zone > 0 ? "[]" : "";
}

/** `bpf lb list --source-ranges` */
export const sourceRangeList: ListFormat<SourceRangeRow> = {
  kind: "SourceRangeList",
  columns: [nodeColumn, { header: "RANGE", value: (row) => row.prefix.text }, ...serviceColumns],
  item: (row) => definedFields({ node: row.node, prefix: row.prefix.text, ...serviceFields(row) }),
  name: (row) => `sourcerange/${row.prefix.text}-${row.revNatId}`,
  cilium: mapDump({
    keyTitle: "SOURCE RANGE (REVNAT_ID)",
    valueTitle: "",
    isMissingEmpty: true,
    key: (row) => `${upstreamPrefix(row.prefix, row.release)} (${row.revNatId})`,
    value: () => "",
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
    isMissingEmpty: true,
    key: (row) => String(row.revNatId),
    value: (row) => joinHostPort(upstreamAddress(row.address, row.release), row.port),
  }),
};

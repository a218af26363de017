import type { IpAddress } from "../../lib/ip.js";
import {
  type EndpointRow,
  enforcementText,
  type IpcacheRow,
  type LocalEndpointRow,
  type TunnelRow,
} from "../../model/rows.js";
import { upstreamAddress } from "../../model/upstream-address.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import { collectingPrinter } from "../batch-printer.js";
import { ciliumEndpoints } from "../cilium/agent-lists.js";
import { mapDump } from "../cilium/map-dump.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { clusterSuffix, hex, nameItem, nameText, nodeColumn, orDash, orUnknown } from "./cells.js";

/** `bpf ipcache list` and `bpf ipcache get` */
export const ipcacheList: ListFormat<IpcacheRow> = {
  kind: "IpcacheEntryList",
  columns: [
    nodeColumn,
    { header: "PREFIX", value: (row) => row.prefix.text },
    { header: "NAME", value: (row) => nameText(row.name) },
    { header: "IDENTITY", value: (row) => String(row.identity), sortKey: (row) => row.identity },
    { header: "TUNNEL", value: (row) => orDash(row.tunnelEndpoint?.text) },
    { header: "FLAGS", value: (row) => row.flagNames.join(",") || "-" },
    { header: "KEY", isWide: true, value: (row) => String(row.encryptKey), sortKey: (row) => row.encryptKey },
    {
      header: "CLUSTER",
      isWide: true,
      value: (row) => orUnknown(row.clusterId),
      sortKey: (row) => row.clusterId ?? 0,
    },
    { header: "LABELS", isWide: true, value: (row) => row.labels?.join(",") ?? "-" },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      prefix: row.prefix.text,
      clusterId: row.clusterId ?? null,
      identity: row.identity,
      labels: row.labels,
      name: nameItem(row.name),
      tunnelEndpoint: row.tunnelEndpoint?.text,
      encryptKey: row.encryptKey,
      flags: row.flagNames,
    }),
  name: (row) => `ipcacheentry/${row.prefix.text}${clusterSuffix(row.clusterId)}`,
  cilium: mapDump({
    keyTitle: "IP PREFIX/ADDRESS",
    valueTitle: "IDENTITY",
    key: (row) => `${row.prefix.text}${clusterSuffix(row.clusterId)}`,
    value: ciliumIpcacheValue,
    isEmptySilent: true,
  }),
};

/** `bpf ipcache get`: upstream says a sentence of the address that was asked for. */
export function ipcacheAnswer(address: IpAddress): ListFormat<IpcacheRow> {
  const text = (rows: readonly IpcacheRow[]): string =>
    rows.map((row) => `${address} maps to identity ${ciliumIpcacheValue(row)}\n`).join("");
  return { ...ipcacheList, cilium: { ...ipcacheList.cilium!, text: () => collectingPrinter(text) } };
}

/** Flags since 1.16, which put a comma before them. */
function ciliumIpcacheValue(row: IpcacheRow): string {
  const none = row.flagNames.includes("ipv6tunnel") ? "::" : "0.0.0.0";
  const value = `identity=${row.identity} encryptkey=${row.encryptKey} tunnelendpoint=${row.tunnelEndpoint?.text ?? none}`;
  if (!isReleaseSince(row.release, "1.16")) return value;
  return `${value}${isReleaseSince(row.release, "1.17") ? "" : ","} flags=${row.flagNames.join(",") || "<none>"}`;
}

/** `bpf endpoint list` */
export const localEndpointList: ListFormat<LocalEndpointRow> = {
  kind: "LocalEndpointList",
  columns: [
    nodeColumn,
    { header: "ADDRESS", value: (row) => row.address.text },
    { header: "NAME", value: (row) => (row.isHost ? "(localhost)" : nameText(row.name)) },
    { header: "ENDPOINT", value: (row) => String(row.endpointId), sortKey: (row) => row.endpointId },
    { header: "IDENTITY", value: (row) => String(row.identity), sortKey: (row) => row.identity },
    { header: "IFINDEX", value: (row) => String(row.interfaceIndex), sortKey: (row) => row.interfaceIndex },
    { header: "MAC", value: (row) => row.mac },
    { header: "NODE-MAC", isWide: true, value: (row) => row.nodeMac },
    { header: "FLAGS", isWide: true, value: (row) => hex(row.flags, 4) },
    { header: "PARENT-IFINDEX", isWide: true, value: (row) => String(row.parentInterfaceIndex) },
    { header: "CLUSTER", isWide: true, value: (row) => orUnknown(row.clusterId), sortKey: (row) => row.clusterId ?? 0 },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      address: row.address.text,
      host: row.isHost,
      name: nameItem(row.name),
      endpointId: row.endpointId,
      identity: row.identity,
      flags: row.flags,
      interfaceIndex: row.interfaceIndex,
      mac: row.mac,
      nodeMac: row.nodeMac,
      parentInterfaceIndex: row.parentInterfaceIndex,
      clusterId: row.clusterId ?? null,
    }),
  name: (row) => `localendpoint/${row.address.text}`,
  cilium: mapDump({
    keyTitle: "IP ADDRESS",
    valueTitle: "LOCAL ENDPOINT INFO",
    key: (row) => `${upstreamAddress(row.address, row.release, "1.19")}${clusterSuffix(row.clusterId)}:${row.key}`,
    value: (row) => (row.isHost ? "(localhost)" : ciliumEndpointInfo(row)),
  }),
};

/** The parent's interface since 1.17, what routes it since 1.20. */
function ciliumEndpointInfo(row: LocalEndpointRow): string {
  const padded = (value: number, width: number): string => String(value).padEnd(width);
  const flags = row.flags.toString(16).toUpperCase().padStart(4, "0");
  const parts = [
    `id=${padded(row.endpointId, 5)} sec_id=${padded(row.identity, 5)} flags=0x${flags}`,
    `ifindex=${padded(row.interfaceIndex, 3)} mac=${row.mac} nodemac=${row.nodeMac}`,
    isReleaseSince(row.release, "1.17") ? `parent_ifindex=${padded(row.parentInterfaceIndex, 3)}` : [],
    isReleaseSince(row.release, "1.20") ? `rt_info:${row.routeInfo}` : [],
  ];
  return parts.flat().join(" ");
}

/** `bpf tunnel list`: upstream's `TUNNEL VALUE`, and more with `-o wide`. */
export const tunnelList: ListFormat<TunnelRow> = {
  kind: "TunnelList",
  columns: [
    { ...nodeColumn, isWide: true },
    { header: "TUNNEL", value: (row) => row.prefix.address.text },
    { header: "VALUE", value: (row) => `${row.tunnelEndpoint.text}:${row.encryptKey}` },
    { header: "POD-CIDR", isWide: true, value: (row) => row.prefix.text },
    { header: "REMOTE-NODE", isWide: true, value: (row) => orDash(row.remoteNode) },
    { header: "IDENTITY", isWide: true, value: (row) => orDash(row.identity), sortKey: (row) => row.identity ?? 0 },
    { header: "FROM", isWide: true, value: (row) => row.origin },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      prefix: row.prefix.text,
      clusterId: row.clusterId ?? null,
      tunnelEndpoint: row.tunnelEndpoint.text,
      remoteNode: row.remoteNode,
      encryptKey: row.encryptKey,
      identity: row.identity,
      origin: row.origin,
    }),
  name: (row) => `tunnel/${row.prefix.text}`,
  cilium: mapDump({
    keyTitle: "TUNNEL",
    valueTitle: "VALUE",
    key: (row) => `${row.prefix.address.unmappedText}${clusterSuffix(row.clusterId)}`,
    value: (row) => `${row.tunnelEndpoint.unmappedText}:${row.encryptKey}`,
  }),
};

/** `endpoint list`, `endpoint get` */
export const endpointList: ListFormat<EndpointRow> = {
  kind: "EndpointList",
  columns: [
    nodeColumn,
    { header: "ENDPOINT", value: (row) => String(row.id), sortKey: (row) => row.id },
    { header: "NAMESPACE", value: (row) => orDash(row.podNamespace) },
    { header: "POD", value: (row) => orDash(row.podName) },
    { header: "IPV4", value: (row) => orDash(row.ipv4) },
    { header: "IPV6", isWide: true, value: (row) => orDash(row.ipv6) },
    { header: "IDENTITY", value: (row) => String(row.identity), sortKey: (row) => row.identity },
    { header: "INGRESS", value: (row) => enforcementText(row.policyEnforcement, "ingress") },
    { header: "EGRESS", value: (row) => enforcementText(row.policyEnforcement, "egress") },
    { header: "STATE", value: (row) => row.state },
    { header: "INTERFACE", isWide: true, value: (row) => orDash(row.interfaceName) },
    { header: "MAC", isWide: true, value: (row) => orDash(row.mac) },
    { header: "LABELS", isWide: true, value: (row) => row.identityLabels.join(",") || "-" },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      id: row.id,
      podNamespace: row.podNamespace,
      podName: row.podName,
      ipv4: row.ipv4,
      ipv6: row.ipv6,
      identity: row.identity,
      identityLabels: row.identityLabels,
      policyEnforcement: row.policyEnforcement,
      state: row.state,
      containerId: row.containerId,
      containerInterface: row.containerInterface,
      interfaceName: row.interfaceName,
      interfaceIndex: row.interfaceIndex,
      mac: row.mac,
      hostMac: row.hostMac,
    }),
  name: (row) => `endpoint/${row.id}`,
  cilium: ciliumEndpoints,
};

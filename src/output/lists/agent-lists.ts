import { identityScope, wellKnownComponent } from "../../model/identity.js";
import { protocolName } from "../../model/protocol-names.js";
import type { IdentityRow, NodeRow, ServiceBackend, ServiceRow } from "../../model/rows.js";
import { ciliumIdentities, ciliumNodes, ciliumServices } from "../cilium/agent-lists.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { frontendText, l4Item, l4Text, nameItem, nameText, nodeColumn, orDash } from "./cells.js";

function backendText(backend: ServiceBackend): string {
  const text = l4Text(backend);
  return backend.state === "active" ? text : `${text} (${backend.state})`;
}

/** `service list` */
export const serviceList: ListFormat<ServiceRow> = {
  kind: "ServiceList",
  columns: [
    nodeColumn,
    { header: "ID", value: (row) => String(row.id), sortKey: (row) => row.id },
    { header: "NAMESPACE", value: (row) => orDash(row.namespace) },
    { header: "NAME", value: (row) => orDash(row.name) },
    { header: "TYPE", value: (row) => row.serviceType },
    { header: "FRONTEND", value: frontendText },
    { header: "BACKENDS", value: (row) => row.backends.map(backendText).join(",") || "<none>" },
    {
      header: "PODS",
      isWide: true,
      value: (row) => row.backends.map((backend) => nameText(backend.podName)).join(",") || "-",
    },
    {
      header: "AFFINITY",
      isWide: true,
      value: (row) => (row.affinityTimeoutSeconds > 0 ? `${row.affinityTimeoutSeconds}s` : "-"),
    },
    { header: "EXT-POLICY", isWide: true, value: (row) => row.externalTrafficPolicy },
    { header: "INT-POLICY", isWide: true, value: (row) => row.internalTrafficPolicy },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      id: row.id,
      namespace: row.namespace,
      name: row.name,
      type: row.serviceType,
      frontend: l4Item(row.frontend),
      scope: row.scope,
      backends: row.backends.map((backend) =>
        definedFields({
          address: backend.address.text,
          port: backend.port,
          protocol: protocolName(backend.protocol),
          state: backend.state,
          nodeName: backend.nodeName,
          pod: nameItem(backend.podName),
        }),
      ),
      externalTrafficPolicy: row.externalTrafficPolicy,
      internalTrafficPolicy: row.internalTrafficPolicy,
      affinityTimeoutSeconds: row.affinityTimeoutSeconds,
      healthCheckNodePort: row.healthCheckNodePort,
    }),
  name: (row) => `service/${row.id}`,
  cilium: ciliumServices,
};

/** `identity list` */
export const identityList: ListFormat<IdentityRow> = {
  kind: "IdentityList",
  columns: [
    { header: "ID", value: (row) => String(row.id), sortKey: (row) => row.id },
    { header: "LABELS", value: (row) => row.labels.join(",") || "-" },
    { header: "ENDPOINTS", isWide: true, value: (row) => orDash(row.endpoints), sortKey: (row) => row.endpoints ?? 0 },
    { header: "SCOPE", isWide: true, value: ({ id }) => identityScope(id) },
    { header: "COMPONENT", isWide: true, value: ({ id }) => orDash(wellKnownComponent(id)) },
  ],
  item: ({ id, labels, labelsSha256, endpoints }) =>
    definedFields({
      id,
      labels,
      labelsSha256,
      endpoints,
      scope: identityScope(id),
      component: wellKnownComponent(id),
    }),
  name: (row) => `identity/${row.id}`,
  cilium: ciliumIdentities,
};

/** `node list` */
export const nodeList: ListFormat<NodeRow> = {
  kind: "NodeList",
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "IPV4", value: (row) => orDash(row.ipv4) },
    { header: "POD-CIDR", value: (row) => orDash(row.ipv4PodCidr) },
    { header: "IPV6", isWide: true, value: (row) => orDash(row.ipv6) },
    { header: "POD-CIDR6", isWide: true, value: (row) => orDash(row.ipv6PodCidr) },
    { header: "SOURCE", value: (row) => row.source },
    { header: "ADDRESSES", isWide: true, value: (row) => row.secondaryAddresses?.join(",") || "-" },
  ],
  item: (row) =>
    definedFields({
      name: row.name,
      ipv4: row.ipv4,
      ipv4PodCidr: row.ipv4PodCidr,
      ipv6: row.ipv6,
      ipv6PodCidr: row.ipv6PodCidr,
      source: row.source,
      secondaryAddresses: row.secondaryAddresses,
      healthIpv4: row.healthIpv4,
      healthIpv6: row.healthIpv6,
    }),
  name: (row) => `node/${row.name}`,
  cilium: ciliumNodes,
};

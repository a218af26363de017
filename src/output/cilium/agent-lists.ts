import { addressPort } from "../../lib/ip.js";
import type { JsonObject, JsonValue } from "../../lib/json-value.js";
import { protocolName } from "../../model/protocol-names.js";
import {
  type EndpointRow,
  enforcementText,
  type IdentityRow,
  type NodeRow,
  type ServiceBackend,
  type ServiceRow,
} from "../../model/rows.js";
import { compareBytes } from "../go-json.js";
import { definedFields } from "../list-format.js";
import { frontendText } from "../lists/cells.js";
import { collectedTable } from "./collected.js";

/** `cilium-dbg service list`: sorted by id, one line a backend. */
export const ciliumServices = collectedTable<ServiceRow>({
  minWidth: 5,
  lines: (rows) => ["ID\tFrontend\tService Type\tBackend\t", ...byId(agentServices(rows)).flatMap(serviceLines)],
  items: (rows) =>
    byId(agentServices(rows)).map((row) => {
      const spec = serviceSpec(row);
      return { spec, status: { realized: spec } };
    }),
});

/**
 * What upstream's agent calls its services: a port of the whole node is one, at the surrogate address, though the maps
 * have an entry for each address of the node.
 */
function agentServices(rows: readonly ServiceRow[]): readonly ServiceRow[] {
  const key = ({ node, frontend, scope }: ServiceRow): string =>
    [node, frontend.address.family, frontend.port, frontend.protocol, scope].join();
  const nodeWide = rows.filter(({ frontend }) => surrogates.has(frontend.address.text));
  const keys = new Set(nodeWide.map(key));
  const isOfNode = ({ serviceType }: ServiceRow): boolean => serviceType === "NodePort" || serviceType === "HostPort";
  return rows.filter((row) => !isOfNode(row) || surrogates.has(row.frontend.address.text) || !keys.has(key(row)));
}

const surrogates: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

function serviceLines(row: ServiceRow): readonly string[] {
  const backends = row.backends.map((backend, index) => {
    const port = `${addressPort(backend.address, backend.port)}/${protocolName(backend.protocol)}`;
    return `${index + 1} => ${port} (${backend.state})`;
  });
  const [first = "", ...others] = backends;
  return [
    `${row.id}\t${frontendText(row)}\t${row.serviceType}\t${first}\t`,
    ...others.map((text) => `\t\t\t${text}\t`),
  ];
}

function serviceSpec(row: ServiceRow): JsonObject {
  const { frontend } = row;
  return {
    // A Go slice without elements.
    "backend-addresses": row.backends.length === 0 ? null : row.backends.map(backendSpec),
    flags: definedFields({
      extTrafficPolicy: row.externalTrafficPolicy,
      healthCheckNodePort: row.healthCheckNodePort,
      intTrafficPolicy: row.internalTrafficPolicy,
      name: row.name,
      namespace: row.namespace,
      trafficPolicy: row.externalTrafficPolicy,
      type: row.serviceType,
    }),
    "frontend-address": {
      ip: frontend.address.text,
      port: frontend.port,
      protocol: protocolName(frontend.protocol),
      scope: row.scope,
    },
    id: row.id,
  };
}

function backendSpec(backend: ServiceBackend): JsonValue {
  return definedFields({
    ip: backend.address.text,
    nodeName: backend.nodeName,
    port: backend.port,
    // Without clustermesh affinity every backend is preferred, and only weights of 100 occur.
    preferred: true,
    protocol: protocolName(backend.protocol),
    state: backend.state,
    weight: 100,
  });
}

/** `cilium-dbg identity list`: one label a line, sorted. */
export const ciliumIdentities = collectedTable<IdentityRow>({
  minWidth: 2,
  lines: (rows) => [
    "ID\tLABELS",
    ...byId(rows).flatMap((row) => {
      const [first = "", ...others] = [...row.labels].sort(compareBytes);
      return [`${row.id}\t${first}`, ...others.map((label) => `\t${label}`)];
    }),
  ],
  items: (rows) =>
    byId(rows).map((row) => definedFields({ id: row.id, labels: row.labels, labelsSHA256: row.labelsSha256 })),
});

/** `cilium-dbg node list` */
export const ciliumNodes = collectedTable<NodeRow>({
  minWidth: 2,
  lines: (rows) => [
    "Name\tIPv4 Address\tEndpoint CIDR\tIPv6 Address\tEndpoint CIDR\tSource",
    ...rows
      .map((row) =>
        [row.name, row.ipv4, row.ipv4PodCidr, row.ipv6, row.ipv6PodCidr, row.source]
          .map((cell) => cell ?? "")
          .join("\t"),
      )
      .sort(compareBytes),
  ],
  items: (rows) => [...rows].sort((a, b) => compareBytes(a.name, b.name)).map(nodeItem),
});

function nodeItem(row: NodeRow): JsonObject {
  const address = (ip: string | undefined, range?: string): JsonObject | undefined =>
    ip === undefined ? undefined : definedFields({ "alloc-range": range, enabled: true, ip });
  const hasHealth = row.healthIpv4 !== undefined || row.healthIpv6 !== undefined;
  return definedFields({
    "health-endpoint-address": hasHealth
      ? definedFields({ ipv4: address(row.healthIpv4), ipv6: address(row.healthIpv6) })
      : undefined,
    name: row.name,
    "primary-address": definedFields({
      ipv4: address(row.ipv4, row.ipv4PodCidr),
      ipv6: address(row.ipv6, row.ipv6PodCidr),
    }),
    "secondary-addresses": (row.secondaryAddresses ?? []).map((ip) => ({ ip })),
    source: row.source,
  });
}

/** `cilium-dbg endpoint list`: two header lines, one label a line. JSON has the fields that an endpoint of ours knows. */
export const ciliumEndpoints = collectedTable<EndpointRow>({
  minWidth: 5,
  lines: (rows) => [
    "ENDPOINT\tPOLICY (ingress)\tPOLICY (egress)\tIDENTITY\tLABELS (source:key[=value])\tIPv6\tIPv4\tSTATUS\t",
    // One tab fewer than the rows, so that the last column of the header is aligned apart from theirs.
    "\tENFORCEMENT\tENFORCEMENT\t\t\t\t\t",
    ...byId(rows).flatMap(endpointLines),
  ],
  items: (rows) => byId(rows).map(endpointItem),
});

function endpointLines(row: EndpointRow): readonly string[] {
  const [ingress, egress] = (["ingress", "egress"] as const).map((direction) =>
    enforcementText(row.policyEnforcement, direction),
  );
  const [first = "no labels", ...others] = [...row.identityLabels].sort(compareBytes);
  const identity = row.identity === 0 ? "<no label id>" : String(row.identity);
  const head = `${row.id}\t${ingress}\t${egress}\t${identity}\t${first}`;
  return [
    `${head}\t${row.ipv6 ?? ""}\t${row.ipv4 ?? ""}\t${row.state}\t`,
    ...others.map((label) => `\t\t\t\t${label}\t\t\t\t`),
  ];
}

function endpointItem(row: EndpointRow): JsonObject {
  const pod = row.podName === undefined ? undefined : `${row.podNamespace ?? ""}/${row.podName}`;
  const container = row.containerId;
  return {
    id: row.id,
    status: {
      "external-identifiers": definedFields({
        "cni-attachment-id": container === undefined ? undefined : `${container}:${row.containerInterface ?? "eth0"}`,
        "container-id": container,
        "k8s-namespace": row.podNamespace,
        "k8s-pod-name": row.podName,
        "pod-name": pod,
      }),
      identity: { id: row.identity, labels: row.identityLabels },
      labels: { realized: {}, "security-relevant": row.identityLabels },
      networking: definedFields({
        addressing: [definedFields({ ipv4: row.ipv4, ipv6: row.ipv6 })],
        "container-interface-name": row.containerInterface,
        "host-mac": row.hostMac,
        "interface-index": row.interfaceIndex,
        "interface-name": row.interfaceName,
        mac: row.mac,
      }),
      policy: { realized: { id: row.identity, "policy-enabled": row.policyEnforcement } },
      state: row.state,
    },
  };
}

function byId<Row extends { readonly id: number }>(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => a.id - b.id);
}

import type { CiliumEndpoint, KubePod } from "../../model/kubernetes.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { EndpointRecord } from "./endpoint-record.js";

/** What this node publishes of a pod's endpoint, in upstream's fields, so that other nodes learn address → identity. */
export function desiredCiliumEndpoint(
  record: EndpointRecord,
  pod: KubePod | undefined,
  node: LocalNode,
): CiliumEndpoint {
  const namedPorts = (pod?.spec.containers ?? []).flatMap((container) =>
    (container.ports ?? []).flatMap((port) =>
      port.name === undefined
        ? []
        : [{ name: port.name, port: port.containerPort, protocol: port.protocol ?? ("TCP" as const) }],
    ),
  );
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEndpoint",
    metadata: {
      name: record.podName,
      namespace: record.podNamespace,
      ...(pod?.metadata.labels === undefined ? {} : { labels: pod.metadata.labels }),
      ...(record.podUid === undefined ? {} : { ownerReferences: [podReference(record, record.podUid)] }),
    },
    status: {
      id: record.endpointId,
      "external-identifiers": {
        "cni-attachment-id": `${record.containerId}:${record.ifName}`,
        "container-id": record.containerId,
        "k8s-namespace": record.podNamespace,
        "k8s-pod-name": record.podName,
        "pod-name": `${record.podNamespace}/${record.podName}`,
      },
      identity: { id: record.identity, labels: record.labels },
      networking: { addressing: [addressPair(record)], node: node.internalIp.text },
      ...(namedPorts.length === 0 ? {} : { "named-ports": namedPorts }),
      state: "ready",
    },
  };
}

/** As objects and reports of upstream have them. */
export function addressPair({ addresses }: Pick<EndpointRecord, "addresses">): {
  readonly ipv4?: string;
  readonly ipv6?: string;
} {
  return Object.fromEntries(addresses.map(({ family, text }) => [`ipv${family}`, text]));
}

function podReference(
  record: EndpointRecord,
  uid: string,
): { apiVersion: string; kind: string; name: string; uid: string } {
  return { apiVersion: "v1", kind: "Pod", name: record.podName, uid };
}

/** Whether what is published says the same already. */
export function isPublished(published: CiliumEndpoint, desired: CiliumEndpoint): boolean {
  const essence = (endpoint: CiliumEndpoint): string =>
    canonicalJson([endpoint.status, endpoint.metadata.labels ?? {}, endpoint.metadata.ownerReferences ?? []]);
  return essence(published) === essence(desired);
}

/** JSON with sorted keys: a source need not keep their order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

import { stringify } from "yaml";
import { modes, portOf, serverCommand } from "./traffic.js";

export const localServiceAddress = "10.96.200.1";
export const remoteServiceAddress = "10.96.200.2";

export const benchNamespace = "bench";
const namespace = benchNamespace;

export function pod(name: string, app: string, nodeName: string, command: readonly string[]): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app } },
    spec: { nodeName, containers: [{ name: "main", command: [...command] }] },
  };
}

/** A Service of the pods of an app by its own name, with a port for each mode. */
export function service(name: string, clusterIP: string): object {
  const ports = modes.map((mode) => ({
    name: mode.toLowerCase().replace("_", "-"),
    protocol: mode === "UDP_RR" ? "UDP" : "TCP",
    port: portOf(mode),
    targetPort: portOf(mode),
  }));
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { clusterIP, selector: { app: name }, ports },
  };
}

/** What a lab has besides that which all have. */
export interface LabExtras {
  readonly objects?: readonly object[];
  /** Of `cilium-config`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The lab that is measured, as manifests. */
export function labManifests(socketLoadBalancing: boolean, { objects = [], settings = {} }: LabExtras = {}): string {
  const node = (name: string): object => ({ apiVersion: "v1", kind: "Node", metadata: { name } });
  const documents = [
    node("bench-1"),
    node("bench-2"),
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "cilium-config", namespace: "kube-system" },
      data: {
        "bpf-lb-sock": `${socketLoadBalancing}`,
        // Room for 50,000 Services of one port and two backends each, four entries a Service; the default holds 65,536 in all.
        "bpf-lb-service-map-max": "262144",
        // Half a million connections must fit with room to spare: the map is an LRU.
        "bpf-ct-global-tcp-max": "1048576",
        "bpf-lb-service-backend-map-max": "65535",
        "bpf-lb-rev-nat-map-max": "65535",
        ...settings,
      },
    },
    pod("client", "client", "bench-1", ["/bin/sleep", "infinity"]),
    ...[1, 2].map((index) => pod(`local-${index}`, "local", "bench-1", serverCommand)),
    ...[1, 2].map((index) => pod(`remote-${index}`, "remote", "bench-2", serverCommand)),
    service("local", localServiceAddress),
    service("remote", remoteServiceAddress),
    ...objects,
  ];
  return documents.map((document) => stringify(document)).join("---\n");
}

import { stringify } from "yaml";
import type { IpFamily } from "../../src/lib/ip.js";
import { modes, portOf, serverCommandOf } from "./traffic.js";

/** Of the measured Services. */
export const serviceAddresses = {
  4: { local: "10.96.200.1", remote: "10.96.200.2" },
  6: { local: "fd00:10:96::c801", remote: "fd00:10:96::c802" },
} as const satisfies Readonly<Record<IpFamily, unknown>>;

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
    spec: { clusterIP, ipFamilies: [clusterIP.includes(":") ? "IPv6" : "IPv4"], selector: { app: name }, ports },
  };
}

/** What a lab has besides that which all have. */
export interface LabExtras {
  readonly objects?: readonly object[];
  /** Of `cilium-config`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the measured Services: IPv4 where none is named. */
  readonly family?: IpFamily;
}

/** The lab that is measured, as manifests. */
export function labManifests(socketLoadBalancing: boolean, extras: LabExtras = {}): string {
  const { objects = [], settings = {}, family = 4 } = extras;
  const addresses = serviceAddresses[family];
  const server = serverCommandOf[family];
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
        "enable-ipv6": `${family === 6}`,
        ...settings,
      },
    },
    pod("client", "client", "bench-1", ["/bin/sleep", "infinity"]),
    ...[1, 2].map((index) => pod(`local-${index}`, "local", "bench-1", server)),
    ...[1, 2].map((index) => pod(`remote-${index}`, "remote", "bench-2", server)),
    service("local", addresses.local),
    service("remote", addresses.remote),
    ...objects,
  ];
  return documents.map((document) => stringify(document)).join("---\n");
}

import { StateError } from "../lib/errors.js";
import { type IpAddress, IpPrefix } from "../lib/ip.js";
import { objectKey } from "../model/kube-object.js";
import type { KubeService, ServicePort } from "../model/kubernetes.js";

/** The usual service range of kubeadm; its first addresses are kept free, as Kubernetes does for static use. */
export const SERVICE_CIDR = IpPrefix.parse("10.96.0.0/12");
const FIRST_OFFSET = 256;
const RANGE = 2 ** 20 - FIRST_OFFSET - 1;
const FIRST_NODE_PORT = 30_000;
const NODE_PORTS = 2_768;

/** What is handed out already, whoever asked for it. */
export interface TakenAddresses {
  readonly clusterIps: ReadonlySet<string>;
  readonly nodePorts: ReadonlySet<number>;
}

/** Keeps {@link TakenAddresses} up to date, change by change: with 50,000 Services nobody counts them anew for each. */
export class TakenAddressBook implements TakenAddresses {
  readonly clusterIps = new Set<string>();
  readonly nodePorts = new Set<number>();

  update(before: KubeService | undefined, after: KubeService | undefined): void {
    if (before !== undefined) {
      for (const address of clusterIpsOf(before)) this.clusterIps.delete(address);
      for (const port of nodePortsOf(before)) this.nodePorts.delete(port);
    }
    if (after === undefined) return;
    for (const address of clusterIpsOf(after)) this.clusterIps.add(address);
    for (const port of nodePortsOf(after)) this.nodePorts.add(port);
  }
}

function clusterIpsOf({ spec }: KubeService): readonly string[] {
  return spec.clusterIP === undefined ? [] : [spec.clusterIP];
}

function nodePortsOf({ spec }: KubeService): readonly number[] {
  return (spec.ports ?? []).flatMap((port) => port.nodePort ?? []);
}

/** FNV-1a: spreads names over the range, so that a Service that is made anew gets its old address. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const char of text) value = Math.imul(value ^ char.codePointAt(0)!, 0x01000193) >>> 0;
  return value;
}

function chooseClusterIp(key: string, taken: ReadonlySet<string>): string {
  const start = hash(key) % RANGE;
  for (let i = 0; i < RANGE; i++) {
    const address: IpAddress | undefined = SERVICE_CIDR.at(FIRST_OFFSET + ((start + i) % RANGE));
    if (address !== undefined && !taken.has(address.text)) return address.text;
  }
  throw new StateError("service-range-full", `every address of ${SERVICE_CIDR} is taken`);
}

function choosePorts(key: string, ports: readonly ServicePort[], taken: ReadonlySet<number>): readonly ServicePort[] {
  const used = new Set(taken);
  return ports.map((port) => {
    if (port.nodePort !== undefined) return port;
    const start = hash(`${key}:${port.name ?? ""}:${port.port}`) % NODE_PORTS;
    for (let i = 0; i < NODE_PORTS; i++) {
      const nodePort = FIRST_NODE_PORT + ((start + i) % NODE_PORTS);
      if (used.has(nodePort)) continue;
      used.add(nodePort);
      return { ...port, nodePort };
    }
    throw new StateError("node-ports-full", "every node port from 30000 to 32767 is taken");
  });
}

/** The Service with the addresses that the API server would hand out; the same object when it has them all. */
export function withServiceAddresses(service: KubeService, taken: TakenAddresses): KubeService {
  const { type = "ClusterIP", clusterIP, ports = [] } = service.spec;
  if (type === "ExternalName") return service;
  const key = objectKey(service.metadata);
  const wantsNodePorts = type === "NodePort" || type === "LoadBalancer";
  const needsNodePorts = wantsNodePorts && ports.some((port) => port.nodePort === undefined);
  if (clusterIP !== undefined && clusterIP !== "" && !needsNodePorts) return service;
  const address = clusterIP === undefined || clusterIP === "" ? chooseClusterIp(key, taken.clusterIps) : clusterIP;
  return {
    ...service,
    spec: {
      ...service.spec,
      clusterIP: address,
      clusterIPs: [address],
      ...(needsNodePorts ? { ports: choosePorts(key, ports, taken.nodePorts) } : {}),
    },
  };
}

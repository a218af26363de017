import { StateError } from "../lib/errors.js";
import { IpAddress, type IpFamily, IpPrefix } from "../lib/ip.js";
import { objectKey } from "../model/kube-object.js";
import type { KubeService, ServicePort, ServiceSpec } from "../model/kubernetes.js";
import { clusterIpsOf, serviceFamilies } from "../model/service-families.js";

/** The usual service ranges of kubeadm and kind; their first addresses are kept free, as Kubernetes does for static use. */
export const serviceCidrs: Readonly<Record<IpFamily, IpPrefix>> = {
  4: IpPrefix.parse("10.96.0.0/12"),
  6: IpPrefix.parse("fd00:10:96::/112"),
};
const FIRST_OFFSET = 256;
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
      for (const address of clusterIpsOf(before.spec)) this.clusterIps.delete(address);
      for (const port of nodePortsOf(before)) this.nodePorts.delete(port);
    }
    if (after === undefined) return;
    for (const address of clusterIpsOf(after.spec)) this.clusterIps.add(address);
    for (const port of nodePortsOf(after)) this.nodePorts.add(port);
  }
}

function nodePortsOf({ spec }: KubeService): readonly number[] {
  const health = spec.healthCheckNodePort === undefined ? [] : [spec.healthCheckNodePort];
  return [...(spec.ports ?? []).flatMap((port) => port.nodePort ?? []), ...health];
}

/** FNV-1a: spreads names over the range, so that a Service that is made anew gets its old address. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const char of text) value = Math.imul(value ^ char.codePointAt(0)!, 0x01000193) >>> 0;
  return value;
}

function chooseClusterIp(key: string, family: IpFamily, taken: ReadonlySet<string>): string {
  const prefix = serviceCidrs[family];
  const range = 2 ** (prefix.address.bitLength - prefix.length) - FIRST_OFFSET - 1;
  const start = hash(key) % range;
  for (let i = 0; i < range; i++) {
    const address = prefix.at(FIRST_OFFSET + ((start + i) % range))!;
    if (!taken.has(address.text)) return address.text;
  }
  throw new StateError("service-range-full", `every address of ${prefix} is taken`);
}

function choosePorts(key: string, ports: readonly ServicePort[], taken: ReadonlySet<number>): readonly ServicePort[] {
  const used = new Set(taken);
  return ports.map((port) => {
    if (port.nodePort !== undefined) return port;
    const nodePort = chooseNodePort(`${key}:${port.name ?? ""}:${port.port}`, used);
    used.add(nodePort);
    return { ...port, nodePort };
  });
}

function chooseNodePort(key: string, used: ReadonlySet<number>): number {
  const start = hash(key) % NODE_PORTS;
  for (let i = 0; i < NODE_PORTS; i++) {
    const nodePort = FIRST_NODE_PORT + ((start + i) % NODE_PORTS);
    if (!used.has(nodePort)) return nodePort;
  }
  throw new StateError("node-ports-full", "every node port from 30000 to 32767 is taken");
}

/** {@link serviceFamilies} of a lab's Service. @throws StateError `service-families` for what the lab does not have */
export function requireServiceFamilies(service: KubeService, families: readonly IpFamily[]): readonly IpFamily[] {
  const found = serviceFamilies(service.spec, families);
  if (!("problem" in found)) return found;
  throw new StateError("service-families", `Service ${objectKey(service.metadata)} ${found.problem}`);
}

/** The Service with the addresses that the API server would hand out; the same object when it has them all. */
export function withServiceAddresses(
  service: KubeService,
  taken: TakenAddresses,
  families: readonly IpFamily[],
): KubeService {
  const { type = "ClusterIP", clusterIP, ports = [] } = service.spec;
  if (type === "ExternalName") return service;
  const key = objectKey(service.metadata);
  const wanted = requireServiceFamilies(service, families);
  const clusterIps = clusterIpsOf(service.spec);
  const needsClusterIps = clusterIP !== "None" && clusterIps.length < wanted.length;
  const { allocateLoadBalancerNodePorts = true, externalTrafficPolicy, healthCheckNodePort } = service.spec;
  const wantsNodePorts = type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts);
  const needsNodePorts = wantsNodePorts && ports.some((port) => port.nodePort === undefined);
  const isChecked = type === "LoadBalancer" && externalTrafficPolicy === "Local";
  const needsHealthPort = isChecked && healthCheckNodePort === undefined;
  if (!needsClusterIps && !needsNodePorts && !needsHealthPort) return service;
  const withPorts = needsNodePorts ? choosePorts(key, ports, taken.nodePorts) : ports;
  const used = new Set([...taken.nodePorts, ...withPorts.flatMap(({ nodePort }) => nodePort ?? [])]);
  const known = new Map(clusterIps.map((text) => [IpAddress.tryParse(text)?.family, text]));
  const addresses = wanted.map((family) => known.get(family) ?? chooseClusterIp(key, family, taken.clusterIps));
  return {
    ...service,
    spec: {
      ...service.spec,
      ...(needsClusterIps ? addressFields(service.spec, wanted, addresses) : {}),
      ...(needsNodePorts ? { ports: withPorts } : {}),
      ...(needsHealthPort ? { healthCheckNodePort: chooseNodePort(`${key}:health`, used) } : {}),
    },
  };
}

/** What the API server writes beside a Service's addresses. */
function addressFields(
  { ipFamilyPolicy }: ServiceSpec,
  families: readonly IpFamily[],
  addresses: readonly string[],
): Pick<ServiceSpec, "clusterIP" | "clusterIPs" | "ipFamilies" | "ipFamilyPolicy"> {
  return {
    clusterIP: addresses[0]!,
    clusterIPs: addresses,
    ipFamilies: families.map((family) => `IPv${family}` as const),
    ipFamilyPolicy: ipFamilyPolicy ?? (families.length > 1 ? "RequireDualStack" : "SingleStack"),
  };
}

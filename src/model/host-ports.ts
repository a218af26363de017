import { IpAddress } from "../lib/ip.js";
import { objectKey } from "./kube-object.js";
import type { ContainerPort, KubePod } from "./kubernetes.js";
import type { TranslatedService } from "./load-balancing.js";
import { chooseSlots } from "./load-balancing-backends.js";
import { nodeWideAddresses } from "./load-balancing-frontends.js";
import { plainTraits, traitsOfFrontend } from "./load-balancing-traits.js";
import { serviceFlag } from "./service-flag.js";
import { type ServiceFrontend, type ServiceNode, servicePortProtocols } from "./service-frontend.js";

/** True for a pod of the node that wants ports of it. */
export function hasHostPorts({ spec }: KubePod, nodeName: string): boolean {
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  return spec.nodeName === nodeName && spec.hostNetwork !== true && ports.some(({ hostPort = 0 }) => hostPort !== 0);
}

/** Host ports of a pod of this node: frontends on the node's addresses, or on the one that the pod names. */
export function translateHostPorts(pod: KubePod, node: ServiceNode): TranslatedService {
  const problems: string[] = [];
  const frontends: ServiceFrontend[] = [];
  const isOver = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  if (!hasHostPorts(pod, node.name) || isOver) return { frontends, problems };
  const podAddresses = (pod.status?.podIPs ?? []).flatMap(({ ip }) => IpAddress.tryParse(ip) ?? []);
  const service = objectKey({ namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name });
  for (const port of pod.spec.containers.flatMap((container) => container.ports ?? [])) {
    if (port.hostPort === undefined || port.hostPort === 0) continue;
    const protocol = servicePortProtocols[port.protocol ?? "TCP"];
    const sites = hostAddresses(port, node);
    if (sites === undefined) problems.push(`Pod ${service}: hostIP "${port.hostIP}" is not an address`);
    for (const { address, isLoopback } of sites ?? []) {
      const backend = podAddresses.find(({ family }) => family === address.family);
      if (backend === undefined) continue;
      const site = { type: "HostPort" as const, address, port: port.hostPort, protocol, scope: 0 as const };
      const traits = traitsOfFrontend(site, plainTraits, node);
      frontends.push({
        service,
        ...site,
        ...traits,
        flags: traits.flags | (isLoopback ? serviceFlag.loopback : 0),
        ...chooseSlots([{ address: backend, port: port.containerPort, protocol, state: "active" }]),
      });
    }
  }
  return { frontends, problems };
}

interface HostAddress {
  readonly address: IpAddress;
  readonly isLoopback: boolean;
}

/** A loopback address stands, as upstream has it, under the surrogate: only the node itself can dial it. */
function hostAddresses({ hostIP }: ContainerPort, node: ServiceNode): readonly HostAddress[] | undefined {
  const everywhere = nodeWideAddresses(node).map((address) => ({ address, isLoopback: false }));
  if (hostIP === undefined || hostIP === "") return everywhere;
  const address = IpAddress.tryParse(hostIP);
  if (address === undefined) return undefined;
  if (address.text === "0.0.0.0" || address.text === "::") {
    return everywhere.filter((one) => one.address.family === address.family);
  }
  if (!node.families.includes(address.family)) return [];
  const isLoopback = address.family === 4 ? address.bytes[0] === 127 : address.text === "::1";
  if (!isLoopback) return [{ address, isLoopback }];
  return [{ address: IpAddress.parse(address.family === 4 ? "0.0.0.0" : "::"), isLoopback }];
}

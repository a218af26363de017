import { IpAddress } from "../lib/ip.js";
import type { FrontendKey } from "./datapath-port.js";
import type { KubeService, ServicePort } from "./kubernetes.js";
import { type FrontendType, type ServiceNode, servicePortProtocols } from "./service-frontend.js";

/** An address and port where a Service answers. */
export interface FrontendSite extends FrontendKey {
  readonly type: FrontendType;
  readonly servicePort: ServicePort;
  /** Only backends of the own node serve it. */
  readonly isLocalOnly: boolean;
}

/** Upstream's stand-in for "any address of this node", in the socket LB and in binds. */
const surrogates = [IpAddress.parse("0.0.0.0"), IpAddress.parse("::")] as const;

/** Limits the kinds of addresses that a Service answers on: `NodePort`, `ClusterIP,LoadBalancer`. */
const EXPOSURE_ANNOTATION = "service.cilium.io/type";

/** True for `0.0.0.0` and `::`. */
export function isSurrogate(address: IpAddress): boolean {
  return surrogates.some((surrogate) => surrogate.equals(address));
}

/** Where something answers that is bound to the whole node: upstream's surrogate, then every address for node ports. */
export function nodeWideAddresses(node: ServiceNode): readonly IpAddress[] {
  return [...surrogates, ...node.nodePortAddresses].filter((address) => node.families.includes(address.family));
}

/** Every address and port of a Service on a node. */
export function frontendSites(
  service: KubeService,
  node: ServiceNode,
): { readonly sites: readonly FrontendSite[]; readonly problems: readonly string[] } {
  const { spec } = service;
  const problems: string[] = [];
  const isInternalLocal = spec.internalTrafficPolicy === "Local";
  const isExternalLocal = spec.externalTrafficPolicy === "Local";
  const ofCluster = { type: "ClusterIP", scope: 0, isLocalOnly: isInternalLocal } as const;
  /*
   * Where the policies differ there are two entries: the external one for packets from outside, the internal one for pods
   * and the node itself. Upstream sets the flag that says so on externalIPs too and does not write their internal entry, so
   * nothing inside finds them (cilium/cilium#42245); kube-proxy's pods do.
   */
  const outside = (type: FrontendType) => [
    { type, scope: 0 as const, isLocalOnly: isExternalLocal },
    ...(isExternalLocal === isInternalLocal ? [] : [{ type, scope: 1 as const, isLocalOnly: isInternalLocal }]),
  ];
  const sites: FrontendSite[] = [];
  const isExposed = exposure(service);
  for (const servicePort of spec.ports ?? []) {
    const protocol = servicePortProtocols[servicePort.protocol ?? "TCP"];
    const add = (
      kinds: readonly Pick<FrontendSite, "type" | "scope" | "isLocalOnly">[],
      addresses: readonly IpAddress[],
      port: number,
    ): void => {
      for (const kind of kinds) {
        for (const address of addresses) sites.push({ ...kind, address, port, protocol, servicePort });
      }
    };
    if (isExposed("ClusterIP")) add([ofCluster], clusterAddresses(service, node, problems), servicePort.port);
    if (servicePort.nodePort !== undefined && servicePort.nodePort !== 0 && isExposed("NodePort")) {
      add(outside("NodePort"), nodePortAddresses(service, node), servicePort.nodePort);
    }
    if (spec.type === "LoadBalancer" && isExposed("LoadBalancer")) {
      add(outside("LoadBalancer"), loadBalancerAddresses(service, node, problems), servicePort.port);
    }
    const external = parseAddresses("externalIPs", spec.externalIPs ?? [], node, problems);
    add(outside("ExternalIPs"), external, servicePort.port);
  }
  return { sites: distinct(sites, problems), problems };
}

/** A node port that some Service has on a LoadBalancer's address, for example: the first one keeps it. */
function distinct(sites: readonly FrontendSite[], problems: string[]): readonly FrontendSite[] {
  const seen = new Set<string>();
  return sites.filter(({ address, port, protocol, scope }) => {
    const key = `${address.text} ${port} ${protocol} ${scope}`;
    if (seen.has(key)) problems.push(`${address}:${port} is named twice`);
    return !seen.has(key) && seen.add(key);
  });
}

function exposure({ metadata }: KubeService): (type: FrontendType) => boolean {
  const wanted = metadata.annotations?.[EXPOSURE_ANNOTATION];
  if (wanted === undefined) return () => true;
  const types = wanted.split(",").map((word) => word.trim());
  return (type) => types.includes(type);
}

function clusterAddresses({ spec }: KubeService, node: ServiceNode, problems: string[]): readonly IpAddress[] {
  const texts = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  if (texts.length === 0) problems.push("it has no clusterIP yet");
  return parseAddresses("clusterIP", texts, node, problems);
}

function nodePortAddresses({ spec }: KubeService, node: ServiceNode): readonly IpAddress[] {
  if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") return [];
  const texts = spec.ipFamilies ?? (spec.clusterIPs ?? [spec.clusterIP ?? ""]).map(familyOfText);
  return nodeWideAddresses(node).filter((address) => texts.includes(`IPv${address.family}`));
}

function familyOfText(address: string): "IPv4" | "IPv6" {
  return address.includes(":") ? "IPv6" : "IPv4";
}

function loadBalancerAddresses(
  { spec, status }: KubeService,
  node: ServiceNode,
  problems: string[],
): readonly IpAddress[] {
  const ingress = status?.loadBalancer?.ingress ?? [];
  const hasOther = (spec.externalIPs ?? []).length > 0;
  if (ingress.length === 0 && !hasOther) {
    problems.push("it has no address: LB-IPAM is not supported by this version, addresses come from its status");
  }
  const texts = ingress.filter(({ ipMode = "VIP" }) => ipMode === "VIP").flatMap(({ ip }) => ip ?? []);
  return parseAddresses("status.loadBalancer", texts, node, problems);
}

function parseAddresses(
  field: string,
  texts: readonly string[],
  node: ServiceNode,
  problems: string[],
): readonly IpAddress[] {
  return texts.flatMap((text) => {
    const address = IpAddress.tryParse(text);
    if (address === undefined) problems.push(`${field} "${text}" is not an address`);
    else if (isSurrogate(address)) problems.push(`${field} ${text} is the address of no machine`);
    else if (node.families.includes(address.family)) return [address];
    else problems.push(`${field} ${text}: IPv${address.family} is off on this node`);
    return [];
  });
}

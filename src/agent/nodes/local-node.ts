import { AgentError } from "../../lib/errors.js";
import { IpAddress, type IpFamily, IpPrefix } from "../../lib/ip.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { KubeNode } from "../../model/kubernetes.js";
import { AddressPool } from "../ipam/address-pool.js";
import type { LinkFacts } from "../system/ip-batch.js";
import { pathMtu } from "./path-mtu.js";

/** What the pods of a node have of one address family. */
export interface PodRange {
  readonly podCidr: IpPrefix;
  /** Every pod's gateway; on `cilium_host`. */
  readonly ciliumHostIp: IpAddress;
}

/** The node that this agent runs on, as its Node object and its interfaces say. */
export interface LocalNode {
  readonly name: string;
  /** The address that other nodes tunnel to, and that objects of this node name: IPv4 where there is one. */
  readonly internalIp: IpAddress;
  /** One a family, {@link internalIp} first. */
  readonly internalIps: readonly IpAddress[];
  /** One for each family that pods have, IPv4 first; never empty. */
  readonly podRanges: readonly PodRange[];
  /** Every address that means "this node": identity host. */
  readonly addresses: readonly IpAddress[];
  /** The device that holds the internal address. */
  readonly underlayDevice: string;
  readonly mtu: number;
  /** MTU of the pods' routes. */
  readonly routeMtu: number;
  readonly uid?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The part of the Node that must be there before pods can be: undefined while it is not. */
export interface NodeSpec {
  readonly internalIps: readonly IpAddress[];
  /** One for each family that pods have, IPv4 first. */
  readonly podCidrs: readonly IpPrefix[];
}

/** RFC 8200, section 5: with less the kernel takes IPv6 off a device. */
const MIN_IPV6_MTU = 1280;

/** What is still missing of a Node, in words; or its addresses. @throws UsageError for addresses that are none */
export function readNodeSpec(
  node: KubeNode | undefined,
  name: string,
  families: readonly IpFamily[],
): NodeSpec | { readonly missing: string } {
  if (node === undefined) return { missing: `there is no Node ${name}` };
  const internal = (node.status?.addresses ?? [])
    .filter((entry) => entry.type === "InternalIP")
    .map((entry) => IpAddress.parse(entry.address));
  const internalIps = firstOfEach([4, 6], internal, (address) => address.family);
  if (internalIps.length === 0) return { missing: `Node ${name} has no InternalIP in its status` };
  const texts = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
  const podCidrs = firstOfEach(
    families,
    texts.map((text) => IpPrefix.parse(text)),
    (prefix) => prefix.address.family,
  );
  const lacking = families.find((family) => !podCidrs.some((prefix) => prefix.address.family === family));
  if (lacking !== undefined) return { missing: `Node ${name} has no podCIDR of IPv${lacking} yet` };
  return { internalIps, podCidrs };
}

function firstOfEach<T>(families: readonly IpFamily[], all: readonly T[], familyOf: (item: T) => IpFamily): T[] {
  return families.flatMap((family) => all.find((item) => familyOf(item) === family) ?? []);
}

/**
 * @throws AgentError `underlay-device` when no interface of this network namespace holds the Node's InternalIP, `mtu-too-small`
 */
export function describeLocalNode(options: {
  readonly node: KubeNode;
  readonly spec: NodeSpec;
  readonly links: readonly LinkFacts[];
  readonly config: Pick<AgentConfig, "mtu" | "routingMode">;
}): LocalNode {
  const { node, spec, links, config } = options;
  const { name, uid, labels = {} } = node.metadata;
  const internalIp = spec.internalIps[0]!;
  const underlay = findUnderlay(links, internalIp, name);
  const podRanges = spec.podCidrs.map((podCidr) => ({ podCidr, ciliumHostIp: AddressPool.gatewayOf(podCidr) }));
  const families = podRanges.map(({ podCidr }) => podCidr.address.family);
  const own = [...spec.internalIps, ...podRanges.map(({ ciliumHostIp }) => ciliumHostIp)];
  const mtu = config.mtu === 0 ? underlay.mtu : config.mtu;
  const routeMtu = pathMtu(mtu, config.routingMode, internalIp.family);
  if (families.includes(6) && routeMtu < MIN_IPV6_MTU) {
    throw new AgentError("mtu-too-small", `pods would have an MTU of ${routeMtu}; IPv6 needs ${MIN_IPV6_MTU}`, {
      nextSteps: [`Give ${underlay.ifname} a larger MTU than ${mtu}, or set enable-ipv6: "false".`],
    });
  }
  return {
    name,
    internalIp,
    internalIps: spec.internalIps,
    podRanges,
    addresses: [...own, ...otherAddresses(links, own)].filter(({ family }) => families.includes(family)),
    underlayDevice: underlay.ifname,
    mtu,
    routeMtu,
    ...(uid === undefined ? {} : { uid }),
    labels,
  };
}

function findUnderlay(links: readonly LinkFacts[], internalIp: IpAddress, name: string): LinkFacts {
  const holds = (info: { readonly local: string }): boolean =>
    IpAddress.tryParse(info.local)?.equals(internalIp) === true;
  const underlay = links.find((link) => link.addr_info?.some(holds));
  if (underlay !== undefined) return underlay;
  const found = links.flatMap((link) => link.addr_info?.map((info) => `${info.local} on ${link.ifname}`) ?? []);
  throw new AgentError("underlay-device", `no interface has ${internalIp}, InternalIP of ${name}`, {
    hint: "The agent must run in the node's own network namespace, with the name of this node.",
    details: { found },
  });
}

/** Further addresses of this node, without loopback and link-local ones, which never leave it. */
function otherAddresses(links: readonly LinkFacts[], own: readonly IpAddress[]): readonly IpAddress[] {
  return links
    .flatMap((link) => link.addr_info ?? [])
    .map((info) => IpAddress.tryParse(info.local))
    .filter((address): address is IpAddress => address !== undefined)
    .filter((address) => !staysLocal.some((prefix) => prefix.contains(address)))
    .filter((address) => !own.some((known) => known.equals(address)));
}

const staysLocal = ["127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"].map((text) => IpPrefix.parse(text));

import { AgentError } from "../../lib/errors.js";
import { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { KubeNode } from "../../model/kubernetes.js";
import { AddressPool } from "../ipam/address-pool.js";
import type { LinkFacts } from "../system/ip-batch.js";

/** The node that this agent runs on, as its Node object and its interfaces say. */
export interface LocalNode {
  readonly name: string;
  readonly internalIp: IpAddress;
  readonly podCidr: IpPrefix;
  /** Every pod's gateway; on `cilium_host`. */
  readonly ciliumHostIp: IpAddress;
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

/** Outer Ethernet, IPv4, UDP and VXLAN headers (RFC 7348); upstream subtracts the same 50 bytes. */
export const VXLAN_OVERHEAD_BYTES = 50;

/** The part of the Node that must be there before pods can be: undefined while it is not. */
export interface NodeSpec {
  readonly internalIp: IpAddress;
  readonly podCidr: IpPrefix;
}

/** What is still missing of a Node, in words; or its addresses. @throws UsageError for addresses that are none */
export function readNodeSpec(node: KubeNode | undefined, name: string): NodeSpec | { readonly missing: string } {
  if (node === undefined) return { missing: `there is no Node ${name}` };
  const internalIp = node.status?.addresses
    ?.filter((entry) => entry.type === "InternalIP")
    .map((entry) => IpAddress.parse(entry.address))
    .find((address) => address.family === 4);
  if (internalIp === undefined) return { missing: `Node ${name} has no InternalIP of IPv4 in its status` };
  const cidrs = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
  const podCidr = cidrs.map((text) => IpPrefix.parse(text)).find((prefix) => prefix.address.family === 4);
  if (podCidr === undefined) return { missing: `Node ${name} has no podCIDR of IPv4 yet` };
  return { internalIp, podCidr };
}

/** @throws AgentError `underlay-device` when no interface of this network namespace holds the Node's InternalIP */
export function describeLocalNode(options: {
  readonly node: KubeNode;
  readonly spec: NodeSpec;
  readonly links: readonly LinkFacts[];
  /** 0 = as the underlay device. */
  readonly configuredMtu: number;
}): LocalNode {
  const { node, spec, links, configuredMtu } = options;
  const underlay = links.find((link) => link.addr_info?.some((info) => info.local === spec.internalIp.text));
  if (underlay === undefined) {
    const found = links.flatMap((link) => link.addr_info?.map((info) => `${info.local} on ${link.ifname}`) ?? []);
    throw new AgentError(
      "underlay-device",
      `no interface has ${spec.internalIp}, InternalIP of ${node.metadata.name}`,
      {
        hint: "The agent must run in the node's own network namespace, with the name of this node.",
        details: { found },
      },
    );
  }
  const ciliumHostIp = AddressPool.gatewayOf(spec.podCidr);
  const mtu = configuredMtu === 0 ? underlay.mtu : configuredMtu;
  return {
    name: node.metadata.name,
    ...spec,
    ciliumHostIp,
    addresses: [spec.internalIp, ciliumHostIp, ...otherAddresses(links, spec, ciliumHostIp)],
    underlayDevice: underlay.ifname,
    mtu,
    routeMtu: mtu - VXLAN_OVERHEAD_BYTES,
    ...(node.metadata.uid === undefined ? {} : { uid: node.metadata.uid }),
    labels: node.metadata.labels ?? {},
  };
}

/** Further addresses of this node, without loopback and link-local ones, which never leave it. */
function otherAddresses(links: readonly LinkFacts[], spec: NodeSpec, ciliumHostIp: IpAddress): readonly IpAddress[] {
  return links
    .flatMap((link) => link.addr_info ?? [])
    .map((info) => IpAddress.tryParse(info.local))
    .filter((address): address is IpAddress => address?.family === 4)
    .filter((address) => address.bytes[0] !== 127 && !(address.bytes[0] === 169 && address.bytes[1] === 254))
    .filter((address) => !address.equals(spec.internalIp) && !address.equals(ciliumHostIp));
}

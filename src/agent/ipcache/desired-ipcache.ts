import { IpAddress, type IpFamily, IpPrefix } from "../../lib/ip.js";
import type { IpcacheEntry } from "../../model/datapath-port.js";
import {
  HOST_IDENTITY,
  REMOTE_NODE_IDENTITY,
  WORLD_IDENTITY,
  WORLD_IPV4_IDENTITY,
  WORLD_IPV6_IDENTITY,
} from "../../model/identity.js";
import type { CiliumEndpoint, CiliumNode } from "../../model/kubernetes.js";
import { ownIpcacheEntries } from "../endpoints/endpoint-programmer.js";
import type { EndpointRecord } from "../endpoints/endpoint-record.js";
import type { PrefixIdentity } from "../identities/prefix-identities.js";
import type { LocalNode } from "../nodes/local-node.js";

/** What lies outside the cluster is one identity, or with both families one for each. As upstream has it. */
export function worldIdentity(family: IpFamily, families: readonly IpFamily[]): number {
  if (families.length === 1) return WORLD_IDENTITY;
  return family === 4 ? WORLD_IPV4_IDENTITY : WORLD_IPV6_IDENTITY;
}

export interface DesiredIpcache {
  readonly entries: readonly IpcacheEntry[];
  /** Two owners of one address, addresses that are none: one sentence each. */
  readonly problems: readonly string[];
}

export interface IpcacheSources {
  readonly node: LocalNode;
  readonly endpoints: readonly EndpointRecord[];
  /** Of all nodes; those of this node are left out: the node's own endpoints say more. */
  readonly ciliumEndpoints: readonly CiliumEndpoint[];
  readonly ciliumNodes: readonly CiliumNode[];
  /** Prefixes outside the cluster that policies name. */
  readonly prefixes: readonly PrefixIdentity[];
  /** Addresses of other nodes with identities of their own: empty unless rules may name nodes by prefixes. */
  readonly nodePrefixes: readonly PrefixIdentity[];
}

/**
 * Who is behind each address, and through which node it is reached. What comes first wins: this node, its endpoints, then the
 * other nodes, then their endpoints, then what policies name. Same content as upstream writes with the overlay on.
 */
export function desiredIpcache(sources: IpcacheSources): DesiredIpcache {
  const families = sources.node.podRanges.map(({ podCidr }) => podCidr.address.family);
  const builder = new IpcacheBuilder(families, sources.nodePrefixes);
  for (const text of ["0.0.0.0/0", "::/0"]) {
    const prefix = IpPrefix.parse(text);
    builder.add("the world", { prefix, identity: worldIdentity(prefix.address.family, families) });
  }
  for (const address of sources.node.addresses) {
    builder.add(`node ${sources.node.name}`, { prefix: IpPrefix.host(address), identity: HOST_IDENTITY });
  }
  for (const record of sources.endpoints) {
    for (const entry of ownIpcacheEntries(record)) builder.add(`pod ${record.podNamespace}/${record.podName}`, entry);
  }
  for (const node of sources.ciliumNodes) {
    if (node.metadata.name !== sources.node.name) addRemoteNode(builder, node, sources.node);
  }
  for (const endpoint of sources.ciliumEndpoints) addRemoteEndpoint(builder, endpoint, sources.node);
  for (const entry of sources.prefixes) builder.addPrefix(entry);
  return builder.result();
}

function addRemoteNode(builder: IpcacheBuilder, node: CiliumNode, own: LocalNode): void {
  const owner = `node ${node.metadata.name}`;
  const internalIp = node.spec.addresses
    ?.filter((entry) => entry.type === "InternalIP")
    .map((entry) => IpAddress.tryParse(entry.ip))
    .find((address) => address?.family === own.internalIp.family);
  if (internalIp === undefined) {
    builder.problem(`${owner} has no InternalIP of IPv${own.internalIp.family}: its pods are not reachable`);
    return;
  }
  for (const { type, ip } of node.spec.addresses ?? []) {
    const address = IpAddress.tryParse(ip);
    if (address === undefined) builder.problem(`${owner}: "${ip}" is no address`);
    if (address === undefined) continue;
    const prefix = IpPrefix.host(address);
    // The node's own addresses are reached over the underlay; the one on cilium_host lies behind the tunnel.
    if (type === "CiliumInternalIP") {
      builder.add(owner, { prefix, identity: builder.nodeAt(prefix), tunnelEndpoint: internalIp });
    } else if (type !== "Hostname") builder.add(owner, { prefix, identity: builder.nodeAt(prefix) });
  }
  for (const text of node.spec.ipam?.podCIDRs ?? []) {
    const prefix = IpPrefix.tryParse(text);
    if (prefix === undefined) builder.problem(`${owner}: podCIDR "${text}" is no prefix`);
    if (prefix === undefined) continue;
    // Until a pod's own entry arrives, its packets find the node at least.
    builder.add(owner, { prefix, identity: builder.worldOf(prefix), tunnelEndpoint: internalIp });
  }
}

function addRemoteEndpoint(builder: IpcacheBuilder, endpoint: CiliumEndpoint, node: LocalNode): void {
  const { namespace, name } = endpoint.metadata;
  const owner = `pod ${namespace}/${name}`;
  const nodeText = endpoint.status?.networking?.node;
  const identity = endpoint.status?.identity?.id;
  if (nodeText === undefined || identity === undefined || nodeText === node.internalIp.text) return;
  const tunnelEndpoint = IpAddress.tryParse(nodeText);
  if (tunnelEndpoint === undefined) {
    builder.problem(`${owner}: node "${nodeText}" is no address`);
    return;
  }
  const addressing = endpoint.status?.networking?.addressing ?? [];
  for (const text of addressing.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])) {
    if (text === undefined) continue;
    const address = IpAddress.tryParse(text);
    if (address === undefined) builder.problem(`${owner}: "${text}" is no address`);
    else builder.add(owner, { prefix: IpPrefix.host(address), identity, tunnelEndpoint });
  }
}

class IpcacheBuilder {
  readonly #entries = new Map<string, { readonly owner: string; readonly entry: IpcacheEntry }>();
  readonly #problems: string[] = [];
  readonly #families: readonly IpFamily[];
  readonly #nodes: ReadonlyMap<string, number>;

  constructor(families: readonly IpFamily[], nodePrefixes: readonly PrefixIdentity[]) {
    this.#families = families;
    this.#nodes = new Map(nodePrefixes.map(({ prefix, identity }) => [prefix.text, identity]));
  }

  /** Of another node's address. */
  nodeAt({ text }: IpPrefix): number {
    return this.#nodes.get(text) ?? REMOTE_NODE_IDENTITY;
  }

  worldOf({ address }: IpPrefix): number {
    return worldIdentity(address.family, this.#families);
  }

  /** Entries of a family that pods do not have are left out. */
  add(owner: string, entry: IpcacheEntry): void {
    if (!this.#families.includes(entry.prefix.address.family)) return;
    const before = this.#entries.get(entry.prefix.text);
    if (before === undefined) this.#entries.set(entry.prefix.text, { owner, entry });
    else if (before.owner !== owner)
      this.problem(`${entry.prefix} belongs to ${before.owner} and to ${owner}: the first one keeps it`);
  }

  /** What is somebody's in the cluster stays so. A node's podCIDR keeps its tunnel: it is the world but for its pods. */
  addPrefix({ prefix, identity }: PrefixIdentity): void {
    if (!this.#families.includes(prefix.address.family)) return;
    const before = this.#entries.get(prefix.text);
    if (before === undefined) this.#entries.set(prefix.text, { owner: "policies", entry: { prefix, identity } });
    else if (before.entry.identity === this.worldOf(prefix)) {
      this.#entries.set(prefix.text, { owner: before.owner, entry: { ...before.entry, identity } });
    }
  }

  problem(text: string): void {
    this.#problems.push(text);
  }

  result(): DesiredIpcache {
    return { entries: [...this.#entries.values()].map(({ entry }) => entry), problems: this.#problems };
  }
}

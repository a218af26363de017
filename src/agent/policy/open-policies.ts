import { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { DatapathPort } from "../../model/datapath-port.js";
import { hostEndpointLabels } from "../../model/host-endpoint.js";
import { objectKey } from "../../model/kube-object.js";
import type { CiliumNode } from "../../model/kubernetes.js";
import { SelectorCache } from "../../model/policy/selector-cache.js";
import type { AgentCaches } from "../agent-caches.js";
import type { EndpointTable } from "../endpoints/endpoint-table.js";
import { identityScopes, PrefixIdentities } from "../identities/prefix-identities.js";
import { createIpcacheSync } from "../ipcache/ipcache-sync.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { StatusBoard } from "../status/status-board.js";
import { EndpointPolicies } from "./endpoint-policies.js";
import { KnownIdentities } from "./known-identities.js";
import { PolicyBook } from "./policy-book.js";
import { PolicyReconciler } from "./policy-reconciler.js";

export interface Policies {
  readonly book: PolicyBook;
  readonly endpoints: EndpointPolicies;
  readonly selectors: SelectorCache;
  readonly reconciler: PolicyReconciler;
}

export interface OpenPoliciesOptions {
  readonly node: LocalNode;
  readonly config: AgentConfig;
  readonly caches: AgentCaches;
  readonly datapath: DatapathPort;
  readonly table: EndpointTable;
  readonly status: StatusBoard;
}

/** Puts the parts of policy together; numbers of prefixes come back from the ipcache. Nothing is written yet. */
export function openPolicies(options: OpenPoliciesOptions): Policies {
  const { config, caches, datapath, node } = options;
  const families = new Set(node.podRanges.map(({ podCidr }) => podCidr.address.family));
  const selectors = new SelectorCache({ ipv4: families.has(4), ipv6: families.has(6) });
  const standing = datapath.readIpcache();
  const prefixes = new PrefixIdentities(standing);
  const nodePrefixes = new PrefixIdentities(standing, identityScopes.remoteNode);
  const areNodesNamed = config.policyCidrMatchMode === "nodes";
  const hostPrefixes = areNodesNamed ? node.addresses.map((address) => IpPrefix.host(address)) : [];
  const nodeAddresses = () => (areNodesNamed ? addressesOfOthers(caches.ciliumNodes.items().values(), node.name) : []);
  const book = new PolicyBook({ caches, config });
  const identities = new KnownIdentities({ caches, prefixes, nodePrefixes, hostPrefixes, selectors });
  const endpoints = new EndpointPolicies({
    ...{ datapath, selectors, mode: config.enablePolicy, maxEntries: config.policyMapMax },
    allowsLocalHost: config.allowLocalhost !== "policy",
    hostLabels: () => {
      if (!config.enableHostFirewall) return undefined;
      return hostEndpointLabels(caches.nodes.get(node.name)?.metadata.labels ?? node.labels);
    },
    podOf: ({ podNamespace, podName }) => caches.pods.get(objectKey({ namespace: podNamespace, name: podName })),
  });
  const syncIpcache = createIpcacheSync({ ...options, prefixes, nodePrefixes });
  const reconciler = new PolicyReconciler({
    ...{ book, endpoints, identities, prefixes, nodePrefixes, nodeAddresses, syncIpcache },
  });
  return { book, endpoints, selectors, reconciler };
}

function addressesOfOthers(nodes: Iterable<CiliumNode>, own: string): readonly IpPrefix[] {
  const texts = [...nodes]
    .filter(({ metadata }) => metadata.name !== own)
    .flatMap(({ spec }) => (spec.addresses ?? []).filter(({ type }) => type !== "Hostname").map(({ ip }) => ip));
  return [...new Set(texts)].flatMap((text) => {
    const address = IpAddress.tryParse(text);
    return address === undefined ? [] : [IpPrefix.host(address)];
  });
}

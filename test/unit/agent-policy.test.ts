import { beforeEach, describe, expect, it } from "vitest";
import type { AgentCaches } from "../../src/agent/agent-caches.js";
import type { EndpointRecord } from "../../src/agent/endpoints/endpoint-record.js";
import { EndpointTable } from "../../src/agent/endpoints/endpoint-table.js";
import { PrefixIdentities } from "../../src/agent/identities/prefix-identities.js";
import { fitPolicy } from "../../src/agent/policy/fit-policy.js";
import { openPolicies, type Policies } from "../../src/agent/policy/open-policies.js";
import { StatusBoard } from "../../src/agent/status/status-board.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { type AgentConfig, defaultAgentConfig } from "../../src/model/agent-config.js";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { HOST_ENDPOINT_ID } from "../../src/model/host-endpoint.js";
import { type CiliumNode, resourceTypes } from "../../src/model/kubernetes.js";
import type { CiliumNetworkPolicy, CiliumPolicySpec } from "../../src/model/network-policy-objects.js";
import { testNode } from "../support/agent-fixture.js";
import { InMemoryDatapath } from "../support/in-memory-datapath.js";
import { InMemoryInformer } from "../support/in-memory-informer.js";

const namespace = "k8s:io.kubernetes.pod.namespace=shop";
const cluster = "k8s:io.cilium.k8s.policy.cluster=default";
const FIRST_PREFIX = (1 << 24) + 1;

function endpoint(endpointId: number, app: string, identity: number): EndpointRecord {
  return {
    ...{ endpointId, podNamespace: "shop", podName: app, identity, state: "ready", ifindex: 5 },
    addresses: [IpAddress.parse(`10.244.0.${endpointId}`)],
    labels: [`k8s:app=${app}`, cluster, namespace],
    containerId: `c${endpointId}`,
    ifName: "eth0",
  } as unknown as EndpointRecord;
}
const web = endpoint(7, "web", 1007);
const client = endpoint(8, "client", 1008);

function policy(name: string, spec: CiliumPolicySpec): CiliumNetworkPolicy {
  const metadata = { name, namespace: "shop" };
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec };
}
const webSelector = { endpointSelector: { matchLabels: { app: "web" } } };
const fromCidr = (cidr: string) => policy("cidr", { ...webSelector, ingress: [{ fromCIDR: [cidr] }] });
const fromClient = policy("client", {
  ...webSelector,
  ingress: [{ fromEndpoints: [{ matchLabels: { app: "client" } }] }],
});

class Cluster {
  readonly datapath = new InMemoryDatapath();
  readonly table = new EndpointTable();
  readonly ciliumNodes = new InMemoryInformer<CiliumNode>(resourceTypes.ciliumNodes);
  readonly ciliumNetworkPolicies = new InMemoryInformer<CiliumNetworkPolicy>(resourceTypes.ciliumNetworkPolicies);
  policies!: Policies;

  restart(config: Partial<AgentConfig> = {}): void {
    const caches = Object.fromEntries(
      Object.entries(resourceTypes).map(([name, type]) => [name, new InMemoryInformer(type as never)]),
    );
    this.policies = openPolicies({
      node: testNode,
      config: { ...defaultAgentConfig(), ...config },
      caches: {
        ...caches,
        ciliumNodes: this.ciliumNodes,
        ciliumNetworkPolicies: this.ciliumNetworkPolicies,
      } as unknown as AgentCaches,
      datapath: this.datapath,
      table: this.table,
      status: new StatusBoard(["ipcache"]),
    });
    this.policies.reconciler.adopt(this.table.ready());
  }

  async add(...records: readonly EndpointRecord[]): Promise<void> {
    for (const record of records) {
      this.table.set(record);
      await this.policies.reconciler.admit(record);
    }
    await this.reconcile();
  }

  reconcile(): Promise<readonly string[]> {
    return this.policies.reconciler.reconcile();
  }

  /** What a packet to web from an address meets now. */
  isAllowed(source: string): boolean {
    const address = IpAddress.parse(source);
    const [nearest] = this.datapath
      .readIpcache()
      .filter(({ prefix }) => prefix.contains(address))
      .sort((a, b) => b.prefix.length - a.prefix.length);
    const entries = this.datapath.policies.get(web.endpointId) ?? [];
    const found = entries.filter(
      ({ direction, identity }) => direction === "ingress" && [0, nearest?.identity].includes(identity),
    );
    return found.length > 0 && found.every(({ verdict }) => verdict === "allow");
  }
}

let lab: Cluster;
beforeEach(async () => {
  lab = new Cluster();
  lab.restart();
  await lab.reconcile();
});

describe("policies of a node", () => {
  it("let everything through without any", async () => {
    await lab.add(web);
    expect(lab.isAllowed("192.0.2.1")).toBe(true);
    expect(lab.policies.endpoints.policyOf(7)?.ingress.isEnforced).toBe(false);
  });

  it("follow their objects", async () => {
    await lab.add(web, client);
    lab.ciliumNetworkPolicies.set(fromClient);
    await lab.reconcile();
    expect(["10.244.0.8", "192.0.2.1"].map((source) => lab.isAllowed(source))).toEqual([true, false]);
    lab.ciliumNetworkPolicies.delete("shop/client");
    await lab.reconcile();
    expect(lab.isAllowed("192.0.2.1")).toBe(true);
  });

  it("know an identity before a packet can carry it", async () => {
    await lab.add(web);
    lab.ciliumNetworkPolicies.set(fromClient);
    await lab.reconcile();
    await lab.policies.reconciler.admit(client);
    expect(lab.datapath.policies.get(7)?.map(({ identity }) => identity)).toContain(client.identity);
    expect(lab.datapath.ipcache.has("10.244.0.8/32")).toBe(false);
  });

  it("are compared with the kernel's only where they changed", async () => {
    await lab.add(web, client);
    lab.datapath.calls.length = 0;
    lab.ciliumNetworkPolicies.set(fromClient);
    await lab.reconcile();
    await lab.reconcile();
    expect(lab.datapath.calls.filter((call) => call.startsWith("writePolicy"))).toEqual(["writePolicy 7"]);
  });

  it("have the same entries and cookies after a restart, although other policies came and went before it", async () => {
    await lab.add(web, client);
    for (const object of [fromCidr("192.0.2.0/24"), fromClient]) lab.ciliumNetworkPolicies.set(object);
    await lab.reconcile();
    lab.ciliumNetworkPolicies.delete("shop/cidr");
    await lab.reconcile();
    const before = lab.datapath.policies.get(7);
    lab.restart();
    await lab.reconcile();
    expect(lab.datapath.policies.get(7)).toEqual(before);
    expect(before?.some(({ cookie }) => cookie !== 0)).toBe(true);
  });

  it("are tried again after the kernel refused", async () => {
    await lab.add(web, client);
    lab.ciliumNetworkPolicies.set(fromClient);
    lab.datapath.failing.set("writePolicy", new Error("no memory"));
    await expect(lab.reconcile()).rejects.toThrow("no memory");
    await lab.reconcile();
    expect(lab.isAllowed("192.0.2.1")).toBe(false);
  });

  it("say what of them is not in force, by object and path; the rest is", async () => {
    await lab.add(web, client);
    lab.ciliumNetworkPolicies.set(
      policy("odd", { ...webSelector, ingress: [{ fromCIDR: ["nowhere"] }, fromClient.spec!.ingress![0]!] }),
    );
    const problems = await lab.reconcile();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^CiliumNetworkPolicy shop\/odd: spec\.ingress\[0\]\.fromCIDR\[0\]: /);
    expect(["10.244.0.8", "192.0.2.1"].map((source) => lab.isAllowed(source))).toEqual([true, false]);
  });

  const ofNodes = {
    ...policy("host", { nodeSelector: {}, ingress: [{ fromEntities: ["world"] }] }),
    ...{ kind: "CiliumClusterwideNetworkPolicy", metadata: { name: "host" } },
  } as unknown as CiliumNetworkPolicy;

  it("of nodes are told: they are not in force without the host firewall", async () => {
    lab.ciliumNetworkPolicies.set(ofNodes);
    expect(await lab.reconcile()).toEqual([
      "CiliumClusterwideNetworkPolicy host: spec.ingress[0]: policies of nodes are not in force: enable-host-firewall is false",
    ]);
    expect(lab.datapath.policies.has(HOST_ENDPOINT_ID)).toBe(false);
  });

  it("of nodes are the node's own with the host firewall, and no pod's", async () => {
    lab.restart({ enableHostFirewall: true });
    await lab.add(web);
    lab.ciliumNetworkPolicies.set(ofNodes);
    expect(await lab.reconcile()).toEqual([]);
    const ingress = lab.datapath.policies.get(HOST_ENDPOINT_ID)?.filter(({ direction }) => direction === "ingress");
    expect(ingress?.map(({ identity, verdict }) => `${identity} ${verdict}`)).toEqual(["2 allow"]);
    expect(lab.isAllowed("10.244.0.8")).toBe(true);
    lab.ciliumNetworkPolicies.delete("host");
    await lab.reconcile();
    expect(lab.policies.endpoints.policyOf(HOST_ENDPOINT_ID)?.ingress.isEnforced).toBe(false);
  });

  it("that do not fit into their map deny everything in that direction, and say so", async () => {
    lab.restart({ policyMapMax: 2 });
    await lab.add(web);
    lab.ciliumNetworkPolicies.set(
      policy("many", {
        ...webSelector,
        ingress: [{ fromCIDR: ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"] }],
      }),
    );
    const problems = await lab.reconcile();
    expect(problems.join()).toMatch(/^endpoint 7 \(shop\/web\): its ingress policy needs \d+ entries; the map has 2 /);
    expect(lab.isAllowed("192.0.2.1")).toBe(false);
    expect(lab.datapath.policies.get(7)?.map(({ direction }) => direction)).toEqual(["egress"]);
  });

  it("write nothing for an endpoint that left", async () => {
    await lab.add(web, client);
    lab.policies.reconciler.release(7);
    lab.datapath.calls.length = 0;
    lab.ciliumNetworkPolicies.set(fromClient);
    await lab.reconcile();
    expect(lab.datapath.calls.join()).not.toContain("writePolicy 7");
  });
});

describe("prefixes that policies name", () => {
  const inside = "192.0.2.7";

  it("have identities of this node for as long as a policy names them", async () => {
    await lab.add(web);
    lab.ciliumNetworkPolicies.set(fromCidr("192.0.2.0/24"));
    await lab.reconcile();
    expect(lab.datapath.ipcache.get("192.0.2.0/24")).toBe(String(FIRST_PREFIX));
    expect([inside, "192.0.3.1"].map((source) => lab.isAllowed(source))).toEqual([true, false]);
    lab.ciliumNetworkPolicies.delete("shop/cidr");
    await lab.reconcile();
    expect(lab.datapath.ipcache.has("192.0.2.0/24")).toBe(false);
  });

  it("keep them over a restart, whatever else is named meanwhile", async () => {
    await lab.add(web);
    lab.ciliumNetworkPolicies.set(fromCidr("192.0.2.0/24"));
    await lab.reconcile();
    lab.restart();
    lab.ciliumNetworkPolicies.set(policy("more", { ...webSelector, ingress: [{ fromCIDR: ["10.9.0.0/16"] }] }));
    await lab.reconcile();
    expect(lab.datapath.ipcache.get("192.0.2.0/24")).toBe(String(FIRST_PREFIX));
    expect(lab.datapath.ipcache.get("10.9.0.0/16")).toBe(String(FIRST_PREFIX + 1));
  });

  it.each([
    ["comes", [], [fromCidr("192.0.2.0/24")]],
    ["comes into a wider one", [fromCidr("192.0.0.0/16")], [fromCidr("192.0.2.0/24")]],
    ["goes for a wider one", [fromCidr("192.0.2.0/24")], [fromCidr("192.0.0.0/16")]],
    ["goes", [fromCidr("192.0.2.0/24")], []],
  ])("cut nothing short that is allowed before and after: one %s", async (_name, before, after) => {
    await lab.add(web);
    const replace = async (objects: readonly CiliumNetworkPolicy[]) => {
      lab.ciliumNetworkPolicies.delete("shop/cidr");
      for (const object of objects) lab.ciliumNetworkPolicies.set(object);
      await lab.reconcile();
    };
    await replace(before);
    // Judged before each call to the kernel and after the last.
    const seen: boolean[] = [];
    const { calls } = lab.datapath;
    calls.push = (...names: string[]) => seen.push(lab.isAllowed(inside)) && Array.prototype.push.apply(calls, names);
    await replace(after);
    expect(new Set([...seen, lab.isAllowed(inside)])).toEqual(new Set([true]));
    expect(seen.length).toBeGreaterThan(0);
  });

  it("get the number that is free for longest, and never one that is in use", () => {
    const prefixes = new PrefixIdentities([
      { prefix: IpPrefix.parse("10.0.0.0/8"), identity: FIRST_PREFIX + 1 },
      { prefix: IpPrefix.parse("10.244.0.9/32"), identity: 4711 },
    ]);
    const named = ["10.0.0.0/8", "192.0.2.0/24"].map(IpPrefix.parse);
    expect(prefixes.add(named)).toBe(true);
    expect(prefixes.add(named)).toBe(false);
    expect(prefixes.list().map(({ identity }) => identity - FIRST_PREFIX)).toEqual([1, 2]);
    expect(prefixes.keepOnly([named[0]!])).toEqual([FIRST_PREFIX + 2]);
    prefixes.add([IpPrefix.parse("198.51.100.0/24")]);
    expect(prefixes.list().at(-1)?.identity).toBe(FIRST_PREFIX + 3);
  });
});

describe("nodes by their addresses (policy-cidr-match-mode: nodes)", () => {
  const remote = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name: "other" },
    spec: { addresses: [{ type: "InternalIP", ip: "172.18.0.99" }] },
  } as const satisfies CiliumNode;
  const own = testNode.addresses[0]!.text;

  it.each([
    ["", "6", false],
    ["nodes", String((2 << 24) + 1), true],
  ] as const)("%j: another node is %s in the ipcache", async (policyCidrMatchMode, identity, isAllowed) => {
    lab.ciliumNodes.set(remote);
    lab.restart({ policyCidrMatchMode, allowLocalhost: "policy" });
    await lab.add(web);
    lab.ciliumNetworkPolicies.set(
      policy("nodes", { ...webSelector, ingress: [{ fromCIDR: ["172.18.0.99/32", `${own}/32`] }] }),
    );
    await lab.reconcile();
    expect(lab.datapath.ipcache.get("172.18.0.99/32")?.split(" ")[0]).toBe(identity);
    expect([lab.isAllowed("172.18.0.99"), lab.isAllowed(own)]).toEqual([isAllowed, isAllowed]);
    // The number outlives the agent, and goes with its node.
    lab.restart({ policyCidrMatchMode, allowLocalhost: "policy" });
    await lab.reconcile();
    expect(lab.isAllowed("172.18.0.99")).toBe(isAllowed);
    lab.ciliumNodes.delete("other");
    await lab.reconcile();
    expect(lab.datapath.ipcache.get("172.18.0.99/32")).not.toBe(identity);
  });
});

describe("a policy that is too large", () => {
  const entries = (direction: PolicyEntry["direction"], count: number) =>
    Array.from(
      { length: count },
      (_, index): PolicyEntry => ({
        ...{ direction, identity: index, protocol: 0, port: 0, portPrefixLength: 0, verdict: "allow" },
      }),
    );

  it.each([
    [3, 3, 6, "6", ""],
    [5, 2, 6, "2", "ingress 5"],
    [2, 5, 6, "2", "egress 5"],
    [7, 8, 6, "0", "egress 8,ingress 7"],
  ])("%i ingress and %i egress entries, %i fit: %s stay", (ingress, egress, max, kept, gone) => {
    const fitted = fitPolicy([...entries("ingress", ingress), ...entries("egress", egress)], max);
    expect(String(fitted.entries.length)).toBe(kept);
    expect(fitted.overflowing.map(({ direction, count }) => `${direction} ${count}`).join()).toBe(gone);
  });
});

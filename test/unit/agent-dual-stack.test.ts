import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { desiredCiliumEndpoint } from "../../src/agent/endpoints/cilium-endpoint.js";
import type { EndpointRecord } from "../../src/agent/endpoints/endpoint-record.js";
import { AddressPool } from "../../src/agent/ipam/address-pool.js";
import { AddressPools } from "../../src/agent/ipam/address-pools.js";
import { desiredIpcache } from "../../src/agent/ipcache/desired-ipcache.js";
import { describeLocalNode, readNodeSpec } from "../../src/agent/nodes/local-node.js";
import { desiredCiliumNode } from "../../src/agent/nodes/node-publisher.js";
import { planRoutes } from "../../src/agent/nodes/node-routes.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import type { CiliumEndpoint, CiliumNode, KubeNode } from "../../src/model/kubernetes.js";
import { AgentFixture, cniRequest, dualNode, testNode } from "../support/agent-fixture.js";

const addresses = (...texts: readonly string[]) => texts.map((text) => IpAddress.parse(text));

describe("endpoints with both families", () => {
  let agent: AgentFixture;
  const recordFile = async (): Promise<string> => {
    const [name] = await readdir(join(agent.runDir, "endpoints"));
    return join(agent.runDir, "endpoints", name!);
  };

  beforeEach(async () => {
    agent = await AgentFixture.create(dualNode);
    agent.pods.set("shop/web", { identity: 4711, labels: ["k8s:app=web"], podUid: "u1" });
  });

  afterEach(async () => {
    await rm(agent.runDir, { recursive: true });
  });

  it("get one address, gateway and default route of each", async () => {
    expect(await agent.manager.add(cniRequest("web"))).toMatchObject({
      ips: [
        { address: "10.244.0.2/32", gateway: "10.244.0.1", interface: 1 },
        { address: "fd00:10:244::2/128", gateway: "fd00:10:244::1", interface: 1 },
      ],
      routes: [
        { dst: "10.244.0.1/32" },
        { dst: "0.0.0.0/0", gw: "10.244.0.1" },
        { dst: "fd00:10:244::1/128" },
        { dst: "::/0", gw: "fd00:10:244::1" },
      ],
    });
  });

  it("stand in the maps with both, and leave them with both", async () => {
    await agent.manager.add(cniRequest("web"));
    const { endpointId, ifindex, mac, hostMac } = agent.table.list()[0]!;
    const entry = `${endpointId} 4711 ${ifindex} ${mac} ${hostMac}`;
    expect([agent.datapath.lxc.get("10.244.0.2"), agent.datapath.lxc.get("fd00:10:244::2")]).toEqual([entry, entry]);
    expect(Object.fromEntries(agent.datapath.ipcache)).toEqual({
      "10.244.0.2/32": "4711",
      "fd00:10:244::2/128": "4711",
    });
    await agent.manager.delete(cniRequest("web"));
    expect(Object.fromEntries(agent.datapath.ipcache)).toEqual({});
    expect(agent.datapath.lxc.has("fd00:10:244::2")).toBe(false);
  });

  it("survive a restart, and their addresses are nobody else's", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.restart(dualNode);
    expect(agent.restored.living.map((record) => record.addresses.join())).toEqual(["10.244.0.2,fd00:10:244::2"]);
    const second = await agent.manager.add(cniRequest("db"));
    expect(second.ips.map(({ address }) => address)).toEqual(["10.244.0.3/32", "fd00:10:244::3/128"]);
  });

  it("keep their one address when an agent of one family made them", async () => {
    await agent.manager.add(cniRequest("web"));
    const path = await recordFile();
    const { addresses: _, ...record } = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...record, address: "10.244.0.2" }));
    await agent.restart(dualNode);
    expect(agent.restored.problems).toEqual([]);
    expect((await agent.manager.add(cniRequest("web"))).ips.map(({ address }) => address)).toEqual(["10.244.0.2/32"]);
  });

  it("go on when a family was switched off, with the other one's gateway", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.restart(testNode);
    expect(agent.restored.living).toHaveLength(1);
    expect((await agent.manager.add(cniRequest("web"))).ips.map(({ address }) => address)).toEqual(["10.244.0.2/32"]);
  });

  it("put no record aside that names something else than addresses beside one", async () => {
    await agent.manager.add(cniRequest("web"));
    const path = await recordFile();
    const record = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...record, addresses: ["10.244.0.2", 6] }));
    await agent.restart(dualNode);
    expect(agent.restored.problems).toEqual([expect.stringContaining("is no endpoint record of this release")]);
  });

  it("are published with the pair", async () => {
    await agent.manager.add(cniRequest("web"));
    expect(desiredCiliumEndpoint(agent.table.list()[0]!, undefined, dualNode).status?.networking).toEqual({
      addressing: [{ ipv4: "10.244.0.2", ipv6: "fd00:10:244::2" }],
      node: "172.18.0.2",
    });
  });
});

describe("address pools", () => {
  const pools = () => {
    return new AddressPools([
      new AddressPool(IpPrefix.parse("10.244.0.0/24")),
      new AddressPool(IpPrefix.parse("fd00::/126")),
    ]);
  };

  it("give nothing back half: when one family is used up, the other one keeps its address", () => {
    const both = pools();
    both.allocate();
    expect(() => both.allocate()).toThrow(expect.objectContaining({ code: "no-free-address" }));
    expect(both.pools.map(({ usedCount }) => usedCount)).toEqual([1, 1]);
    expect(both.tightest.prefix.text).toBe("fd00::/126");
  });

  it("claim all addresses of an endpoint or none", () => {
    const both = pools();
    expect(both.claim(addresses("10.244.0.9", "fd00::2"))).toBe(true);
    expect(both.claim(addresses("10.244.0.10", "fd00::2"))).toBe(false);
    expect(both.pools.map(({ usedCount }) => usedCount)).toEqual([1, 1]);
  });
});

const kubeNode: KubeNode = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "a" },
  spec: { podCIDRs: ["fd00:10:244::/64", "10.244.0.0/24"] },
  status: {
    addresses: [
      { type: "InternalIP", address: "fd00:172:18::2" },
      { type: "InternalIP", address: "172.18.0.2" },
    ],
  },
};

function link(ifname: string, mtu: number, ...locals: readonly string[]) {
  return { ifindex: 2, ifname, mtu, addr_info: locals.map((local) => ({ family: "", local, prefixlen: 64 })) };
}

describe("the local node of both families", () => {
  const links = [link("lo", 65536, "127.0.0.1", "::1"), link("eth0", 1500, "172.18.0.2", "fd00:172:18::2", "fe80::1")];
  const config = { mtu: 0, routingMode: "tunnel" } as const;
  const describeWith = (families: readonly (4 | 6)[], node = kubeNode, has = links) => {
    const spec = readNodeSpec(node, "a", families);
    if ("missing" in spec) throw new Error(spec.missing);
    return describeLocalNode({ node, spec, links: has, config });
  };

  it("is reached at its IPv4 address, and is every one of its addresses but the link-local ones", () => {
    const node = describeWith([4, 6]);
    expect(String(node.internalIp)).toBe("172.18.0.2");
    expect(node.routeMtu).toBe(1450);
    expect(node.podRanges.map(({ podCidr, ciliumHostIp }) => `${podCidr} ${ciliumHostIp}`)).toEqual([
      "10.244.0.0/24 10.244.0.1",
      "fd00:10:244::/64 fd00:10:244::1",
    ]);
    expect(node.addresses.map(String)).toEqual(["172.18.0.2", "fd00:172:18::2", "10.244.0.1", "fd00:10:244::1"]);
  });

  it("tells of both in its CiliumNode", () => {
    expect(desiredCiliumNode(describeWith([4, 6]), undefined).spec).toEqual({
      addresses: [
        { type: "InternalIP", ip: "172.18.0.2" },
        { type: "InternalIP", ip: "fd00:172:18::2" },
        { type: "CiliumInternalIP", ip: "10.244.0.1" },
        { type: "CiliumInternalIP", ip: "fd00:10:244::1" },
      ],
      ipam: { podCIDRs: ["10.244.0.0/24", "fd00:10:244::/64"] },
    });
  });

  it("with IPv6 alone is reached over IPv6, whose larger header the pods' MTU leaves room for", () => {
    const node = { ...kubeNode, status: { addresses: kubeNode.status!.addresses!.slice(0, 1) } };
    const described = describeWith([6], node);
    expect(String(described.internalIp)).toBe("fd00:172:18::2");
    expect(described.routeMtu).toBe(1430);
    expect(described.addresses.map(String)).toEqual(["fd00:172:18::2", "fd00:10:244::1"]);
  });

  it("refuses an MTU with which the kernel would take IPv6 off the pods", () => {
    const small = [link("eth0", 1329, "172.18.0.2")];
    expect(() => describeWith([4, 6], kubeNode, small)).toThrow(expect.objectContaining({ code: "mtu-too-small" }));
    expect(describeWith([4], kubeNode, small).routeMtu).toBe(1279);
  });

  it("waits for the podCIDR of each family that pods are to have", () => {
    const node = { ...kubeNode, spec: { podCIDR: "10.244.0.0/24" } };
    expect(readNodeSpec(node, "a", [4, 6])).toEqual({ missing: "Node a has no podCIDR of IPv6 yet" });
    expect(readNodeSpec(node, "a", [4])).not.toHaveProperty("missing");
  });
});

describe("the ipcache of both families", () => {
  const remote: CiliumNode = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name: "b" },
    spec: {
      addresses: [
        { type: "InternalIP", ip: "172.18.0.3" },
        { type: "InternalIP", ip: "fd00:172:18::3" },
        { type: "CiliumInternalIP", ip: "10.244.1.1" },
        { type: "CiliumInternalIP", ip: "fd00:10:244:1::1" },
      ],
      ipam: { podCIDRs: ["10.244.1.0/24", "fd00:10:244:1::/64"] },
    },
  };
  const remotePod: CiliumEndpoint = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEndpoint",
    metadata: { name: "db", namespace: "shop" },
    status: {
      id: 1,
      identity: { id: 4712 },
      networking: { addressing: [{ ipv4: "10.244.1.5", ipv6: "fd00:10:244:1::5" }], node: "172.18.0.3" },
    },
  };
  const ownPod = {
    endpointId: 7,
    podNamespace: "shop",
    podName: "web",
    addresses: addresses("10.244.0.9", "fd00:10:244::9"),
    identity: 4711,
  } as unknown as EndpointRecord;
  const tableOf = (node: typeof dualNode) => {
    const objects = { ciliumNodes: [remote], ciliumEndpoints: [remotePod] };
    const sources = { node, endpoints: [ownPod], ...objects, prefixes: [], nodePrefixes: [] };
    const { entries, problems } = desiredIpcache(sources);
    expect(problems).toEqual([]);
    return Object.fromEntries(
      entries.map((entry) => [entry.prefix.text, `${entry.identity} ${entry.tunnelEndpoint ?? "-"}`]),
    );
  };
  const ipv4 = (world: number) => ({
    "0.0.0.0/0": `${world} -`,
    "172.18.0.2/32": "1 -",
    "10.244.0.1/32": "1 -",
    "10.244.0.9/32": "4711 -",
    "172.18.0.3/32": "6 -",
    "10.244.1.1/32": "6 172.18.0.3",
    "10.244.1.0/24": `${world} 172.18.0.3`,
    "10.244.1.5/32": "4712 172.18.0.3",
  });
  const ipv6 = (world: number, tunnel: string) => ({
    "::/0": `${world} -`,
    "fd00:172:18::2/128": "1 -",
    "fd00:10:244::1/128": "1 -",
    "fd00:10:244::9/128": "4711 -",
    "fd00:172:18::3/128": "6 -",
    "fd00:10:244:1::1/128": `6 ${tunnel}`,
    "fd00:10:244:1::/64": `${world} ${tunnel}`,
    "fd00:10:244:1::5/128": "4712 172.18.0.3",
  });

  it("tunnels both over IPv4, and has a world of each", () => {
    expect(tableOf(dualNode)).toEqual({ ...ipv4(9), ...ipv6(10, "172.18.0.3") });
  });

  it("has nothing of a family that pods do not have, and one world", () => {
    expect(tableOf(testNode)).toEqual(ipv4(2));
  });

  it("tunnels over IPv6 where this node has nothing else", () => {
    const node = {
      ...dualNode,
      internalIp: IpAddress.parse("fd00:172:18::2"),
      podRanges: dualNode.podRanges.slice(1),
      addresses: dualNode.addresses.filter(({ family }) => family === 6),
    };
    expect(tableOf(node)).toEqual(ipv6(2, "fd00:172:18::3"));
  });
});

describe("host routes of both families", () => {
  const cidrs = ["10.244.0.0/24", "fd00:10:244::/64", "fd00:10:244:1::/64"].map((text) => IpPrefix.parse(text));
  const kernel = [
    { dst: "10.244.0.1", dev: "cilium_host", protocol: "197", scope: "link" },
    { dst: "10.244.0.0/24", gateway: "10.244.0.1", dev: "cilium_host", prefsrc: "10.244.0.1", protocol: "197" },
    { dst: "fd00:10:244::1", dev: "cilium_host", protocol: "kernel" },
    { dst: "fd00:10:244::/64", dev: "cilium_host", prefsrc: "fd00:10:244::1", protocol: "197" },
    {
      dst: "fd00:10:244:1::/64",
      dev: "cilium_host",
      prefsrc: "fd00:10:244::1",
      protocol: "197",
      metrics: [{ mtu: 1450 }],
    },
  ];

  it("have no gateway for IPv6: the kernel takes none of its own addresses", () => {
    expect(planRoutes(dualNode, cidrs, []).steps.filter((step) => step.includes("fd00"))).toEqual([
      "route replace fd00:10:244::/64 dev cilium_host src fd00:10:244::1 proto 197",
      "route replace fd00:10:244:1::/64 dev cilium_host src fd00:10:244::1 mtu 1450 proto 197",
    ]);
  });

  it("are left alone when they are right, and removed when their node is gone", () => {
    expect(planRoutes(dualNode, cidrs, kernel)).toEqual({ steps: [], problems: [] });
    expect(planRoutes(dualNode, cidrs.slice(0, 2), kernel).steps).toEqual([
      "route delete fd00:10:244:1::/64 proto 197",
    ]);
  });

  it("of IPv6 are not asked for where pods have IPv4 alone", () => {
    expect(planRoutes(testNode, cidrs, []).steps.join()).not.toContain("fd00");
  });
});

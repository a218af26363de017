import { describe, expect, it } from "vitest";
import type { EndpointRecord } from "../../src/agent/endpoints/endpoint-record.js";
import { desiredIpcache } from "../../src/agent/ipcache/desired-ipcache.js";
import { IpcacheWriter } from "../../src/agent/ipcache/ipcache-writer.js";
import { planRoutes } from "../../src/agent/nodes/node-routes.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import type { IpcacheEntry } from "../../src/model/datapath-port.js";
import type { CiliumEndpoint, CiliumNode } from "../../src/model/kubernetes.js";
import { testNode } from "../support/agent-fixture.js";
import { InMemoryDatapath } from "../support/in-memory-datapath.js";

const ownPod = {
  endpointId: 7,
  podNamespace: "shop",
  podName: "web",
  addresses: [IpAddress.parse("10.244.0.9")],
  identity: 4711,
} as unknown as EndpointRecord;

function remoteNode(name: string, internalIp: string, podCidr: string, ciliumIp: string): CiliumNode {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name },
    spec: {
      addresses: [
        { type: "InternalIP", ip: internalIp },
        { type: "CiliumInternalIP", ip: ciliumIp },
      ],
      ipam: { podCIDRs: [podCidr] },
    },
  };
}

function remotePod(name: string, ipv4: string, node: string, id: number): CiliumEndpoint {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEndpoint",
    metadata: { name, namespace: "shop" },
    status: { id: 1, identity: { id }, networking: { addressing: [{ ipv4 }], node } },
  };
}

function table(result: ReturnType<typeof desiredIpcache>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    result.entries.map((entry) => [entry.prefix.text, `${entry.identity} ${entry.tunnelEndpoint ?? "-"}`]),
  );
}

describe("desired ipcache", () => {
  it("names this node, its pods, other nodes, their pods and the world as upstream does", () => {
    const result = desiredIpcache({
      prefixes: [],
      nodePrefixes: [],
      node: testNode,
      endpoints: [ownPod],
      ciliumNodes: [
        remoteNode("a", "172.18.0.2", "10.244.0.0/24", "10.244.0.1"),
        remoteNode("b", "172.18.0.3", "10.244.1.0/24", "10.244.1.1"),
      ],
      ciliumEndpoints: [
        remotePod("web", "10.244.0.9", "172.18.0.2", 1),
        remotePod("db", "10.244.1.5", "172.18.0.3", 4712),
      ],
    });
    expect(table(result)).toEqual({
      "0.0.0.0/0": "2 -",
      "172.18.0.2/32": "1 -",
      "10.244.0.1/32": "1 -",
      "10.244.0.9/32": "4711 -",
      "172.18.0.3/32": "6 -",
      "10.244.1.1/32": "6 172.18.0.3",
      "10.244.1.0/24": "2 172.18.0.3",
      "10.244.1.5/32": "4712 172.18.0.3",
    });
    expect(result.problems).toEqual([]);
  });

  it("gives an address that two pods claim to the first one, and says so", () => {
    const result = desiredIpcache({
      prefixes: [],
      nodePrefixes: [],
      node: testNode,
      endpoints: [ownPod],
      ciliumNodes: [],
      ciliumEndpoints: [remotePod("thief", "10.244.0.9", "172.18.0.3", 666)],
    });
    expect(table(result)["10.244.0.9/32"]).toBe("4711 -");
    expect(result.problems).toEqual([
      "10.244.0.9/32 belongs to pod shop/web and to pod shop/thief: the first one keeps it",
    ]);
  });

  it("goes on with the rest when an object holds nonsense", () => {
    const result = desiredIpcache({
      prefixes: [],
      nodePrefixes: [],
      node: testNode,
      endpoints: [],
      ciliumNodes: [
        remoteNode("b", "nonsense", "10.244.1.0/24", "10.244.1.1"),
        remoteNode("c", "172.18.0.4", "10.244.2.0/99", "also nonsense"),
      ],
      ciliumEndpoints: [
        remotePod("x", "10.300.0.1", "172.18.0.4", 300),
        remotePod("y", "10.244.2.2", "nowhere", 301),
        { apiVersion: "cilium.io/v2", kind: "CiliumEndpoint", metadata: { name: "unborn", namespace: "shop" } },
      ],
    });
    expect(table(result)["172.18.0.4/32"]).toBe("6 -");
    expect(result.problems).toEqual([
      "node b has no InternalIP of IPv4: its pods are not reachable",
      'node c: "also nonsense" is no address',
      'node c: podCIDR "10.244.2.0/99" is no prefix',
      'pod shop/x: "10.300.0.1" is no address',
      'pod shop/y: node "nowhere" is no address',
    ]);
  });
});

describe("host routes", () => {
  const cidrs = [IpPrefix.parse("10.244.0.0/24"), IpPrefix.parse("10.244.1.0/24")];
  const ours = [
    { dst: "10.244.0.1", dev: "cilium_host", protocol: "197" },
    { dst: "10.244.0.0/24", gateway: "10.244.0.1", dev: "cilium_host", prefsrc: "10.244.0.1", protocol: "197" },
    {
      dst: "10.244.1.0/24",
      gateway: "10.244.0.1",
      dev: "cilium_host",
      prefsrc: "10.244.0.1",
      protocol: "197",
      metrics: [{ mtu: 1450 }],
    },
  ];

  it("go through cilium_host, to other nodes with the overlay's MTU", () => {
    expect(planRoutes(testNode, cidrs, []).steps).toEqual([
      "route replace 10.244.0.1/32 dev cilium_host scope link proto 197",
      "route replace 10.244.0.0/24 via 10.244.0.1 dev cilium_host src 10.244.0.1 proto 197",
      "route replace 10.244.1.0/24 via 10.244.0.1 dev cilium_host src 10.244.0.1 mtu 1450 proto 197",
    ]);
  });

  it("are left alone when they are right", () => {
    expect(planRoutes(testNode, cidrs, ours)).toEqual({ steps: [], problems: [] });
  });

  it("of nodes that are gone are removed, and no foreign ones", () => {
    const facts = [...ours, { dst: "default", gateway: "172.18.0.1", dev: "eth0", protocol: "boot" }];
    expect(planRoutes(testNode, cidrs.slice(0, 1), facts).steps).toEqual(["route delete 10.244.1.0/24 proto 197"]);
  });

  it("never replace a foreign route to the same prefix", () => {
    const facts = [...ours.slice(0, 2), { dst: "10.244.1.0/24", dev: "tun0", protocol: "static" }];
    expect(planRoutes(testNode, cidrs, facts)).toEqual({
      steps: [],
      problems: ["a foreign route to 10.244.1.0/24 (dev tun0, proto static) stands in the way"],
    });
  });
});

describe("ipcache writer", () => {
  const entry = (text: string, identity: number, tunnel?: string): IpcacheEntry => ({
    prefix: IpPrefix.parse(text),
    identity,
    ...(tunnel === undefined ? {} : { tunnelEndpoint: IpAddress.parse(tunnel) }),
  });

  it("compares with the kernel once, then with what it wrote", () => {
    const kernel = new InMemoryDatapath();
    const writer = new IpcacheWriter(kernel);
    writer.write([entry("10.0.0.1/32", 300), entry("10.0.0.2/32", 301)]);
    writer.write([entry("10.0.0.1/32", 300), entry("10.0.0.2/32", 301)]);
    expect(kernel.calls).toEqual(["writeIpcache"]);
    writer.write([entry("10.0.0.1/32", 300, "172.18.0.9"), entry("10.0.0.3/32", 302)]);
    expect(kernel.calls).toEqual(["writeIpcache", "updateIpcache"]);
    expect(Object.fromEntries(kernel.ipcache)).toEqual({ "10.0.0.1/32": "300 via 172.18.0.9", "10.0.0.3/32": "302" });
  });

  it("compares with the kernel again after a write that failed", () => {
    const kernel = new InMemoryDatapath();
    const writer = new IpcacheWriter(kernel);
    writer.write([entry("10.0.0.1/32", 300)]);
    kernel.failing.set("updateIpcache", new Error("map is full"));
    expect(() => writer.write([entry("10.0.0.2/32", 300)])).toThrow("map is full");
    writer.write([entry("10.0.0.2/32", 300)]);
    expect(kernel.calls).toEqual(["writeIpcache", "updateIpcache", "writeIpcache"]);
    expect(Object.fromEntries(kernel.ipcache)).toEqual({ "10.0.0.2/32": "300" });
  });
});

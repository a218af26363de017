import { describe, expect, it } from "vitest";
import { NameCache } from "../../src/agent/names/name-cache.js";
import { IpAddress } from "../../src/lib/ip.js";
import {
  type CiliumEndpoint,
  type CiliumNode,
  type KubeEndpointSlice,
  type KubeService,
  resourceTypes,
} from "../../src/model/kubernetes.js";
import { InMemoryInformer } from "../support/in-memory-informer.js";

function endpoint(name: string, ipv4: string): CiliumEndpoint {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEndpoint",
    metadata: { namespace: "shop", name, labels: { app: name } },
    status: {
      identity: { id: 300, labels: ["k8s:app=x"] },
      networking: { addressing: [{ ipv4 }], node: "172.18.0.3" },
    },
  };
}

const node: CiliumNode = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNode",
  metadata: { name: "b" },
  spec: {
    addresses: [
      { type: "CiliumInternalIP", ip: "10.244.1.1" },
      { type: "InternalIP", ip: "172.18.0.3" },
    ],
    ipam: { podCIDRs: ["10.244.1.0/24"] },
  },
};

function service(name: string, clusterIP: string): KubeService {
  const ports = [{ port: 80, targetPort: 8080 }];
  return { apiVersion: "v1", kind: "Service", metadata: { namespace: "shop", name }, spec: { clusterIP, ports } };
}

const slice: KubeEndpointSlice = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace: "shop", name: "cart-1" },
  addressType: "IPv4",
  ports: [{ port: 8080 }],
  endpoints: [{ addresses: ["10.244.1.2"] }],
};

function open() {
  const caches = {
    ciliumEndpoints: new InMemoryInformer(resourceTypes.ciliumEndpoints, [endpoint("web", "10.244.1.2")]),
    ciliumNodes: new InMemoryInformer(resourceTypes.ciliumNodes, [node]),
    nodes: new InMemoryInformer(resourceTypes.nodes),
    services: new InMemoryInformer(resourceTypes.services, [
      service("cart", "10.96.0.1"),
      service("wish", "10.96.0.2"),
    ]),
  };
  const names = new NameCache(caches, {
    slicesOf: (key) => (key === "shop/cart" ? [slice] : []),
    ownerOf: (address, port) => (address.text === "10.96.0.1" && port === 80 ? "shop/cart" : undefined),
  });
  names.start();
  const describeText = (text: string, port = 1) => names.describe(IpAddress.parse(text), port, 6);
  return { caches, names, describeText };
}

describe("names of addresses", () => {
  it("are told for pods, nodes and frontends", () => {
    const { describeText } = open();
    expect(describeText("10.244.1.2")).toBe("shop/web");
    expect(describeText("172.18.0.3")).toBe("node b");
    expect(describeText("10.96.0.1", 80)).toBe("service shop/cart");
    expect(describeText("10.96.0.1", 81)).toBeUndefined();
    expect(describeText("1.1.1.1")).toBeUndefined();
  });

  it("follow an address that goes from one pod to another, in whatever order that is told", () => {
    const { caches, describeText } = open();
    caches.ciliumEndpoints.set(endpoint("new", "10.244.1.2"));
    caches.ciliumEndpoints.delete("shop/web");
    expect(describeText("10.244.1.2")).toBe("shop/new");
    caches.ciliumEndpoints.set(endpoint("new", "10.244.1.9"));
    expect(describeText("10.244.1.2")).toBeUndefined();
    expect(describeText("10.244.1.9")).toBe("shop/new");
  });

  it("make one document, anew after a change only", () => {
    const { caches, names } = open();
    const first = names.document();
    expect(first).toEqual({
      pods: [{ namespace: "shop", name: "web", node: "b", labels: { app: "web" }, addresses: ["10.244.1.2"] }],
      nodes: [{ name: "b", addresses: ["172.18.0.3", "10.244.1.1"], podCidrs: ["10.244.1.0/24"] }],
      identities: [{ id: 300, labels: ["k8s:app=x"] }],
    });
    expect(names.document()).toBe(first);
    caches.ciliumEndpoints.delete("shop/web");
    expect(names.document().pods).toEqual([]);
  });

  it("are found for the Services that somebody asks for, as they are now", () => {
    const { caches, names } = open();
    expect(names.findServices({ addresses: ["10.96.0.1"] })).toEqual([
      {
        namespace: "shop",
        name: "cart",
        frontends: [{ address: "10.96.0.1", port: 80, protocol: 6 }],
        backends: [{ address: "10.244.1.2", port: 8080, protocol: 6 }],
      },
    ]);
    caches.services.delete("shop/cart");
    expect(names.findServices({ addresses: ["10.96.0.1"] })).toEqual([]);
    expect(names.findServices({ names: ["wish"] }).map(({ name }) => name)).toEqual(["wish"]);
  });
});

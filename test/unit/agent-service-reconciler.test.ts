import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ServiceReconciler } from "../../src/agent/services/service-reconciler.js";
import { StatusBoard } from "../../src/agent/status/status-board.js";
import { defaultAgentConfig } from "../../src/model/agent-config.js";
import { type KubeEndpointSlice, type KubeService, resourceTypes } from "../../src/model/kubernetes.js";
import { silentLog, testNode } from "../support/agent-fixture.js";
import { InMemoryDatapath } from "../support/in-memory-datapath.js";
import { InMemoryInformer } from "../support/in-memory-informer.js";

const services = new InMemoryInformer(resourceTypes.services);
const endpointSlices = new InMemoryInformer(resourceTypes.endpointSlices);
const pods = new InMemoryInformer(resourceTypes.pods);
const nodes = new InMemoryInformer(resourceTypes.nodes);
let kernel: InMemoryDatapath;
let status: StatusBoard;
let reconciler: ServiceReconciler;

function service(name: string, clusterIP: string): KubeService {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name },
    spec: { clusterIP, ports: [{ port: 80 }] },
  };
}

function slice(name: string, of: string, addresses: readonly string[]): KubeEndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "shop", name, labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address] })),
    ports: [{ port: 8080 }],
  };
}

function start(): void {
  const informers = { services, endpointSlices, pods, nodes };
  const facts = { node: testNode, config: defaultAgentConfig() };
  reconciler = new ServiceReconciler({ ...informers, ...facts, datapath: kernel, status, log: silentLog });
  reconciler.start();
}

/** Addresses of the backends behind a frontend. */
function behind(address: string): readonly string[] | undefined {
  const frontend = [...kernel.frontends.values()].find((candidate) => candidate.address.text === address);
  return frontend?.backendIds.map((id) => kernel.backends.get(id)!.address.text);
}

beforeEach(() => {
  for (const informer of [services, endpointSlices, pods, nodes])
    for (const key of [...informer.items().keys()]) informer.delete(key);
  kernel = new InMemoryDatapath();
  status = new StatusBoard(["services"]);
  services.set(service("cart", "10.96.0.1"));
  endpointSlices.set(slice("cart-1", "cart", ["10.244.0.2"]));
  start();
});

afterEach(() => reconciler[Symbol.asyncDispose]());

describe("service reconciler", () => {
  it("writes what is there at the start in one go", () => {
    expect(kernel.calls).toEqual(["services.write"]);
    expect(behind("10.96.0.1")).toEqual(["10.244.0.2"]);
    expect(status.overall()).toBe("ok");
  });

  it("adds up the slices of a Service, and drops the backends of a slice that goes", async () => {
    endpointSlices.set(slice("cart-2", "cart", ["10.244.0.3"]));
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.0.2", "10.244.0.3"]));
    endpointSlices.delete("shop/cart-1");
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.0.3"]));
  });

  it("follows a slice that is handed to another Service", async () => {
    services.set(service("wish", "10.96.0.2"));
    endpointSlices.set(slice("cart-1", "wish", ["10.244.0.2"]));
    await vi.waitFor(() => expect(behind("10.96.0.2")).toEqual(["10.244.0.2"]));
    expect(behind("10.96.0.1")).toEqual([]);
  });

  it("touches the kernel once for a burst of changes, and only for the Service that changed", async () => {
    for (let last = 2; last < 30; last++) endpointSlices.set(slice("cart-1", "cart", [`10.244.0.${last}`]));
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.0.29"]));
    expect(kernel.calls).toEqual(["services.write", "services.update"]);
  });

  it("removes a Service, and keeps its backends until conntrack lets go of them", async () => {
    const asked: number[] = [];
    reconciler.onLingering((delayMs) => asked.push(delayMs));
    services.delete("shop/cart");
    await vi.waitFor(() => expect(kernel.frontends.size).toBe(0));
    const [backend] = [...kernel.backends.values()];
    expect(backend).toMatchObject({ state: "terminating" });
    expect(asked).toEqual([60_000]);
    reconciler.releaseUnused(new Set([backend!.backendId]), performance.now() + 1);
    expect(kernel.backends.size).toBe(1);
    reconciler.releaseUnused(new Set(), performance.now() + 1);
    expect(kernel.backends.size).toBe(0);
  });

  it("hands a frontend over when the Service that had it goes", async () => {
    services.set(service("zweit", "10.96.0.1"));
    endpointSlices.set(slice("zweit-1", "zweit", ["10.244.0.9"]));
    await vi.waitFor(() =>
      expect(status.problems()).toEqual([expect.stringContaining("belongs to Service shop/cart")]),
    );
    services.delete("shop/cart");
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.0.9"]));
    expect(status.problems()).toEqual([]);
  });

  it("tells what a Service asks for and does not get", async () => {
    const door = service("door", "10.96.0.3");
    services.set({ ...door, spec: { ...door.spec, type: "LoadBalancer" } });
    await vi.waitFor(() =>
      expect(status.problems()).toEqual([expect.stringContaining("Service shop/door: it has no address: LB-IPAM")]),
    );
    expect(behind("10.96.0.3")).toEqual([]);
  });

  it("serves a pod's host port on this node's address, while the pod is there", async () => {
    const status = { podIP: "10.244.0.9", podIPs: [{ ip: "10.244.0.9" }] };
    const spec = {
      nodeName: testNode.name,
      containers: [{ name: "c", ports: [{ containerPort: 8080, hostPort: 9080 }] }],
    };
    pods.set({ apiVersion: "v1", kind: "Pod", metadata: { namespace: "shop", name: "door" }, spec, status });
    await vi.waitFor(() => expect(behind(testNode.internalIp.text)).toEqual(["10.244.0.9"]));
    expect(reconciler.ownerOf(testNode.internalIp, 9080, 6)).toBe("shop/door");
    pods.delete("shop/door");
    await vi.waitFor(() => expect(behind(testNode.internalIp.text)).toBeUndefined());
  });

  it("chooses backends anew when the node moves to another zone", async () => {
    const near = { addresses: ["10.244.0.2"], hints: { forZones: [{ name: "a" }] } };
    const far = { addresses: ["10.244.1.2"], hints: { forZones: [{ name: "b" }] } };
    const cart = service("cart", "10.96.0.1");
    services.set({ ...cart, spec: { ...cart.spec, trafficDistribution: "PreferClose" } });
    endpointSlices.set({ ...slice("cart-1", "cart", []), endpoints: [near, far] });
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.0.2", "10.244.1.2"]));
    const metadata = { name: testNode.name, labels: { "topology.kubernetes.io/zone": "b" } };
    nodes.set({ apiVersion: "v1", kind: "Node", metadata });
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.1.2"]));
  });

  it("writes everything after a change that the kernel refused", async () => {
    kernel.failing.set("services.update", new Error("no memory"));
    endpointSlices.set(slice("cart-1", "cart", ["10.244.0.7"]));
    await vi.waitFor(() => expect(behind("10.96.0.1")).toEqual(["10.244.0.7"]));
    expect(kernel.calls).toEqual(["services.write", "services.update", "services.write"]);
    expect(status.problems()).toEqual([]);
  });

  it("starts again with the same numbers", async () => {
    services.set(service("wish", "10.96.0.2"));
    endpointSlices.set(slice("wish-1", "wish", ["10.244.0.2", "10.244.0.3"]));
    await vi.waitFor(() => expect(kernel.frontends.size).toBe(2));
    const before = kernel.snapshot();
    await reconciler[Symbol.asyncDispose]();
    start();
    expect(kernel.snapshot()).toEqual(before);
  });
});

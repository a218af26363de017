import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KubeService, resourceTypes } from "../../src/model/kubernetes.js";
import { AgentCluster, type AgentNode, until } from "./agent-node.js";
import { addressOf, endpoints, serve } from "./pod-traffic.js";

let cluster: AgentCluster;
let a: AgentNode;

beforeAll(async () => {
  cluster = await AgentCluster.create();
  a = await cluster.addNode("a");
  await a.start();
  await cluster.createPod("web", "a", { app: "web" });
  await cluster.createPod("client", "a", { app: "client" });
  await Promise.all([a.add("web"), a.add("client")]);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

interface Drop {
  readonly reasonText: string;
  readonly sourceName?: string;
  readonly destinationName?: string;
  readonly file: string;
  readonly packet: { readonly destinationPort: number };
}

const ref = (name: string) => ({ namespace: "shop", name });

async function identityOf(pod: string): Promise<number> {
  return (await endpoints(a)).find(({ podName }) => podName === pod)!.identity;
}

describe("a dropped packet", () => {
  it("is told with its reason, its place and names", async () => {
    const service: KubeService = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "empty", namespace: "shop" },
      spec: { clusterIP: "10.96.0.20", ports: [{ port: 80 }] },
    };
    await cluster.state.create(resourceTypes.services, service);
    const drops = async () => ((await a.get("/v1/drops")).body as { readonly items: readonly Drop[] }).items;
    const isMine = (drop: Drop) => drop.packet?.destinationPort === 80;
    // The first attempts may come before the Service is in the maps, or end before they sent anything.
    await until("the drop is told", async () => {
      // Outside of the node's cgroup: the socket LB, which refuses in connect(2) without a packet, does not see it.
      a.inPod("client", "bash", "-c", "timeout 1 bash -c 'echo > /dev/tcp/10.96.0.20/80' || true");
      return (await drops()).some(isMine);
    });
    expect((await drops()).find(isMine)).toMatchObject({
      reasonText: expect.stringMatching(/backend/i),
      sourceName: "shop/client",
      destinationName: "service shop/empty",
      file: expect.stringMatching(/\.[ch]$/),
    });
    expect(a.wholeLog()).toContain('"from":"shop/client","to":"service shop/empty"');
    const metrics = String((await a.get("/metrics")).body);
    expect(metrics).toMatch(
      /cilium_drop_count_total\{reason="[^"]*backend[^"]*",direction="EGRESS",file="[^"]+",line="\d+"\} [1-9]/i,
    );
    expect(metrics).toMatch(/cilium_endpoint_state\{endpoint_state="ready"\} 2\n/);
  });
});

describe("changed labels", () => {
  it("of a pod give it another identity, and its connections go on", async () => {
    using _server = await serve(a, "web");
    const before = await identityOf("web");
    const talk = a.spawnInPod(
      "client",
      `const s = require("net").connect(8080, "${await addressOf(a, "web")}", () => s.write("?"));
       s.on("data", (d) => console.log(String(d)));
       s.on("error", (e) => console.log(e.code));
       process.on("SIGTERM", () => s.write("?"));`,
    );
    const nextLine = () => new Promise((resolve) => talk.stdout!.once("data", (data) => resolve(String(data).trim())));
    expect(await nextLine()).toBe("web");
    const pod = (await cluster.state.get(resourceTypes.pods, ref("web")))!;
    const labels = { app: "web", version: "2" };
    await cluster.state.update(resourceTypes.pods, { ...pod, metadata: { ...pod.metadata, labels } });
    await until("the identity is another one", async () => (await identityOf("web")) !== before);
    await until("it is published", async () => {
      const published = await cluster.state.get(resourceTypes.ciliumEndpoints, ref("web"));
      return published?.status?.identity?.id === (await identityOf("web"));
    });
    const line = nextLine();
    talk.kill("SIGTERM");
    expect(await line).toBe("web");
    talk.kill("SIGKILL");
  });

  it("of its namespace do so too", async () => {
    const before = await identityOf("client");
    const namespace = (await cluster.state.get(resourceTypes.namespaces, { name: "shop" }))!;
    const labels = { ...namespace.metadata.labels, team: "red" };
    await cluster.state.update(resourceTypes.namespaces, { ...namespace, metadata: { ...namespace.metadata, labels } });
    await until("the identity is another one", async () => (await identityOf("client")) !== before);
  });

  it("that no identity is made of change nothing", async () => {
    const before = await identityOf("web");
    const pod = (await cluster.state.get(resourceTypes.pods, ref("web")))!;
    const labels = { ...pod.metadata.labels, "pod-template-hash": "abc" };
    await cluster.state.update(resourceTypes.pods, { ...pod, metadata: { ...pod.metadata, labels } });
    await until("the label is published", async () => {
      const published = await cluster.state.get(resourceTypes.ciliumEndpoints, ref("web"));
      return published?.metadata.labels?.["pod-template-hash"] === "abc";
    });
    expect(await identityOf("web")).toBe(before);
  });
});

describe("what others do to our objects", () => {
  it("is put right: a deleted CiliumEndpoint, a changed CiliumNode", async () => {
    await cluster.state.delete(resourceTypes.ciliumEndpoints, ref("web"));
    await until("the endpoint is published again", async () => {
      return (await cluster.state.get(resourceTypes.ciliumEndpoints, ref("web"))) !== undefined;
    });
    const node = (await cluster.state.get(resourceTypes.ciliumNodes, { name: "a" }))!;
    await cluster.state.update(resourceTypes.ciliumNodes, { ...node, spec: {} });
    await until("the node is published again", async () => {
      const published = await cluster.state.get(resourceTypes.ciliumNodes, { name: "a" });
      return published?.spec.ipam?.podCIDRs?.[0] === "10.244.0.0/24";
    });
  });
});

describe("a route that somebody removed", () => {
  it("stands again after the next start", async () => {
    const routes = () => a.ip("route", "show", "proto", "197");
    const before = routes();
    expect(before).toContain("10.244.0.0/24 via 10.244.0.1 dev cilium_host");
    a.ip("route", "delete", "10.244.0.0/24");
    await a.stop("SIGTERM");
    await a.start();
    await until("the route is there", () => routes() === before);
  });
});

describe("DEL", () => {
  it("leaves nothing of the pod behind, and comes twice without harm", async () => {
    const before = { maps: a.dumpMaps(), links: a.linkIds(), pods: a.podLinks() };
    await cluster.createPod("brief", "a", { app: "web", version: "2" });
    await a.add("brief");
    expect(a.podLinks()).toHaveLength(3);
    await a.delete("brief");
    await a.delete("brief");
    expect({ maps: a.dumpMaps(), links: a.linkIds(), pods: a.podLinks() }).toEqual(before);
    await until("it is no longer published", async () => {
      return (await cluster.state.get(resourceTypes.ciliumEndpoints, ref("brief"))) === undefined;
    });
  });
});

describe("CHECK", () => {
  const body = (name: string) => ({ ...a.sandbox(name), ifName: "eth0", podName: name, podNamespace: "shop" });

  it("is content with what ADD made", async () => {
    expect((await a.post("/v1/cni/check", body("web"))).status).toBe(200);
  });

  it("says what is missing inside the pod", async () => {
    a.inPod("client", "ip", "address", "flush", "dev", "eth0");
    expect(await a.post("/v1/cni/check", body("client"))).toMatchObject({
      status: 500,
      body: { code: 101, msg: expect.stringMatching(/address 10\.244\.0\.\d+ is missing on eth0/) },
    });
  });
});

describe("ADD", () => {
  it("into a namespace that does not exist fails in words and leaves nothing", async () => {
    const before = { maps: a.dumpMaps(), pods: a.podLinks() };
    const body = {
      containerId: "c-x",
      netns: "/run/netns/cts-t-none",
      ifName: "eth0",
      podName: "x",
      podNamespace: "shop",
    };
    expect(await a.post("/v1/cni/add", body)).toMatchObject({
      status: 500,
      body: { code: 100, msg: expect.stringContaining("/run/netns/cts-t-none cannot be made") },
    });
    expect({ maps: a.dumpMaps(), pods: a.podLinks() }).toEqual(before);
  });
});

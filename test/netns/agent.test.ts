import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { AgentCluster, type AgentNode, until } from "./agent-node.js";
import { addressOf, ask, endpoints, serve } from "./pod-traffic.js";

let cluster: AgentCluster;
let a: AgentNode;
let b: AgentNode;

beforeAll(async () => {
  cluster = await AgentCluster.create();
  [a, b] = [await cluster.addNode("a"), await cluster.addNode("b")];
  await Promise.all([a.start(), b.start()]);
  await cluster.createPod("web", "a", { app: "web" });
  await cluster.createPod("client", "a", { app: "client" });
  await cluster.createPod("far", "b", { app: "web" });
  await Promise.all([a.add("web"), a.add("client"), b.add("far")]);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

describe("pods that agents attached", () => {
  it("reach each other on one node", async () => {
    using _server = await serve(a, "web");
    expect(await ask(a, "client", await addressOf(a, "web"))).toBe("web");
  });

  it("reach each other across nodes, and the other node knows their identity", async () => {
    using _server = await serve(b, "far");
    const far = await addressOf(b, "far");
    await until(
      "node a knows the far pod",
      () => a.dumpMaps().cilium_ipcache_v2!.length === b.dumpMaps().cilium_ipcache_v2!.length,
    );
    expect(await ask(a, "client", far)).toBe("far");
  });

  it("are reached from their node", async () => {
    using _server = await serve(a, "web");
    const address = await addressOf(a, "web");
    const answer = execFileSync("ip", [
      "netns",
      "exec",
      a.netns,
      "bash",
      "-c",
      `exec 3<>/dev/tcp/${address}/8080; echo x >&3; head -c 3 <&3`,
    ]);
    expect(answer.toString()).toBe("web");
  });

  it("of one set of labels have one identity on all nodes", async () => {
    const [web, far] = [(await endpoints(a)).find(({ podName }) => podName === "web"), (await endpoints(b))[0]];
    expect(web!.identity).toBe(far!.identity);
    expect(web!.identity).toBeGreaterThanOrEqual(256);
  });

  it("are named to whoever asks", async () => {
    const names = (await a.get("/v1/names")).body as {
      pods: { name: string; node: string }[];
      nodes: { name: string }[];
    };
    expect(names.pods.map(({ name, node }) => `${name}@${node}`).sort()).toEqual(["client@a", "far@b", "web@a"]);
    expect(names.nodes.map(({ name }) => name).sort()).toEqual(["a", "b"]);
  });
});

describe("a Service", () => {
  it("is reached from pods, and a change of its endpoints too", async () => {
    using _near = await serve(a, "web");
    using _far = await serve(b, "far");
    await cluster.createService("shop", "10.96.0.10", await addressOf(a, "web"));
    await until("the near backend answers", async () => (await ask(a, "client", "10.96.0.10", 80)) === "web");
    await cluster.setBackend("shop", await addressOf(b, "far"));
    await until("the far backend answers", async () => (await ask(a, "client", "10.96.0.10", 80)) === "far");
    // The near one stays for the connections that it has, and says so.
    expect(a.dumpMaps().cilium_lb4_backends_v3).toHaveLength(2);
  });
});

describe("an agent that starts again", () => {
  it("ends in the same maps, byte by byte, and the same links", async () => {
    const state = () => ({ maps: a.dumpMaps(), links: a.linkIds() });
    const before = state();
    expect(Object.values(before.maps).flat().length).toBeGreaterThan(10);
    expect(await a.stop("SIGTERM")).toBe(0);
    expect(state()).toEqual(before);
    await a.start();
    expect(state()).toEqual(before);
  });

  it("does so after a kill too, and a connection goes on meanwhile", async () => {
    using _server = await serve(a, "web");
    const address = await addressOf(a, "web");
    const talk = a.spawnInPod(
      "client",
      // One question after the other's answer: what is lost stops it. Asked to end, it wants one more answer.
      `let answers = 0, left = Infinity;
       const s = require("net").connect(8080, "${address}", () => s.write("?"));
       s.on("data", () => {
         answers++;
         if (--left <= 0) { console.log("whole", answers > 20); process.exit(); }
         setTimeout(() => s.write("?"), 5);
       });
       s.on("error", (e) => { console.log(e.code); process.exit(); });
       process.on("SIGTERM", () => { left = Math.max(2, 21 - answers); });`,
    );
    await cluster.createService("steady", "10.96.0.11", address);
    await until("the Service has its backend", async () => (await ask(a, "client", "10.96.0.11", 80)) === "web");
    const before = { maps: a.dumpMaps(), links: a.linkIds() };
    await a.stop("SIGKILL");
    expect(await ask(a, "client", address)).toBe("web");
    expect(await ask(a, "client", "10.96.0.11", 80)).toBe("web");
    await a.start();
    expect({ maps: a.dumpMaps(), links: a.linkIds() }).toEqual(before);
    const said = new Promise((resolve) => talk.stdout!.once("data", (data) => resolve(String(data).trim())));
    talk.kill("SIGTERM");
    expect(await said).toBe("whole true");
  });

  it("removes what belongs to a pod that vanished meanwhile", async () => {
    await cluster.createPod("brief", "a", { app: "brief" });
    const before = a.dumpMaps();
    await a.add("brief");
    await until(
      "the pod is published",
      async () =>
        (await cluster.state.get(resourceTypes.ciliumEndpoints, { namespace: "shop", name: "brief" })) !== undefined,
    );
    await a.stop("SIGKILL");
    execFileSync("ip", ["netns", "delete", a.sandbox("brief").netns.slice("/run/netns/".length)]);
    await until("its interface is gone", () => a.podLinks().length === 2);
    await a.start();
    await until("its maps are gone", () => JSON.stringify(a.dumpMaps()) === JSON.stringify(before));
    await until(
      "it is no longer published",
      async () =>
        (await cluster.state.get(resourceTypes.ciliumEndpoints, { namespace: "shop", name: "brief" })) === undefined,
    );
  });

  it("refuses to run beside another one", async () => {
    await expect(a.startSecond()).resolves.toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining("another agent runs with it"),
    });
    expect((await a.get("/v1/healthz")).status).toBe(200);
  });
});

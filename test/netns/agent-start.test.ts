import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type KubeConfigMap, resourceTypes } from "../../src/model/kubernetes.js";
import { AgentCluster, type AgentNode, until } from "./agent-node.js";
import { endpoints } from "./pod-traffic.js";

let cluster: AgentCluster;
let a: AgentNode;

beforeEach(async () => {
  cluster = await AgentCluster.create();
  a = await cluster.addNode("a");
});

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

function configMap(data: Readonly<Record<string, string>>): KubeConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "kube-system", name: "cilium-config" }, data };
}

describe("an agent's start", () => {
  it("ends with code 2 and every wrong setting at once, before it touches the kernel", async () => {
    await cluster.state.create(resourceTypes.configMaps, configMap({ "tunnel-prot": "vxlan", mtu: "12" }));
    const { exitCode, stderr } = await a.startSecond();
    expect(exitCode).toBe(2);
    expect(stderr).toContain("tunnel-prot is no setting: did you mean tunnel-port");
    expect(stderr).toMatch(/^mtu /m);
    expect(existsSync(join(a.bpffs, "tc"))).toBe(false);
  });

  it("ends with code 7 on a machine that is not the Node", async () => {
    a.ip("address", "flush", "dev", "eth0");
    const { exitCode, stderr } = await a.startSecond();
    expect(exitCode).toBe(7);
    expect(stderr).toContain("no interface has 172.18.0.2, InternalIP of a");
  });

  it("waits for a Node that does not exist yet, says so, and goes on when it does", async () => {
    const node = (await cluster.state.get(resourceTypes.nodes, { name: "a" }))!;
    await cluster.state.delete(resourceTypes.nodes, { name: "a" });
    const started = a.start();
    await until("it says what it waits for", async () => {
      const health = await a.get("/v1/healthz").catch(() => undefined);
      return health?.status === 503 && JSON.stringify(health.body).includes("there is no Node a");
    });
    const { uid: _uid, resourceVersion: _version, ...metadata } = node.metadata;
    await cluster.state.create(resourceTypes.nodes, { ...node, metadata });
    await started;
  });

  it("takes the settings of the ConfigMap", async () => {
    await cluster.state.create(resourceTypes.configMaps, configMap({ mtu: "1400" }));
    await a.start();
    await cluster.createPod("web", "a", { app: "web" });
    await a.add("web");
    expect(a.inPod("web", "ip", "link", "show", "eth0")).toContain("mtu 1400");
    expect(a.inPod("web", "ip", "route", "show", "default")).toContain("mtu 1350");
  });

  it("has thirty endpoints in place again after it was killed", async () => {
    await a.start();
    const names = Array.from({ length: 30 }, (_, index) => `pod-${index}`);
    for (const name of names) await cluster.createPod(name, "a", { app: name });
    await Promise.all(names.map((name) => a.add(name)));
    const before = { maps: a.dumpMaps(), links: a.linkIds() };
    await a.stop("SIGKILL");
    await a.start();
    expect({ maps: a.dumpMaps(), links: a.linkIds() }).toEqual(before);
    const status = (await a.get("/v1/status")).body as { endpoints: object; process: { rssBytes: number } };
    expect(status.endpoints).toEqual({ total: 30, ready: 30 });
  });
});

describe("an agent that is killed while it attaches pods", () => {
  it("leaves nothing of those that got no answer, and all of those that did", async () => {
    await a.start();
    const answered = new Set<string>();
    for (let round = 0; round < 4; round++) {
      const names = Array.from({ length: 6 }, (_, index) => `r${round}-${index}`);
      for (const name of names) await cluster.createPod(name, "a", { app: "x" });
      const adding = names.map((name) =>
        a.add(name).then(
          () => answered.add(name),
          () => {},
        ),
      );
      // Anywhere between the first file and the last answer.
      await delay(round * 35);
      await a.stop("SIGKILL");
      await Promise.all(adding);
      await a.start();
      const known = new Set((await endpoints(a)).map(({ podName }) => podName!));
      for (const name of answered) expect(known).toContain(name);
      expect(a.podLinks()).toHaveLength(known.size);
      // One that was complete and only lacked its answer stays; the runtime's DEL takes it away.
      for (const name of names) if (!answered.has(name)) await a.delete(name);
      expect(a.podLinks()).toHaveLength(answered.size);
    }
    for (const name of answered) await a.delete(name);
    const { cilium_lxc: pods, ...others } = a.dumpMaps();
    expect(pods).toHaveLength(2);
    expect(Object.keys(others).filter((name) => name.startsWith("cilium_policy_v2_"))).toEqual([]);
    expect(Object.keys(a.linkIds()).filter((name) => name.startsWith("lxc_"))).toEqual([]);
  });
});

function kernelHasGeneve(): boolean {
  try {
    a.ip("link", "add", "probe", "type", "geneve", "external");
    a.ip("link", "delete", "probe");
    return true;
  } catch {
    return false;
  }
}

describe("an agent whose tunnel protocol changes", () => {
  it("has that one's device alone, or the old one where the kernel has no such tunnel", async () => {
    await a.start();
    await a.stop("SIGTERM");
    await cluster.state.create(resourceTypes.configMaps, configMap({ "tunnel-protocol": "geneve" }));
    const tunnels = () => ["cilium_vxlan", "cilium_geneve"].filter((name) => a.ip("-o", "link", "show").includes(name));
    if (kernelHasGeneve()) {
      await a.start();
      expect(tunnels()).toEqual(["cilium_geneve"]);
      return;
    }
    const { exitCode, stderr } = await a.startSecond();
    expect(exitCode).toBe(6);
    expect(stderr).toContain("set tunnel-protocol: vxlan");
    expect(tunnels()).toEqual(["cilium_vxlan"]);
  });
});

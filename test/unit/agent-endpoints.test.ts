import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AgentFixture, cniRequest } from "../support/agent-fixture.js";

let agent: AgentFixture;

beforeEach(async () => {
  agent = await AgentFixture.create();
  agent.pods.set("shop/web", { identity: 4711, labels: ["k8s:app=web"], podUid: "u1" });
  agent.pods.set("shop/db", { identity: 4712, labels: ["k8s:app=db"], podUid: "u2" });
});

afterEach(async () => {
  await rm(agent.runDir, { recursive: true });
});

/** Lets the fake kernel take its time with calls of a name, until it is told to go on. */
function hold(call: string): () => void {
  let release = (): void => {};
  agent.datapath.waiting.set(call, new Promise((resolve) => (release = resolve)));
  return release;
}

const isCalled = (call: string) => vi.waitFor(() => expect(agent.datapath.calls.join()).toContain(call));

const files = (): Promise<string[]> => readdir(join(agent.runDir, "endpoints"));

describe("ADD", () => {
  it("answers with address, gateway, both interfaces and the default route", async () => {
    const result = await agent.manager.add(cniRequest("web"));
    expect(result).toMatchObject({
      cniVersion: "1.0.0",
      interfaces: [{ name: expect.stringMatching(/^lxc[0-9a-f]{11}$/) }, { name: "eth0", sandbox: "/run/netns/web" }],
      ips: [{ address: "10.244.0.2/32", gateway: "10.244.0.1", interface: 1 }],
      routes: [{ dst: "10.244.0.1/32" }, { dst: "0.0.0.0/0", gw: "10.244.0.1" }],
    });
  });

  it("attaches programs only after policy, endpoint and ipcache are written", async () => {
    await agent.manager.add(cniRequest("web"));
    const { endpointId, ifindex, mac, hostMac } = agent.table.list()[0]!;
    expect(agent.datapath.calls.slice(-4)).toEqual([
      `writePolicy ${endpointId}`,
      "writeEndpoints",
      "updateIpcache",
      `attach ${endpointId}`,
    ]);
    expect(agent.datapath.policies.get(endpointId)).toHaveLength(2);
    expect(agent.datapath.lxc.get("10.244.0.2")).toBe(`${endpointId} 4711 ${ifindex} ${mac} ${hostMac}`);
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("4711");
  });

  it("gives the same answer again and makes nothing twice", async () => {
    const first = await agent.manager.add(cniRequest("web"));
    const snapshot = agent.datapath.snapshot();
    expect(await agent.manager.add(cniRequest("web"))).toEqual(first);
    expect(agent.datapath.snapshot()).toEqual(snapshot);
    expect(agent.links.links.size).toBe(1);
  });

  it("makes the endpoint anew when its interface is gone", async () => {
    const first = await agent.manager.add(cniRequest("web"));
    agent.links.links.clear();
    const second = await agent.manager.add(cniRequest("web"));
    expect(second.ips[0]!.address).not.toBe(first.ips[0]!.address);
    expect(agent.table.size).toBe(1);
    expect(agent.datapath.ipcache.has("10.244.0.2/32")).toBe(false);
  });

  it("answers two asks at the same moment with one endpoint", async () => {
    const [one, two] = await Promise.all([agent.manager.add(cniRequest("web")), agent.manager.add(cniRequest("web"))]);
    expect(two).toEqual(one);
    expect(agent.table.size).toBe(1);
  });

  it("gives thirty pods at once thirty addresses and ids", async () => {
    const names = Array.from({ length: 30 }, (_, index) => `p${index}`);
    const results = await Promise.all(names.map((name) => agent.manager.add(cniRequest(name))));
    expect(new Set(results.map((result) => result.ips[0]!.address)).size).toBe(30);
    expect(agent.datapath.attached.size).toBe(30);
  });

  it("gives a pod that the source does not know yet the init identity, and its own when it appears", async () => {
    await agent.manager.add(cniRequest("late"));
    const { endpointId } = agent.table.list()[0]!;
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("5");
    agent.pods.set("shop/late", { identity: 99, labels: ["k8s:app=late"], podUid: "u9" });
    await agent.manager.refreshIdentity(endpointId);
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("99");
  });

  it.each(["writePolicy", "writeEndpoints", "updateIpcache", "attach"])(
    "undoes everything when %s fails",
    async (call) => {
      await agent.manager.add(cniRequest("db"));
      const before = agent.datapath.snapshot();
      agent.datapath.failing.set(call, new Error("no memory"));
      await expect(agent.manager.add(cniRequest("web"))).rejects.toThrow("no memory");
      expect(agent.datapath.snapshot()).toEqual(before);
      expect(agent.links.links.size).toBe(1);
      expect(await files()).toHaveLength(1);
    },
  );

  it("answers only when the programs are in place, and nobody takes the endpoint for ready before", async () => {
    const release = hold("attach");
    let isAnswered = false;
    const adding = agent.manager.add(cniRequest("web")).then(() => (isAnswered = true));
    await isCalled("attach");
    expect([isAnswered, agent.table.ready().length, agent.changed]).toEqual([false, 0, []]);
    // A comparison of whole maps meanwhile must find it all the same.
    expect(agent.table.placed()).toHaveLength(1);
    expect(agent.table.findByAddress(agent.table.list()[0]!.addresses[0]!)?.podName).toBe("web");
    release();
    await adding;
    expect(agent.table.ready()).toHaveLength(1);
    expect(agent.changed).toEqual(["shop/web ready"]);
  });

  it("puts no endpoint into the maps before its policy is in force", async () => {
    const release = hold("writePolicy");
    const adding = agent.manager.add(cniRequest("web"));
    await isCalled("writePolicy");
    await vi.waitFor(() => expect(agent.links.links.size).toBe(1));
    expect(agent.datapath.lxc.has("10.244.0.2")).toBe(false);
    release();
    await adding;
    expect(agent.datapath.lxc.has("10.244.0.2")).toBe(true);
  });

  it("does not wait for the ADD of another pod that waits for the kernel", async () => {
    const release = hold("attach");
    const slow = agent.manager.add(cniRequest("web"));
    await isCalled("attach");
    agent.datapath.waiting.clear();
    await agent.manager.add(cniRequest("db"));
    expect(agent.table.ready().map(({ podName }) => podName)).toEqual(["db"]);
    // The other one stands in the maps although its ADD has no answer yet.
    expect(agent.datapath.lxc.has("10.244.0.2")).toBe(true);
    release();
    await slow;
    expect(agent.table.ready()).toHaveLength(2);
  });

  it("takes labels that change while it waits for the kernel", async () => {
    const release = hold("attach");
    const adding = agent.manager.add(cniRequest("web"));
    await isCalled("attach");
    agent.pods.set("shop/web", { identity: 5000, labels: ["k8s:app=web2"], podUid: "u1" });
    const [own] = agent.table.ofPod("shop", "web");
    const refreshing = agent.manager.refreshIdentity(own!.endpointId);
    release();
    await Promise.all([adding, refreshing]);
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("5000");
  });

  it("undoes everything when the interface cannot be made", async () => {
    agent.links.failure = new Error("namespace is gone");
    await expect(agent.manager.add(cniRequest("web"))).rejects.toThrow("namespace is gone");
    expect(agent.table.size).toBe(0);
    expect(await files()).toEqual([]);
    agent.links.failure = undefined;
    await agent.manager.add(cniRequest("web"));
    expect(agent.table.size).toBe(1);
  });
});

describe("the pod's side of the interface", () => {
  it("is configured before ADD answers", async () => {
    await agent.manager.add(cniRequest("web"));
    expect([...agent.links.configured]).toEqual([agent.table.list()[0]!.hostIfname]);
  });

  it("undoes everything when it cannot be configured, but only after the programs are attached", async () => {
    const before = agent.datapath.snapshot();
    const release = hold("attach");
    agent.links.configureFailure = new Error("no such route");
    const adding = agent.manager.add(cniRequest("web"));
    adding.catch(() => {});
    await isCalled("attach");
    expect(agent.datapath.calls.join()).not.toContain("detach");
    release();
    await expect(adding).rejects.toThrow("no such route");
    expect(agent.datapath.snapshot()).toEqual(before);
    expect([agent.table.size, agent.links.links.size, (await files()).length]).toEqual([0, 0, 0]);
  });
});

describe("DEL", () => {
  it("removes link, programs, maps, file and publishes", async () => {
    const before = agent.datapath.snapshot();
    await agent.manager.add(cniRequest("web"));
    await agent.manager.delete(cniRequest("web"));
    expect(agent.datapath.snapshot()).toEqual(before);
    expect(agent.links.links.size).toBe(0);
    expect(await files()).toEqual([]);
    expect(agent.changed).toEqual(["shop/web ready", "shop/web deleting"]);
  });

  it("is content with a container that it never saw, and with one that is gone already", async () => {
    await agent.manager.delete(cniRequest("nobody"));
    await agent.manager.add(cniRequest("web"));
    await agent.manager.delete(cniRequest("web"));
    await agent.manager.delete(cniRequest("web"));
    expect(agent.table.size).toBe(0);
  });

  it("goes on where a failed DEL stopped", async () => {
    await agent.manager.add(cniRequest("web"));
    agent.datapath.failing.set("detach", new Error("busy"));
    await expect(agent.manager.delete(cniRequest("web"))).rejects.toThrow("busy");
    await agent.manager.delete(cniRequest("web"));
    expect(agent.table.size).toBe(0);
    expect(agent.datapath.attached.size).toBe(0);
  });

  it("leaves the address alone when another endpoint has it by now", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.manager.add(cniRequest("db"));
    const web = agent.table.findByPod("shop", "web")!;
    const db = agent.table.findByPod("shop", "db")!;
    agent.table.set({ ...web, addresses: db.addresses });
    await agent.manager.delete(cniRequest("web"));
    expect(agent.datapath.ipcache.get(`${db.addresses[0]}/32`)).toBe("4712");
  });
});

describe("CHECK", () => {
  it("answers as ADD did", async () => {
    const added = await agent.manager.add(cniRequest("web"));
    expect(await agent.manager.check(cniRequest("web"))).toEqual(added);
  });

  it("names what is missing", async () => {
    await agent.manager.add(cniRequest("web"));
    agent.links.links.clear();
    await expect(agent.manager.check(cniRequest("web"))).rejects.toMatchObject({
      cniCode: 101,
      message: expect.stringContaining("does not exist"),
    });
  });

  it("says 3 for an unknown container", async () => {
    await expect(agent.manager.check(cniRequest("web"))).rejects.toMatchObject({ cniCode: 3 });
  });
});

describe("restart", () => {
  it("ends in the same maps and attaches every living endpoint", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.manager.add(cniRequest("db"));
    const before = agent.datapath.snapshot();
    await agent.restart();
    expect(agent.datapath.snapshot()).toEqual(before);
    expect(agent.restored.living).toHaveLength(2);
  });

  it("keeps what was set of an endpoint's options, and refuses an endpoint that is not there", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.manager.add(cniRequest("db"));
    const { endpointId } = agent.table.findByPod("shop", "web")!;
    await agent.manager.configure(endpointId, { drops: false });
    await agent.manager.configure(endpointId, { aggregation: "none" });
    const before = agent.datapath.snapshot();
    expect(JSON.stringify(before)).toContain("drops,false aggregation,none");
    await agent.restart();
    expect(agent.datapath.snapshot()).toEqual(before);
    expect((await agent.manager.configure(endpointId, {}))?.eventOptions).toEqual({
      drops: false,
      aggregation: "none",
    });
    expect(await agent.manager.configure(endpointId === 1 ? 2 : 1, { drops: true })).toBeUndefined();
  });

  it("removes an endpoint whose interface vanished meanwhile", async () => {
    await agent.manager.add(cniRequest("web"));
    const before = agent.datapath.snapshot();
    await agent.manager.add(cniRequest("db"));
    agent.links.links.delete(agent.table.findByPod("shop", "db")!.hostIfname);
    await agent.restart();
    expect({ ...(agent.datapath.snapshot() as object) }).toEqual(before);
    expect(await files()).toHaveLength(1);
  });

  it.each(["creating", "deleting"])("undoes an endpoint that was killed while %s", async (state) => {
    await agent.manager.add(cniRequest("web"));
    const path = join(agent.runDir, "endpoints", (await files())[0]!);
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), state }));
    await agent.restart();
    expect(agent.table.size).toBe(0);
    expect(agent.links.links.size).toBe(0);
    expect(agent.datapath.attached.size).toBe(0);
    expect(agent.datapath.ipcache.has("10.244.0.2/32")).toBe(false);
  });

  it("removes pins of endpoints that no record names", async () => {
    agent.datapath.attached.set(77, 5);
    await agent.restart();
    expect(agent.datapath.attached.has(77)).toBe(false);
  });

  it("takes the interface of an unknown endpoint away before its programs, so that no pod runs without them", async () => {
    agent.datapath.attached.set(77, 5);
    agent.links.links.set("lxcunknown", 5);
    const remove = agent.links.remove.bind(agent.links);
    let wasAttached: boolean | undefined;
    agent.links.remove = async (ifname) => {
      wasAttached = agent.datapath.attached.has(77);
      await remove(ifname);
    };
    await agent.restart();
    expect(wasAttached).toBe(true);
    expect(agent.links.links.has("lxcunknown")).toBe(false);
    expect(agent.datapath.attached.has(77)).toBe(false);
  });

  it("leaves an endpoint alone whose record cannot be read, says so, and does not hand its id out", async () => {
    await agent.manager.add(cniRequest("web"));
    const [file] = await files();
    const endpointId = Number.parseInt(file!, 10);
    await writeFile(join(agent.runDir, "endpoints", file!), '{"version":1,"endpo');
    await agent.restart();
    expect(agent.datapath.attached.has(endpointId)).toBe(true);
    expect(agent.restored.problems).toEqual([expect.stringContaining(`endpoint ${endpointId} is not managed`)]);
    agent.links.links.clear();
    await agent.manager.add(cniRequest("web"));
    expect(agent.table.list()[0]!.endpointId).not.toBe(endpointId);
  });

  it("keeps the older one of two endpoints with one address", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.manager.add(cniRequest("db"));
    const { endpointId } = agent.table.findByPod("shop", "db")!;
    const path = join(agent.runDir, "endpoints", `${endpointId}.json`);
    const later = { addresses: ["10.244.0.2"], createdAt: "2999-01-01T00:00:00.000Z" };
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...later }));
    await agent.restart();
    expect(agent.restored.living.map((record) => record.podName)).toEqual(["web"]);
    expect(agent.restored.problems).toEqual([expect.stringContaining("address 10.244.0.2 of another endpoint")]);
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("4711");
    expect((await agent.manager.add(cniRequest("third"))).ips[0]!.address).not.toBe("10.244.0.2/32");
  });

  it("does not hand the address of the pod deleted last out first", async () => {
    await agent.manager.add(cniRequest("web"));
    await agent.manager.delete(cniRequest("web"));
    await agent.restart();
    expect((await agent.manager.add(cniRequest("db"))).ips[0]!.address).toBe("10.244.0.3/32");
  });
});

describe("identity change", () => {
  it("updates maps and record in place, without touching the programs", async () => {
    await agent.manager.add(cniRequest("web"));
    const { endpointId } = agent.table.list()[0]!;
    agent.datapath.calls.length = 0;
    agent.pods.set("shop/web", { identity: 5000, labels: ["k8s:app=web2"], podUid: "u1" });
    await agent.manager.refreshIdentity(endpointId);
    expect(agent.datapath.calls).toEqual([`writePolicy ${endpointId}`, "updateIpcache", "writeEndpoints"]);
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("5000");
    await agent.restart();
    expect(agent.table.get(endpointId)?.identity).toBe(5000);
  });

  it("writes nothing when the identity is the same", async () => {
    await agent.manager.add(cniRequest("web"));
    agent.datapath.calls.length = 0;
    await agent.manager.refreshIdentity(agent.table.list()[0]!.endpointId);
    expect(agent.datapath.calls).toEqual([]);
  });

  it("keeps the identity of a pod that is gone from the source until its DEL", async () => {
    await agent.manager.add(cniRequest("web"));
    agent.pods.delete("shop/web");
    await agent.manager.refreshIdentity(agent.table.list()[0]!.endpointId);
    expect(agent.datapath.ipcache.get("10.244.0.2/32")).toBe("4711");
  });
});

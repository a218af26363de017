import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { AgentCluster, type AgentNode, until } from "./agent-node.js";

let cluster: AgentCluster;
let node: AgentNode;
beforeAll(async () => {
  cluster = await AgentCluster.create();
  node = await cluster.addNode("a");
  await node.start();
}, 120_000);
afterAll(() => cluster[Symbol.asyncDispose]());

/** By the names of pins alone: they come and go meanwhile. */
const hooksOn = (ifindex: number): readonly string[] =>
  readdirSync(join(node.bpffs, "cts/links"))
    .filter((pin) => pin.startsWith(`netdev_${ifindex}_`))
    .sort();
const both = (ifindex: number): readonly string[] => [`netdev_${ifindex}_egress`, `netdev_${ifindex}_ingress`];
const indexOf = (name: string): number =>
  (JSON.parse(node.ip("-j", "link", "show", name))[0] as { ifindex: number }).ifindex;

describe("programs on the node's devices", () => {
  it("are on the device with the node's address", () => {
    expect(hooksOn(indexOf("eth0"))).toEqual(both(indexOf("eth0")));
  });

  it("come to a device that appears and go with it", async () => {
    node.ip("link", "add", "up1", "type", "veth", "peer", "name", "down1");
    node.ip("link", "set", "up1", "up");
    node.ip("route", "add", "default", "dev", "up1", "metric", "500");
    const ifindex = indexOf("up1");
    await until("programs on up1", () => hooksOn(ifindex).length === 2);
    node.ip("link", "delete", "up1");
    await until("no pins of up1", () => hooksOn(ifindex).length === 0);
    expect(hooksOn(indexOf("eth0"))).toHaveLength(2);
  });

  it("go where the setting says after a restart, and nowhere else", async () => {
    node.ip("link", "add", "up0", "type", "veth", "peer", "name", "down0");
    node.ip("link", "set", "up0", "up");
    await node.stop("SIGTERM");
    await cluster.state.create(resourceTypes.configMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "kube-system", name: "cilium-config" },
      data: { devices: "up+" },
    });
    await node.start();
    await until("programs on up0 alone", () => hooksOn(indexOf("eth0")).length === 0);
    expect(hooksOn(indexOf("up0"))).toEqual(both(indexOf("up0")));
  });
});

import { afterEach, beforeEach, expect, it } from "vitest";
import { labToolPath } from "../../src/lab/lab-tool.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { AgentCluster, type AgentNode } from "./agent-node.js";

let cluster: AgentCluster;
let a: AgentNode;

beforeEach(async () => {
  cluster = await AgentCluster.create();
  a = await cluster.addNode("a");
});

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** Settings and a Node of both families, as a cluster's administrator makes them. */
async function enableIpv6(): Promise<void> {
  await cluster.state.create(resourceTypes.configMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "kube-system", name: "cilium-config" },
    data: { "enable-ipv6": "true" },
  });
  const node = (await cluster.state.get(resourceTypes.nodes, { name: "a" }))!;
  const podCIDRs = [a.podCidr, "fd00:10:244::/64"];
  await cluster.state.update(resourceTypes.nodes, { ...node, spec: { ...node.spec, podCIDRs } });
}

const addressesOf = (result: { readonly ips: readonly { readonly address: string }[] }): readonly string[] =>
  result.ips.map(({ address }) => address);
const ping = (pod: string, address: string): string => a.inPod(pod, labToolPath, "ping", address);

it("a pod whose namespace has IPv6 switched off gets its IPv6 address all the same", async () => {
  await enableIpv6();
  await a.start();
  await cluster.createPod("web", "a", { app: "web" });
  const sandbox = a.createSandbox("web");
  const off = "for name in all default; do echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done";
  a.inPod("web", "sh", "-c", off);
  expect(addressesOf(await a.add("web", sandbox))).toEqual(["10.244.0.2/32", "fd00:10:244::2/128"]);
  expect(ping("web", "fd00:10:244::1")).toContain("1 of 1 answers");
});

it("an agent that is told of IPv6 later gives it to new pods and leaves those that are there as they are", async () => {
  await a.start();
  for (const name of ["old", "new"]) await cluster.createPod(name, "a", { app: name });
  const before = await a.add("old");
  expect(addressesOf(before)).toEqual(["10.244.0.2/32"]);
  await a.stop("SIGKILL");
  await enableIpv6();
  await a.start();
  expect(await a.add("old", a.sandbox("old"))).toEqual(before);
  expect(addressesOf(await a.add("new"))).toEqual(["10.244.0.3/32", "fd00:10:244::2/128"]);
  expect(ping("old", "10.244.0.3")).toContain("1 of 1 answers");
  expect(ping("new", "fd00:10:244::1")).toContain("1 of 1 answers");
  // And back again: what has two addresses keeps them, the next pod has one.
  await a.stop("SIGKILL");
  await cluster.state.delete(resourceTypes.configMaps, { namespace: "kube-system", name: "cilium-config" });
  await a.start();
  expect(addressesOf(await a.add("new", a.sandbox("new")))).toEqual(["10.244.0.3/32"]);
  expect(ping("new", "10.244.0.2")).toContain("1 of 1 answers");
});

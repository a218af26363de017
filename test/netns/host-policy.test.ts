import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, podManifest, TestLab } from "./support/lab-fixture.js";

/** Processes of the nodes themselves listen on these ports. */
const ports = { "node-1": 7070, "node-2": 7071 } as const;
const addresses = { "node-1": "172.18.0.2", "node-2": "172.18.0.3" } as const;
type NodeName = keyof typeof ports;

const onNode = (name: string, node: NodeName) =>
  podManifest(name, {
    node,
    spec: "hostNetwork: true",
    container: `image: echo\n      args: [--tcp, '${ports[node]}']`,
  });
const inPod = (name: string, node: NodeName) =>
  podManifest(name, {
    node,
    container: "image: echo\n      ports: [{ containerPort: 8080 }, { containerPort: 9090 }]",
  });
const node = (name: NodeName, labels: object) => ({ apiVersion: "v1", kind: "Node", metadata: { name, labels } });

const manifests = (data: object) => `
---
${JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cilium-config", namespace: "kube-system" }, data })}
---
${JSON.stringify(node("node-1", { guarded: "yes" }))}
---
${JSON.stringify(node("node-2", {}))}
${inPod("near", "node-1")}${inPod("far", "node-2")}${onNode("host-1", "node-1")}${onNode("host-2", "node-2")}`;

const settings = { "enable-host-firewall": "true", "policy-cidr-match-mode": "nodes" };

let lab: TestLab;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-host-policy-"));
  lab = await TestLab.start({ agentCommand: "own", manifests: manifests(settings) });
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await lab[Symbol.asyncDispose]();
});

function apply(object: object): string {
  const file = join(folder, "objects.json");
  writeFileSync(file, JSON.stringify(object));
  const { status, stderr } = lab.cli("apply", "-f", file);
  expect(status, stderr).toBe(0);
  return stderr;
}
const hostPolicy = (spec: object) =>
  apply({
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "nodes" },
    spec: { nodeSelector: { matchLabels: { guarded: "yes" } }, ...spec },
  });
const removePolicy = () => expect(lab.cli("delete", "ccnp", "nodes").status).toBe(0);

const podIp = async (name: string) => (await lab.pod(name))!.status!.podIP!;
/** Whether a connection from this pod (or the node that it stands for) is answered. */
const reaches = async (from: string, address: string, port: number) =>
  (await lab.execStatus(from, "cts-lab", "tcp", "--timeout-ms", "700", address, String(port))) === 0;

/** Who reaches whom, in the order of {@link connections}. */
const connections = {
  "far → node-1": () => reaches("far", addresses["node-1"], ports["node-1"]),
  "near → node-1": () => reaches("near", addresses["node-1"], ports["node-1"]),
  "node-2 → node-1": () => reaches("host-2", addresses["node-1"], ports["node-1"]),
  "node-1 → node-2": () => reaches("host-1", addresses["node-2"], ports["node-2"]),
  "node-1 → near": async () => reaches("host-1", await podIp("near"), 9090),
  "node-1 → far": async () => reaches("host-1", await podIp("far"), 9090),
  // Never the nodes' own affair.
  "near → far": async () => reaches("near", await podIp("far"), 9090),
  "far → near": async () => reaches("far", await podIp("near"), 9090),
  "far → node-2": () => reaches("far", addresses["node-2"], ports["node-2"]),
} as const;
type Connection = keyof typeof connections;

/** The same without traffic, as `policy verdict` tells it: the node of a process in the node's network is its end. */
function foretold(): readonly Connection[] {
  const ends: Readonly<Record<string, string>> = { "node-1": "node/node-1", "node-2": "node/node-2" };
  return (Object.keys(connections) as Connection[]).filter((name) => {
    const [from = "", to = ""] = name.split(" → ");
    const port = String(ports[to as NodeName] ?? 9090);
    const { status } = lab.product(
      "policy",
      "verdict",
      "--from",
      ends[from] ?? from,
      "--to",
      ends[to] ?? to,
      "--port",
      port,
    );
    expect([0, 3]).toContain(status);
    return status === 3;
  });
}

async function denied(): Promise<readonly Connection[]> {
  const names = Object.keys(connections) as Connection[];
  const answers = await Promise.all(names.map((name) => connections[name]()));
  return names.filter((_, index) => !answers[index]);
}
const expectDenied = async (...expected: readonly Connection[]) => {
  const seen = await eventually(denied, (found) => found.join() === expected.join(), 20_000).catch(denied);
  expect(seen).toEqual(expected);
  if (expected.length > 0) expect(foretold()).toEqual(expected);
};
const rows = (...args: readonly string[]) =>
  (JSON.parse(lab.product(...args, "-o", "json").stdout) as { items: Record<string, unknown>[] }).items;
const hosts = () => rows("endpoint", "list").filter(({ identity }) => identity === 1);

describe("policies of nodes, with enable-host-firewall", () => {
  it("deny nothing where there are none, and the nodes are endpoints", async () => {
    await expectDenied();
    const seen = hosts().map(({ node: name, policyEnforcement, identityLabels }) => [
      name,
      policyEnforcement,
      identityLabels,
    ]);
    expect(seen).toEqual([
      ["node-1", "none", ["k8s:guarded=yes", "reserved:host"]],
      ["node-2", "none", ["reserved:host"]],
    ]);
  });

  it("hold for what reaches a node's processes, from pods near and far and from other nodes", async () => {
    const toPorts = [{ ports: [{ port: String(ports["node-1"]), protocol: "TCP" }] }];
    hostPolicy({ ingress: [{ fromEndpoints: [{ matchLabels: { app: "far" } }], toPorts }] });
    await expectDenied("near → node-1", "node-2 → node-1");
    expect(hosts().map(({ policyEnforcement }) => policyEnforcement)).toEqual(["ingress", "none"]);
    const [policy] = rows("policy", "get", "nodes", "--node", "node-1");
    expect(policy).toMatchObject({ inForce: "whole", problems: [], endpoints: [65_535] });
    const entries = rows("bpf", "policy", "list", "65535", "--node", "node-1", "--direction", "ingress");
    expect(entries[0]).toMatchObject({
      protocol: "TCP",
      port: 7070,
      rules: ["CiliumClusterwideNetworkPolicy/nodes spec.ingress[0]"],
    });
    hostPolicy({ ingress: [{ fromEntities: ["remote-node"] }] });
    await expectDenied("far → node-1", "near → node-1");
  });

  it("hold for what a node's processes send", async () => {
    hostPolicy({ egress: [{ toEndpoints: [{ matchLabels: { app: "far" } }] }] });
    await expectDenied("node-1 → node-2", "node-1 → near");
    hostPolicy({ egressDeny: [{ toEntities: ["remote-node"] }], egress: [{ toEntities: ["all"] }] });
    await expectDenied("node-1 → node-2");
  });

  it("outlive the agent, and a start of it lets nothing through", async () => {
    hostPolicy({ ingress: [{ fromEndpoints: [{ matchLabels: { app: "far" } }] }] });
    await expectDenied("near → node-1", "node-2 → node-1");
    expect(lab.cli("agent", "stop", "node-1", "--kill").status).toBe(0);
    expect(await denied()).toEqual(["near → node-1", "node-2 → node-1"]);
    expect(lab.cli("agent", "start", "node-1").status).toBe(0);
    const leaks: string[] = [];
    await eventually(
      async () => {
        if (await connections["near → node-1"]()) leaks.push("near → node-1");
        return hosts().find(({ node: name }) => name === "node-1")?.policyEnforcement;
      },
      (enforcement) => enforcement === "ingress",
    );
    expect(leaks).toEqual([]);
  });

  it("follow the nodes' labels", async () => {
    apply(node("node-1", {}));
    await expectDenied();
    apply(node("node-2", { guarded: "yes" }));
    await eventually(
      () => reaches("host-1", addresses["node-2"], ports["node-2"]),
      (isOpen) => !isOpen,
    );
    removePolicy();
    await expectDenied();
  });

  it("are not asked for what pods send to nodes: theirs may name nodes by address, with policy-cidr-match-mode", async () => {
    apply({
      ...{
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "by-address", namespace: "default" },
      },
      spec: {
        endpointSelector: { matchLabels: { app: "far" } },
        egress: [{ toCIDR: [`${addresses["node-1"]}/32`] }],
      },
    });
    await expectDenied("far → near", "far → node-2");
    expect(lab.cli("delete", "cnp", "by-address").status).toBe(0);
    await expectDenied();
  });
});

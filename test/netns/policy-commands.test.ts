import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, podManifest, TestLab } from "./support/lab-fixture.js";
import { RunningMonitor } from "./support/running-monitor.js";

const server = `image: echo
      ports: [{ name: http, containerPort: 8080 }]`;
/** One rule is in force, the second is refused. */
const guarded = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "guarded", namespace: "default" },
  spec: {
    endpointSelector: { matchLabels: { app: "a" } },
    ingress: [
      { fromEndpoints: [{ matchLabels: { app: "b" } }], toPorts: [{ ports: [{ port: "8080", protocol: "TCP" }] }] },
      { fromEndpoints: [{}], toPorts: [{ ports: [{ port: "8080" }], rules: { http: [{ method: "GET" }] } }] },
    ],
  },
};
const rule = "CiliumNetworkPolicy/default/guarded spec.ingress[0]";

let lab: TestLab;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-policies-"));
  const manifests = ["a", "b"].map((name, index) =>
    podManifest(name, { node: `node-${index + 1}`, container: server }),
  );
  lab = await TestLab.start({ agentCommand: "own", manifests: manifests.join("") });
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await lab[Symbol.asyncDispose]();
});

function apply(object: unknown) {
  const file = join(folder, "policy.json");
  writeFileSync(file, JSON.stringify(object));
  return lab.cli("apply", "-f", file);
}

/** Rows of a list, and how its command ended. */
function read(...args: readonly string[]) {
  const { status: exitCode, stdout } = lab.product(...args, "-o", "json");
  return { exitCode, ...(JSON.parse(stdout) as { items: Record<string, unknown>[]; status: Record<string, unknown> }) };
}

const policyOn = (node: string) => read("policy", "get", "guarded").items.find((item) => item.node === node);

describe("endpoint list", () => {
  it("says in which directions policies are asked", async () => {
    const lines = () => lab.product("endpoint", "list", "--no-headers").stdout.trim().split("\n");
    const words = () => lines().map((line) => line.split(/ {2,}/).slice(6, 8).join("/"));
    expect(words()).toEqual(["Disabled/Disabled", "Disabled/Disabled"]);
    const spec = { podSelector: { matchLabels: { app: "b" } }, policyTypes: ["Ingress", "Egress"] };
    const metadata = { name: "all", namespace: "default" };
    expect(apply({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec }).status).toBe(0);
    await eventually(words, (seen) => seen.join() === "Disabled/Disabled,Enabled/Enabled");
    expect(lab.cli("delete", "networkpolicy", "all").status).toBe(0);
    await eventually(words, (seen) => seen.join() === "Disabled/Disabled,Disabled/Disabled");
  });
});

describe("policies as agents have them", () => {
  it("are shown with revision, rules, labels and what of them is refused, node by node", async () => {
    expect(apply(guarded).status).toBe(0);
    const found = await eventually(
      async () => policyOn("node-1"),
      (policy) => policy !== undefined,
    );
    expect(found).toMatchObject({
      ...{ kind: "CiliumNetworkPolicy", namespace: "default", name: "guarded", revision: 4, inForce: "partial" },
      problems: [{ path: "spec.ingress[1].toPorts[0].rules.http", reason: "layer 7 rules are not supported yet" }],
    });
    const { rules, endpoints } = found as { rules: Record<string, unknown>[]; endpoints: number[] };
    expect(rules.map(({ path }) => path)).toEqual(["spec.ingress[0]", "spec.ingress[1]"]);
    expect(rules[0]).toMatchObject({ ports: ["8080/TCP"], verdict: "allow", defaultDeny: true });
    expect(rules[0]!.labels).toContain("k8s:io.cilium.k8s.policy.name=guarded");
    const [pod] = read("endpoint", "list", "--pod", "a").items;
    expect(endpoints).toEqual([pod!.id]);
    expect(pod!.policyEnforcement).toBe("ingress");
    // The other node has it too, for nobody.
    const other = await eventually(
      async () => policyOn("node-2"),
      (policy) => policy !== undefined,
    );
    expect(other).toMatchObject({ endpoints: [], inForce: "partial" });
    expect(read("policy", "get", "-n", "elsewhere").items).toEqual([]);
    expect(lab.product("policy", "get", "default/nothing").status).toBe(5);
  });

  it("stand behind entries of the kernel's maps by name, with an agent or without", async () => {
    const entries = () => {
      const { items } = read("bpf", "policy", "list", "--node", "node-1", "--direction", "ingress");
      return items.filter(({ protocol }) => protocol === "TCP").map(({ port, rules }) => ({ port, rules }));
    };
    const named = [{ port: 8080, rules: [rule] }];
    await eventually(
      async () => JSON.stringify(entries()),
      (found) => found === JSON.stringify(named),
    );
    expect(lab.cli("agent", "stop", "node-1").status).toBe(0);
    expect(entries()).toEqual(named);
    const { exitCode, items, status } = read("policy", "get");
    expect([exitCode, items.map(({ node }) => node)]).toEqual([9, ["node-2"]]);
    expect(JSON.stringify(status)).toContain("node-1");
    const endpoints = read("endpoint", "list").items.map(({ policyEnforcement }) => policyEnforcement);
    expect(endpoints).toEqual(["unknown", "none"]);
    expect(lab.cli("agent", "start", "node-1").status).toBe(0);
    // Cookies are the same after a restart: the names of before still hold.
    await eventually(
      async () => policyOn("node-1")?.inForce,
      (state) => state === "partial",
    );
    expect(entries()).toEqual(named);
  });

  it("stand in verdict events, of policies too that come while the events are read", async () => {
    const [a] = read("endpoint", "list", "--pod", "a").items;
    const connect = (port: number) =>
      lab.cli("exec", "b", "--", "cts-lab", "http", "--timeout-ms", "1000", `http://${a!.ipv4}:${port}/`);
    const monitor = await RunningMonitor.start(lab, "--type", "policy-verdict");
    const verdictOf = (text: string) => monitor.items.find(({ verdict, rules }) => `${verdict} ${rules}` === text);
    connect(8080);
    await monitor.until(() => verdictOf(`allowed ${rule}`) !== undefined);
    expect(verdictOf(`allowed ${rule}`)).toMatchObject({ node: "node-1", direction: "ingress", match: "L3-L4" });
    const denial = {
      ...{
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "closed", namespace: "default" },
      },
      spec: { endpointSelector: { matchLabels: { app: "a" } }, ingressDeny: [{ fromEntities: ["all"] }] },
    };
    expect(apply(denial).status).toBe(0);
    const denied = "denied CiliumNetworkPolicy/default/closed spec.ingressDeny[0]";
    await eventually(
      () => {
        connect(8080);
        return verdictOf(denied);
      },
      (found) => found !== undefined,
    );
    expect((await monitor.stop()).exitCode).toBe(130);
  });
});

describe("which, of a pod whose packets a policy denies", () => {
  it("says how often they were dropped, when last, where and why", async () => {
    const spec = { podSelector: { matchLabels: { app: "b" } }, policyTypes: ["Egress"] };
    const metadata = { name: "silent", namespace: "default" };
    const none = () => {
      const { status, stderr } = lab.cli(
        "exec",
        "b",
        "--",
        "cts-lab",
        "http",
        "--timeout-ms",
        "500",
        `http://${address}:8081/`,
      );
      expect([status, stderr]).not.toEqual([0, ""]);
      return lab.product("which", "b", "--to", "a", "--port", "8081");
    };
    const address = (await lab.pod("a"))!.status!.podIP!;
    expect(apply({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec }).status).toBe(0);
    const { status, stderr } = await eventually(none, (answer) => answer.stderr.includes("dropped"));
    expect(status).toBe(5);
    const [message = ""] = stderr.split("\n").filter((line) => line.includes("reached nobody"));
    expect(message).toMatch(
      /b has no connection to a on port 8081, live or recent, on node-2; it reached nobody: dropped /,
    );
    expect(message).toMatch(
      /dropped (once|\d+ times), last 20\S+Z on node-2, to [\d.]+:8081\/TCP, egress: Policy denied/,
    );
    expect(message).toContain("(policy.h:");
    expect(stderr).toContain("policy verdict --from b --to a --port 8081");
    // An earlier test's connection to another port is there still, and not tried again.
    lab.cli("exec", "b", "--", "cts-lab", "http", "--timeout-ms", "500", `http://${address}:8080/`);
    const { exitCode, status: old } = read("which", "b", "--to", "a", "--port", "8080");
    expect(exitCode).toBe(0);
    expect(JSON.stringify(old)).toMatch(/other packets were dropped [^"]*:8080\/TCP, egress: Policy denied/);
    // Another port was not tried.
    expect(lab.product("which", "b", "--to", "a", "--port", "81").stderr).not.toContain("reached nobody");
    expect(lab.cli("delete", "networkpolicy", "silent").status).toBe(0);
  });

  it("says of a connection that the receiver's policy refuses that its packets were dropped, and where", async () => {
    const spec = { podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Ingress"] };
    const metadata = { name: "closed", namespace: "default" };
    const address = (await lab.pod("a"))!.status!.podIP!;
    expect(apply({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec }).status).toBe(0);
    const ask = () => {
      lab.cli("exec", "b", "--", "cts-lab", "http", "--timeout-ms", "500", `http://${address}:8082/`);
      return lab.product("which", "b", "--to", "a", "--port", "8082", "-o", "json");
    };
    const { stdout } = await eventually(ask, (answer) => answer.stdout.includes("dropped"));
    const { items } = JSON.parse(stdout) as { readonly items: readonly { readonly evidence: readonly string[] }[] };
    const evidence = items.map((row) => row.evidence[0]).join("\n");
    expect(evidence).toMatch(
      /^dropped (once|\d+ times), last 20\S+Z on node-1, to [\d.]+:8082\/TCP, ingress: Policy denied/,
    );
    expect(lab.cli("delete", "networkpolicy", "closed").status).toBe(0);
  });
});

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labRecordFile, labsRoot } from "../../src/model/lab-record.js";
import { LabClaim } from "../support/own-names.js";
import { cliPath, completionPath, repositoryRoot, runCli } from "../support/run-cli.js";

const lab = `t${process.pid.toString(36)}-reads`;
const claim = new LabClaim(lab);
const children: ChildProcess[] = [];

const run = (...args: readonly string[]) => runCli([...args, "--lab", lab]);

async function json(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await run(...args, "-o", "json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** Opens a TCP connection to the Service and keeps it, in the pod's namespaces or wherever `command` begins. */
async function connect(command: readonly string[]): Promise<void> {
  const script = "exec 3<>/dev/tcp/10.96.0.80/80; echo connected; read -r line <&3; sleep 600";
  const [program = "", ...args] = [...command, "bash", "-c", script];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout!, "data");
}

beforeAll(async () => {
  const up = await runCli(["lab", "up", "-f", join(repositoryRoot, "examples/demo"), "--name", lab]);
  if (up.exitCode !== 0) throw new Error(up.stderr);
  await connect([cliPath, "lab", "exec", "-n", "shop", "client", "--name", lab, "--"]);
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await runCli(["lab", "down", "--name", lab]);
  claim[Symbol.dispose]();
});

describe("which", () => {
  test("a live connection through the socket load balancer: frontend, pod, node and process are proven", async () => {
    const { items } = await json("which", "shop/client", "shop/cart");
    const live = items.filter((item: { live: boolean }) => item.live);
    expect(live).toHaveLength(1);
    expect(live[0]).toMatchObject({
      node: "node-1",
      protocol: "TCP",
      verdict: "through-service",
      sourceName: { kind: "pod", namespace: "shop", name: "client" },
      frontend: { address: "10.96.0.80", port: 80 },
      frontendName: { kind: "service", namespace: "shop", name: "cart" },
      backend: { port: 8080 },
      process: { command: "cts-lab" },
    });
    // The backend's name is the address's, in the state's own words.
    const { items: endpoints } = await json("endpoint", "list", "-n", "shop");
    const pod = endpoints.find((endpoint: { ipv4: string }) => endpoint.ipv4 === live[0].backend.address);
    expect(live[0].backendName.name).toBe(pod.podName);
    expect(live[0].backendNode).toBe(pod.node);
    expect(readFileSync(`/proc/${live[0].process.pid}/comm`, "utf8").trim()).toBe("cts-lab");
    expect(live[0].evidence.join("\n")).toMatch(/cilium_lb4_reverse_sk: cookie \d+ .*10\.96\.0\.80:80/);
  });

  test("a connection that the socket load balancer did not see is found in conntrack's service entries", async () => {
    const { items: before } = await json("which", "shop/client", "shop/cart");
    // Joins the pod's network namespace from outside of the node's cgroup.
    await connect(["nsenter", `--net=/proc/${podPid()}/ns/net`]);
    const { items } = await json("which", "shop/client", "shop/cart");
    const ports = new Set(before.map((item: { sourcePort: number }) => item.sourcePort));
    const [found] = items.filter((item: { sourcePort: number }) => !ports.has(item.sourcePort));
    expect(found).toMatchObject({
      verdict: "through-service",
      live: true,
      frontend: { address: "10.96.0.80", port: 80 },
    });
    expect(found.evidence.join("\n")).toContain("conntrack SVC 10.96.0.80:80 has backend");
  });

  test("by address, by port and by protocol it is the same connection", async () => {
    const { items } = await json("which", "10.244.0.2", "--port", "80", "--proto", "tcp");
    expect(items.some((item: { verdict: string }) => item.verdict === "through-service")).toBe(true);
    const closed = await run("which", "shop/client", "shop/closed");
    expect(closed.exitCode).toBe(5);
    expect(closed.stderr).toContain("Service shop/closed has no backends");
    expect(closed.stderr).toContain(`kubectl cilium-ts service list --service shop/closed --lab ${lab}`);
    const none = await run("which", "shop/client", "--proto", "udp");
    expect(none.exitCode).toBe(5);
    expect(none.stderr).toContain("has no connection");
  });

  test("on a machine without ss the sockets come from /proc, and the answer says what that costs", async () => {
    const args = [cliPath, "which", "shop/client", "--lab", lab, "-o", "json"];
    const { exitCode, stdout } = await runCli(args, { program: process.execPath, env: { PATH: "/nonexistent" } });
    const { items, status } = JSON.parse(stdout);
    expect(exitCode).toBe(0);
    const found = items.find((item: { evidence: string[] }) =>
      item.evidence.join().includes("its cookie is not known"),
    );
    expect(found).toMatchObject({ verdict: "likely-through-service", live: true, process: { command: "cts-lab" } });
    expect(found.evidence[0]).toMatch(/^socket established of (bash|sleep)\(\d+\)/);
    expect(status.notes).toEqual([expect.stringContaining("ss (iproute2) is missing")]);
  });

  test("a pod that is none is named", async () => {
    const { exitCode, stderr } = await run("which", "shop/clinet");
    expect(exitCode).toBe(5);
    expect(stderr).toContain('did you mean "shop/client"');
  });

  function podPid(): number {
    const record = JSON.parse(readFileSync(join(labsRoot, lab, labRecordFile), "utf8"));
    const pods = join(record.nodes[0].cgroupPath, "pods");
    const pids = readdirSync(pods, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith("cgroup.procs"))
      .flatMap((path) => readFileSync(join(pods, path), "utf8").trim().split("\n").filter(Boolean));
    const found = pids.find((pid) => readFileSync(`/proc/${pid}/net/fib_trie`, "utf8").includes("10.244.0.2\n"));
    return Number(found);
  }
});

describe("lists of a lab", () => {
  test("names, nodes and filters", async () => {
    const { items, status } = await json("bpf", "ct", "list", "--pod", "shop/client", "--state", "established");
    expect(status.nodes.map((node: { name: string }) => node.name)).toEqual(["node-1", "node-2"]);
    expect(items.length).toBeGreaterThan(0);
    for (const item of items) {
      expect([item.sourceName?.name, item.destinationName?.name]).toContain("client");
      expect(item.state).toBe("established");
    }
    const other = await json("bpf", "ct", "list", "-n", "no-such-namespace");
    expect(other.items).toEqual([]);
    const byLabel = await json("bpf", "ct", "list", "-l", "app=client", "--direction", "out");
    expect(byLabel.items.length).toBeGreaterThan(0);
  });

  test("both nodes tunnel to each other", async () => {
    const { items } = await json("bpf", "tunnel", "list");
    expect(items).toMatchObject([
      { node: "node-1", prefix: "10.244.1.0/24", tunnelEndpoint: "172.18.0.3", remoteNode: "node-2" },
      { node: "node-2", prefix: "10.244.0.0/24", tunnelEndpoint: "172.18.0.2", remoteNode: "node-1" },
    ]);
  });

  test("a Service without backends shows none", async () => {
    const { items } = await json("service", "list", "--service", "shop/closed", "--node", "node-1");
    expect(items).toMatchObject([{ name: "closed", namespace: "shop", backends: [] }]);
  });

  test("endpoint get by pod, by address and by number", async () => {
    const byPod = await json("endpoint", "get", "shop/client");
    const byAddress = await json("endpoint", "get", "10.244.0.2");
    const byId = await json("endpoint", "get", String(byPod.items[0].id), "--node", "node-1");
    expect(byAddress.items).toEqual(byPod.items);
    expect(byId.items).toEqual(byPod.items);
    const none = await run("endpoint", "get", "shop/nobody");
    expect(none.exitCode).toBe(5);
  });

  test("the maps are ours, by their ownership record", async () => {
    const { items } = await json("bpf", "map", "list");
    expect(items.length).toBeGreaterThan(10);
    expect(items.filter((item: { owner: string }) => item.owner !== "ours")).toEqual([]);
  });

  test("names of pods and services complete", async () => {
    const complete = async (...words: readonly string[]) =>
      (await runCli(words, { program: completionPath })).stdout.trimEnd().split("\n").slice(0, -1);
    expect(await complete("which", "--lab", lab, "shop/cl")).toEqual(["shop/client"]);
    expect(await complete("which", "--lab", lab, "-n", "shop", "cl")).toEqual(["client"]);
    expect(await complete("bpf", "ct", "list", "--lab", lab, "--service", "")).toEqual(["shop/cart", "shop/closed"]);
    expect(await complete("bpf", "ct", "list", "--lab", lab, "-n", "sh")).toEqual(["shop"]);
  });

  const lists: readonly (readonly [command: string, schema: string])[] = [
    ["bpf ct list", "conntrack-entry-list"],
    ["bpf lb list", "lb-service-list"],
    ["bpf lb list --frontends", "lb-frontend-list"],
    ["bpf lb list --backends", "lb-backend-list"],
    ["bpf lb list --revnat", "rev-nat-list"],
    ["bpf ipcache list", "ipcache-entry-list"],
    ["bpf ipcache get 10.244.1.2", "ipcache-entry-list"],
    ["bpf endpoint list", "local-endpoint-list"],
    ["bpf tunnel list", "tunnel-list"],
    ["bpf metrics list", "metric-list"],
    ["bpf map list", "map-list"],
    ["bpf policy list", "policy-entry-list"],
    ["bpf socknat list", "socket-rev-nat-list"],
    ["service list", "service-list"],
    ["endpoint list", "endpoint-list"],
    ["identity list", "identity-list"],
    ["node list", "node-list"],
    ["features", "feature-list"],
    ["which shop/client", "which-list"],
    ["status", "status-report"],
  ];

  test.each(lists)("%s -o json fits its published schema", async (command, schema) => {
    const folder = join(repositoryRoot, "docs/schema");
    const ajv = new Ajv2020({ strict: true, allErrors: true });
    for (const name of readdirSync(folder)) ajv.addSchema(JSON.parse(readFileSync(join(folder, name), "utf8")));
    const validate = ajv.getSchema(`https://cilium-ts.io/schema/${schema}.json`);
    const value = await json(...command.split(" "));
    expect(validate?.(value), JSON.stringify(validate?.errors, undefined, 2)).toBe(true);
    expect(value.items?.length ?? value.nodes.length).toBeGreaterThan(0);
  });
});

/** On the node itself: in its mount, network and UTS namespaces. */
function runOnNode(index: number, ...args: readonly string[]) {
  const record = JSON.parse(readFileSync(join(labsRoot, lab, labRecordFile), "utf8"));
  const enter = ["-t", String(record.nodes[index].initPid), "-m", "-n", "-u", cliPath];
  return runCli([...enter, ...args, "--local"], { program: "nsenter" });
}

describe("--local on a node", () => {
  test("reads its own kernel, with the names that its agent knows", async () => {
    const { exitCode, stdout } = await runOnNode(0, "bpf", "ct", "list", "--pod", "shop/client", "-o", "json");
    const { items, status } = JSON.parse(stdout);
    expect(exitCode).toBe(0);
    expect(status.nodes).toHaveLength(1);
    expect(items.some((item: { sourceName?: { name: string } }) => item.sourceName?.name === "client")).toBe(true);
    const report = await runOnNode(0, "status", "-o", "json");
    expect(JSON.parse(report.stdout)).toMatchObject({ state: "ok", target: "this machine" });
    const endpoints = JSON.parse((await runOnNode(0, "endpoint", "list", "-o", "json")).stdout);
    expect(endpoints.items.map((item: { podName: string }) => item.podName)).toContain("client");
  });
});

describe("without an agent", () => {
  test("status says so and exits 3; the kernel is read all the same, and so is every list", async () => {
    await runCli(["lab", "agent", "stop", "node-2", "--name", lab]);
    const deadline = Date.now() + 20_000;
    let report = await run("status", "-o", "json");
    while (report.exitCode !== 3 && Date.now() < deadline) {
      await delay(100);
      report = await run("status", "-o", "json");
    }
    const { nodes, problems } = JSON.parse(report.stdout);
    expect(report.exitCode).toBe(3);
    expect(nodes.map((node: { agent: { state: string } }) => node.agent.state)).toEqual(["ok", "down"]);
    expect(nodes[1].datapath.endpoints).toBe(2);
    expect(problems.join("\n")).toContain("node-2: agent: the agent does not answer");
    const { items } = await json("service", "list", "--node", "node-2");
    expect(items.length).toBe(3);
    const which = await json("which", "shop/client", "shop/cart");
    expect(which.items[0].verdict).toBe("through-service");
  });

  test("on the node itself the rows lack names, and the footer says why", async () => {
    const list = await runOnNode(1, "bpf", "endpoint", "list");
    expect(list.exitCode).toBe(0);
    expect(list.stdout).toMatch(/10\.244\.1\.2 +- /);
    expect(list.stderr).toContain("note: names of pods and services are missing: the agent does not answer");
    const filtered = await runOnNode(1, "bpf", "ct", "list", "--pod", "shop/client");
    expect(filtered.exitCode).toBe(7);
    expect(filtered.stderr).toContain("filter by --port");
  });
});

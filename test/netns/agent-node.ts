import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import type { CniResult } from "../../src/model/cni.js";
import type { KubeEndpointSlice, KubeNamespace, KubeNode, KubePod } from "../../src/model/kubernetes.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { ownPrefix } from "../support/own-names.js";

const root = join(import.meta.dirname, "../..");
/** Maps that packets change, and counters of the agent's own. */
const writtenByPrograms =
  /cilium_metrics|cilium_policystats|cilium_ct|reverse_sk|frag_datagrams|_affinity$|cts_events|cts_policy_epoch/;

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Waits for a condition; its last failure says what was missing. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await delay(20);
  }
}

function dumpMap(path: string): readonly string[] {
  using map = BpfMap.openPinned(path, { readOnly: true });
  const entries: string[] = [];
  for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) {
    entries.push(`${key.toString("hex")}=${map.lookup(key)?.toString("hex")}`);
  }
  return entries.sort();
}

function sliceOf(service: string, backend: string): KubeEndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "shop", name: `${service}-1`, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    endpoints: [{ addresses: [backend], conditions: { ready: true } }],
    ports: [{ port: 8080, protocol: "TCP" }],
  };
}

/** A state folder, a cgroup2 and a wire for some nodes; everything is gone after dispose. */
export class AgentCluster implements AsyncDisposable {
  readonly folder: string;
  readonly stateDir: string;
  readonly cgroup2: string;
  /** Unique: it begins the names of namespaces. */
  readonly prefix = ownPrefix;
  readonly fabric = `${this.prefix}-w`;
  readonly nodes: AgentNode[] = [];
  readonly state: FolderStateSource;

  private constructor(state: FolderStateSource, folder: string) {
    this.state = state;
    this.folder = folder;
    this.stateDir = join(folder, "state");
    this.cgroup2 = join(folder, "cgroup2");
  }

  static async create(): Promise<AgentCluster> {
    const folder = mkdtempSync(join(tmpdir(), `${ownPrefix}-agent-`));
    const state = await FolderStateSource.open(join(folder, "state"));
    const cluster = new AgentCluster(state, folder);
    mkdirSync(cluster.cgroup2);
    run("mount", "-t", "cgroup2", "none", cluster.cgroup2);
    run("ip", "netns", "add", cluster.fabric);
    run("ip", "-n", cluster.fabric, "link", "add", "br0", "type", "bridge");
    run("ip", "-n", cluster.fabric, "link", "set", "br0", "up");
    const namespace: KubeNamespace = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "shop", labels: { "kubernetes.io/metadata.name": "shop" } },
    };
    await state.create(resourceTypes.namespaces, namespace);
    return cluster;
  }

  async addNode(name: string): Promise<AgentNode> {
    const node = new AgentNode(this, name, this.nodes.length);
    this.nodes.push(node);
    await node.create();
    return node;
  }

  async createPod(name: string, nodeName: string, labels: Readonly<Record<string, string>>): Promise<KubePod> {
    const pod: KubePod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "shop", labels },
      spec: { nodeName, containers: [{ name: "main" }] },
    };
    return this.state.create(resourceTypes.pods, pod);
  }

  /** A ClusterIP on port 80 with one backend on port 8080. */
  async createService(name: string, clusterIP: string, backend: string): Promise<void> {
    await this.state.create(resourceTypes.services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "shop", name },
      spec: { clusterIP, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await this.state.create(resourceTypes.endpointSlices, sliceOf(name, backend));
  }

  async setBackend(service: string, backend: string): Promise<void> {
    const ref = { namespace: "shop", name: `${service}-1` };
    const slice = (await this.state.get(resourceTypes.endpointSlices, ref))!;
    const { endpoints } = sliceOf(service, backend);
    await this.state.update(resourceTypes.endpointSlices, { ...slice, endpoints });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
    spawnSync("ip", ["netns", "delete", this.fabric]);
    spawnSync("umount", ["-l", this.cgroup2]);
    await this.state[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One node: network namespace, bpffs, cgroup, and the agent as its user starts it. */
export class AgentNode implements AsyncDisposable {
  readonly name: string;
  readonly netns: string;
  readonly folder: string;
  readonly runDir: string;
  readonly bpffs: string;
  readonly cgroup: string;
  readonly internalIp: string;
  readonly podCidr: string;
  /** Node's own arguments for agents that are started from now on. */
  nodeArguments: readonly string[] = [];
  readonly #sandboxes: string[] = [];
  readonly #cluster: AgentCluster;
  #agent: ChildProcess | undefined;

  constructor(cluster: AgentCluster, name: string, index: number) {
    this.#cluster = cluster;
    this.name = name;
    this.netns = `${cluster.prefix}-${name}`;
    this.folder = join(cluster.folder, name);
    this.runDir = join(this.folder, "run");
    this.bpffs = join(this.folder, "bpf");
    this.cgroup = join(cluster.cgroup2, this.netns);
    this.internalIp = `172.18.0.${index + 2}`;
    this.podCidr = `10.244.${index}.0/24`;
  }

  async create(): Promise<void> {
    for (const folder of [this.folder, this.bpffs, this.cgroup]) mkdirSync(folder, { recursive: true });
    run("mount", "-t", "bpf", "bpf", this.bpffs);
    run("ip", "netns", "add", this.netns);
    run("ip", "-n", this.netns, "link", "set", "lo", "up");
    const { fabric } = this.#cluster;
    run(
      "ip",
      "-n",
      this.netns,
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "name",
      `to-${this.name}`,
      "netns",
      fabric,
    );
    run("ip", "-n", fabric, "link", "set", `to-${this.name}`, "master", "br0", "up");
    run("ip", "-n", this.netns, "address", "add", `${this.internalIp}/16`, "dev", "eth0");
    run("ip", "-n", this.netns, "link", "set", "eth0", "up");
    const node: KubeNode = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: this.name },
      spec: { podCIDR: this.podCidr, podCIDRs: [this.podCidr] },
      status: { addresses: [{ type: "InternalIP", address: this.internalIp }] },
    };
    await this.#cluster.state.create(resourceTypes.nodes, node);
  }

  #command(): readonly string[] {
    const agent = [process.execPath, ...this.nodeArguments, join(root, "bin/kubectl-cilium_ts"), "agent", "run"];
    const flags = ["--node", this.name, "--state-dir", this.#cluster.stateDir, "--run-dir", this.runDir];
    const places = ["--bpffs", this.bpffs, "--cgroup", this.cgroup, "--log-level", "debug"];
    return ["netns", "exec", this.netns, ...agent, ...flags, ...places];
  }

  /** Runs one more agent beside the first, to its end. */
  async startSecond(): Promise<{ readonly exitCode: number | null; readonly stderr: string }> {
    const child = spawn("ip", this.#command(), { stdio: ["ignore", "ignore", "pipe"] });
    const chunks: Buffer[] = [];
    child.stderr!.on("data", (chunk: Buffer) => chunks.push(chunk));
    const exitCode = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { exitCode, stderr: Buffer.concat(chunks).toString() };
  }

  /** Starts the agent and waits until it can attach pods. Returns how long that took. */
  async start(): Promise<number> {
    const startedAt = performance.now();
    const log = openSync(join(this.folder, "agent.log"), "a");
    const child = spawn("ip", this.#command(), { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#agent = child;
    await until(`agent ${this.name} is ready`, async () => {
      if (this.isDead()) throw new Error(`agent ${this.name} ended with ${child.exitCode ?? child.signalCode}`);
      return (await this.get("/v1/healthz").catch(() => undefined))?.status === 200;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log()}`);
    });
    return performance.now() - startedAt;
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#agent;
    if (child === undefined) return null;
    this.#agent = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    return ended;
  }

  isDead(): boolean {
    return this.#agent === undefined || this.#agent.exitCode !== null || this.#agent.signalCode !== null;
  }

  signal(signal: NodeJS.Signals): void {
    this.#agent?.kill(signal);
  }

  /** What the agent said last, for a failure's message. */
  log(): string {
    return this.wholeLog().split("\n").slice(-40).join("\n");
  }

  wholeLog(): string {
    return readFileSync(join(this.folder, "agent.log"), "utf8");
  }

  /** Makes the namespace of a pod, as a runtime does before ADD. */
  createSandbox(name: string): { readonly netns: string; readonly containerId: string } {
    const netns = `${this.#cluster.prefix}-p-${name}`;
    run("ip", "netns", "add", netns);
    this.#sandboxes.push(netns);
    return this.sandbox(name);
  }

  async add(name: string, sandbox = this.createSandbox(name)): Promise<CniResult> {
    const body = { ...sandbox, ifName: "eth0", podName: name, podNamespace: "shop" };
    const { status, body: answer } = await this.post("/v1/cni/add", body);
    if (status !== 200) throw new Error(`ADD ${name}: ${JSON.stringify(answer)}\n${this.log()}`);
    return answer as CniResult;
  }

  async delete(name: string): Promise<void> {
    const body = { ...this.sandbox(name), ifName: "eth0", podName: name, podNamespace: "shop" };
    const { status, body: answer } = await this.post("/v1/cni/del", body);
    if (status !== 200) throw new Error(`DEL ${name}: ${JSON.stringify(answer)}\n${this.log()}`);
  }

  sandbox(name: string): { readonly netns: string; readonly containerId: string } {
    return { netns: `/run/netns/${this.#cluster.prefix}-p-${name}`, containerId: `c-${name}` };
  }

  /** Starts a program in a pod's network, in the node's cgroup: as a container's process is. */
  spawnInPod(name: string, script: string): ChildProcess {
    const join = `echo $$ > ${this.cgroup}/cgroup.procs && exec nsenter --net=${this.sandbox(name).netns} "$@"`;
    return spawn("sh", ["-c", join, "sh", process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  }

  /** Runs a script in a pod to its end. */
  async runInPod(name: string, script: string): Promise<string> {
    const child = this.spawnInPod(name, script);
    const chunks: Buffer[] = [];
    child.stdout!.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => child.once("close", resolve));
    return Buffer.concat(chunks).toString().trim();
  }

  /** Every entry of every pinned map of ours, as text; without counters, rings and what packets write. */
  dumpMaps(): Readonly<Record<string, readonly string[]>> {
    const folder = join(this.bpffs, "tc/globals");
    const names = readdirSync(folder).filter((file) => !writtenByPrograms.test(file));
    return Object.fromEntries(names.sort().map((file) => [file, dumpMap(join(folder, file))]));
  }

  /** Pinned links: pin → link id. */
  linkIds(): Readonly<Record<string, number>> {
    const folder = join(this.bpffs, "cts/links");
    const ids = readdirSync(folder).map((pin): [string, number] => {
      const link = BpfLink.openPinned(join(folder, pin));
      try {
        return [pin, link.info.id];
      } finally {
        link.close();
      }
    });
    return Object.fromEntries(ids.sort(([one], [two]) => (one < two ? -1 : 1)));
  }

  /** iproute2 in the node's network. */
  ip(...args: readonly string[]): string {
    return run("ip", "-n", this.netns, ...args);
  }

  /** A program in a pod's network, to its end. */
  inPod(name: string, ...command: readonly string[]): string {
    return run("nsenter", `--net=${this.sandbox(name).netns}`, ...command);
  }

  /** Names of the host sides of pods' veths. */
  podLinks(): readonly string[] {
    return [...this.ip("-o", "link").matchAll(/ (lxc[0-9a-f]{11})@/g)].map((match) => match[1]!);
  }

  post(path: string, body: unknown): Promise<{ readonly status: number; readonly body: unknown }> {
    return this.#call("POST", path, JSON.stringify(body));
  }

  get(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
    return this.#call("GET", path);
  }

  #call(method: string, path: string, body?: string): Promise<{ status: number; body: unknown }> {
    const socketPath = join(this.runDir, "agent.sock");
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = response.headers["content-type"] === "application/json";
          resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text });
        });
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    for (const name of [...this.#sandboxes, this.netns]) spawnSync("ip", ["netns", "delete", name]);
    spawnSync("umount", ["-l", this.bpffs]);
    try {
      rmdirSync(this.cgroup);
    } catch {
      // Never made, or gone with its parent.
    }
  }
}

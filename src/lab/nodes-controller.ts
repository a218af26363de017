import { existsSync, rmSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { formatTimestamp } from "../lib/time.js";
import type { KubeCondition, KubeNode } from "../model/kubernetes.js";
import { AgentProcess } from "./agent-process.js";
import { killCgroupTree, removeCgroupTree } from "./cgroup.js";
import { labAcceleration } from "./lab-acceleration.js";
import { labFamilies } from "./lab-families.js";
import { fabricNetns, netnsPath, nodeNetns, nodeOfNetns } from "./lab-name.js";
import { nodePaths } from "./lab-paths.js";
import { readLabFile, writeLabFile } from "./lab-record-file.js";
import { addNetns, connectNodes, disconnectNodes, listNetns, removeNetns } from "./network.js";
import { assignNodeAddresses, type NodeAddresses } from "./node-addresses.js";
import { ensureNodeInit, isNodeDown } from "./node-init.js";
import { changeObject } from "./object-writer.js";
import { Prober } from "./prober.js";
import { isRunning, type ProcessId } from "./process-table.js";
import { deleteObjectsOfRemovedNodes } from "./removed-node-objects.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

/** A node that runs: pods can be started on it. */
export interface RunningNode {
  readonly name: string;
  readonly addresses: NodeAddresses;
  readonly init: ProcessId;
  readonly agent: AgentProcess;
  readonly prober: Prober;
}

const ALL = "all";
/** A node whose pid 1 was killed is noticed by looking. */
const LOOK_MS = 1_000;

/** Node objects → namespaces, fabric ports, pid 1s and agents. All nodes in one pass, so that a lab's start is batched. */
export class NodesController implements Controller {
  readonly #context: SupervisorContext;
  readonly #queue: WorkQueue;
  readonly #running = new Map<string, RunningNode>();
  readonly #onNodeChange: (node: string) => void;
  #isConnected = "";
  /** Also at the start: a predecessor may have been killed in the middle. */
  #mayHaveRemovedNodes = true;

  constructor(context: SupervisorContext, onNodeChange: (node: string) => void) {
    this.#context = context;
    this.#onNodeChange = onNodeChange;
    this.#queue = createWorkQueue({
      reconcile: () => this.#reconcile(),
      onError: (_key, err, failures) => context.log.error({ err, failures }, "nodes"),
    });
  }

  start(): void {
    const { nodes, configMaps } = this.#context.caches;
    nodes.onChange(() => this.#queue.add(ALL));
    configMaps.onChange(() => this.#queue.add(ALL));
    this.#queue.add(ALL);
  }

  node(name: string): RunningNode | undefined {
    return this.#running.get(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
    for (const node of this.#running.values()) {
      await node.agent[Symbol.asyncDispose]();
      node.prober[Symbol.dispose]();
    }
  }

  async #reconcile(): Promise<void> {
    this.#queue.addAfter(ALL, LOOK_MS);
    const nodes = [...this.#context.caches.nodes.values()].sort(byAge);
    const addresses = assignNodeAddresses(nodes, labFamilies(this.#context.caches));
    const missing = (): readonly string[] => [...addresses.keys()].filter((name) => !this.#running.has(name));
    try {
      await this.#prepare(nodes, addresses);
    } catch (error) {
      await Promise.all(missing().map((name) => this.#reportFailure(name, error)));
      throw error;
    }
    const names = missing();
    const starts = await Promise.allSettled(names.map((name) => this.#startNode(name, addresses.get(name)!)));
    if (names.length > 0) this.#writeRecord();
    const failed = starts.flatMap((start, index) =>
      start.status === "rejected" ? [{ name: names[index]!, error: start.reason as unknown }] : [],
    );
    await Promise.all(failed.map(({ name, error }) => this.#reportFailure(name, error)));
    for (const { error } of failed) throw error;
  }

  /** All that nodes need before they start, and the end of those that go. */
  async #prepare(nodes: readonly KubeNode[], addresses: ReadonlyMap<string, NodeAddresses>): Promise<void> {
    await this.#removeOthers(new Set(addresses.keys()));
    if (this.#mayHaveRemovedNodes) {
      const internalIps = new Map([...addresses].map(([name, { internalIps }]) => [name, internalIps[0]!]));
      await deleteObjectsOfRemovedNodes(this.#context.state, internalIps);
      this.#mayHaveRemovedNodes = false;
    }
    await this.#dropBroken();
    await this.#dropStaleNetns(addresses);
    await this.#connect(addresses);
    // Before the agents start: they read their node's addresses.
    await Promise.all(nodes.map((node) => this.#writeAddresses(node, addresses.get(node.metadata.name)!)));
  }

  /** What keeps a node from starting stands in its condition, where whoever waits for the lab reads it. */
  async #reportFailure(name: string, error: unknown): Promise<void> {
    const { state, caches, paths } = this.#context;
    const why = error instanceof Error ? error.message : String(error);
    const problem = `cannot be set up: ${why}; ${paths.supervisorLog} tells more`;
    await changeObject(state, caches.nodes.type, { name }, (current) => {
      const told = withReadiness(current, problem);
      return isDeepStrictEqual(told, current) ? undefined : told;
    });
  }

  /** Network namespaces and links of all nodes at once; nothing to do when they are as at the last look. */
  async #connect(addresses: ReadonlyMap<string, NodeAddresses>): Promise<void> {
    const { paths, mtuBytes } = this.#context;
    const present = new Set(listNetns());
    const needed = [fabricNetns(paths.lab), ...[...addresses.keys()].map((name) => nodeNetns(paths.lab, name))];
    const absent = needed.filter((name) => !present.has(name));
    const runXdp = labAcceleration(this.#context.caches) !== "disabled";
    const signature = [
      `xdp ${runXdp}`,
      ...needed,
      ...[...addresses.values()].flatMap(({ internalIps }) => internalIps),
    ].join(" ");
    if (absent.length === 0 && signature === this.#isConnected) return;
    await addNetns(needed);
    await connectNodes(
      paths.lab,
      [...addresses].map(([name, at]) => ({ name, ...at })),
      { mtuBytes, runXdp },
    );
    this.#isConnected = signature;
  }

  /** A node whose pid 1 died, or whose network namespace was taken away, is started anew, as after a power cut. */
  async #dropBroken(): Promise<void> {
    for (const node of [...this.#running.values()]) {
      const hasNetns = existsSync(netnsPath(nodeNetns(this.#context.paths.lab, node.name)));
      if (isRunning(node.init) && hasNetns) continue;
      this.#context.log.warn({ node: node.name, hasNetns }, "node died, starting it anew");
      await this.#forget(node);
      await killCgroupTree(nodePaths(this.#context.paths, node.name).cgroup);
    }
  }

  /**
   * The network namespace of a node that lost its pid 1 goes too, whoever saw it die: the record of whose its devices are
   * was in the node's BPF file system, so that the next agent would take cilium_host for a stranger's.
   */
  async #dropStaleNetns(addresses: ReadonlyMap<string, NodeAddresses>): Promise<void> {
    const { paths } = this.#context;
    const present = new Set(listNetns());
    for (const [name, { index }] of addresses) {
      const netns = nodeNetns(paths.lab, name);
      if (this.#running.has(name) || !present.has(netns) || !(await isNodeDown(nodePaths(paths, name)))) continue;
      if (present.has(fabricNetns(paths.lab))) await disconnectNodes(paths.lab, [index]);
      await removeNetns([netns]);
    }
  }

  async #startNode(name: string, addresses: NodeAddresses): Promise<void> {
    const { paths, agentCommand, log } = this.#context;
    const own = nodePaths(paths, name);
    const init = await ensureNodeInit(paths, name);
    const agent = new AgentProcess({
      node: name,
      paths: own,
      stateDir: paths.stateDir,
      init,
      agentCommand,
      log,
      onHealth: (problem) => this.#onHealth(name, problem),
    });
    const prober = new Prober({ netnsPath: netnsPath(nodeNetns(paths.lab, name)), cgroup: own.kubeletCgroup });
    this.#running.set(name, { name, addresses, init, agent, prober });
    log.info({ node: name, initPid: init.pid }, "node runs");
  }

  #onHealth(name: string, problem: string | undefined): void {
    this.#context.log.info({ node: name, problem }, problem === undefined ? "agent is ready" : "agent is not ready");
    this.#onNodeChange(name);
    this.#queue.add(ALL);
  }

  async #writeAddresses(node: KubeNode, at: NodeAddresses): Promise<void> {
    const agent = this.#running.get(node.metadata.name)?.agent;
    const before = node.status?.conditions?.find((condition) => condition.type === "Ready");
    const known = before?.status === "True" ? undefined : (before?.message ?? "the node is being started");
    const problem = agent?.hasLooked === true ? agent.problem : known;
    if (isDeepStrictEqual(withStatus(node, at, problem), node)) return;
    const changed = await changeObject(this.#context.state, this.#context.caches.nodes.type, node.metadata, (current) =>
      withStatus(current, at, problem),
    );
    if (changed !== undefined) this.#context.caches.nodes.learn(changed);
  }

  /** Nodes that were deleted: what runs, and what a predecessor left. */
  async #removeOthers(wanted: ReadonlySet<string>): Promise<void> {
    const { paths, log } = this.#context;
    const named = listNetns().map((netns) => nodeOfNetns(paths.lab, netns));
    const gone = new Set([...named, ...this.#running.keys()].filter((name) => name !== undefined && !wanted.has(name)));
    for (const name of gone as Set<string>) {
      this.#mayHaveRemovedNodes = true;
      log.info({ node: name }, "node is deleted");
      const own = nodePaths(paths, name);
      const running = this.#running.get(name);
      if (running !== undefined) await this.#forget(running);
      await killCgroupTree(own.cgroup);
      if (running !== undefined) await disconnectNodes(paths.lab, [running.addresses.index]);
      await removeNetns([nodeNetns(paths.lab, name)]);
      await removeCgroupTree(own.cgroup);
      rmSync(own.root, { recursive: true, force: true });
    }
    if (gone.size > 0) this.#writeRecord();
  }

  async #forget(node: RunningNode): Promise<void> {
    this.#running.delete(node.name);
    node.prober[Symbol.dispose]();
    await node.agent[Symbol.asyncDispose]();
    this.#onNodeChange(node.name);
  }

  #writeRecord(): void {
    const { paths } = this.#context;
    const file = readLabFile(paths.record);
    if (file === undefined) return; // being taken down
    const nodes = [...this.#running.values()]
      .sort((a, b) => a.addresses.index - b.addresses.index)
      .map((node) => ({
        name: node.name,
        internalIp: node.addresses.internalIps[0]!,
        podCidr: node.addresses.podCidrs[0]!,
        initPid: node.init.pid,
        initStartTime: node.init.startTime,
        runDir: nodePaths(paths, node.name).runDir,
        cgroupPath: nodePaths(paths, node.name).cgroup,
        netns: nodeNetns(paths.lab, node.name),
      }));
    writeLabFile(paths.record, { ...file, nodes });
  }
}

function byAge(a: KubeNode, b: KubeNode): number {
  const [ageA, ageB] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  return ageA.localeCompare(ageB) || a.metadata.name.localeCompare(b.metadata.name, "en", { numeric: true });
}

function withStatus(node: KubeNode, at: NodeAddresses, problem: string | undefined): KubeNode {
  const addressed: KubeNode = {
    ...node,
    spec: { ...node.spec, podCIDR: at.podCidrs[0]!, podCIDRs: at.podCidrs },
    status: {
      ...node.status,
      addresses: [
        ...at.internalIps.map((address) => ({ type: "InternalIP" as const, address })),
        { type: "Hostname", address: node.metadata.name },
      ],
    },
  };
  return withReadiness(addressed, problem);
}

function withReadiness(node: KubeNode, problem: string | undefined): KubeNode {
  const before = node.status?.conditions?.find((condition) => condition.type === "Ready");
  const status = problem === undefined ? "True" : "False";
  const hasTurned = before?.status !== status;
  const since = before?.lastTransitionTime;
  const ready: KubeCondition = {
    type: "Ready",
    status,
    reason: problem === undefined ? "AgentReady" : "AgentNotReady",
    message: problem ?? "the agent answers and attaches pods",
    lastTransitionTime: hasTurned || since === undefined ? formatTimestamp(new Date()) : since,
  };
  return { ...node, status: { ...node.status, conditions: [ready] } };
}

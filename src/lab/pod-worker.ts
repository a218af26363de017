import { isDeepStrictEqual } from "node:util";
import type { Container, KubePod, KubeService } from "../model/kubernetes.js";
import { resourceTypes } from "../model/kubernetes.js";
import { containerEnvironment } from "./container-environment.js";
import { type ContainerFacts, ContainerProcess } from "./container-process.js";
import { ContainerRun } from "./container-run.js";
import type { RunningNode } from "./nodes-controller.js";
import { changeObject, deleteObject } from "./object-writer.js";
import { isPodOver } from "./pod-conditions.js";
import { PodSandbox, type SandboxOptions } from "./pod-sandbox.js";
import { buildPodStatus, type ContainerView, unscheduledStatus } from "./pod-status.js";
import { isRunning } from "./process-table.js";
import { countExit, restartDelayMs, shouldRestart } from "./restart-policy.js";
import type { SupervisorContext } from "./supervisor-context.js";
import { containerCommand } from "./workload-images.js";

export interface PodWorkerOptions {
  readonly context: SupervisorContext;
  readonly sandbox: SandboxOptions;
  readonly nodeOf: (name: string) => RunningNode | undefined;
  readonly servicesOf: (namespace: string) => readonly KubeService[];
  readonly hostsFileOf: (namespace: string) => string;
  /** Look at this pod again, now or in a while. */
  readonly wake: (delayMs?: number) => void;
}

const DEFAULT_GRACE_SECONDS = 30;

/** The kubelet's part for one pod: brings what runs to what the Pod object says, and its status to what runs. */
export class PodWorker implements Disposable {
  readonly #options: PodWorkerOptions;
  readonly #sandbox: PodSandbox;
  readonly #runs = new Map<string, ContainerRun>();
  #hasSentTerm = false;

  constructor(options: PodWorkerOptions) {
    this.#options = options;
    this.#sandbox = new PodSandbox(options.sandbox);
  }

  [Symbol.dispose](): void {
    for (const name of [...this.#runs.keys()]) this.#endRun(name);
  }

  /** A process ended and no file told of it: its shim was killed with it. */
  hasLostProcess(): boolean {
    return [...this.#runs.values()].some((run) => !isRunning(run.process));
  }

  /** One look at a pod that shall exist. */
  async reconcile(pod: KubePod, signal: AbortSignal): Promise<void> {
    if (pod.metadata.deletionTimestamp !== undefined) return this.#terminate(pod, signal);
    if (isPodOver(pod)) return this.#release(signal);
    const node = this.#options.nodeOf(pod.spec.nodeName ?? "");
    if (node === undefined) return this.#reportMissingNode(pod, signal);
    if (!isRunning(node.init)) return; // it is started anew, and wakes its pods then
    const { problem } = node.agent;
    if (problem !== undefined && this.#sandbox.addressesOn(node) === undefined) {
      // The agent's turn wakes this pod.
      const views = pod.spec.containers.map((container) => this.#view(container, node, {}));
      return this.#writeStatus(pod, node, undefined, views, `the agent of ${node.name} is not ready: ${problem}`);
    }
    try {
      if (this.#sandbox.isOfEarlier(node))
        for (const container of pod.spec.containers) this.#process(container, node).forgiveExits();
      const podIps = await this.#sandbox.ensure(node, pod.spec.hostNetwork === true, signal);
      const views: ContainerView[] = [];
      for (const container of pod.spec.containers)
        views.push(await this.#reconcileContainer(pod, container, node, podIps));
      await this.#writeStatus(pod, node, podIps, views);
    } catch (error) {
      signal.throwIfAborted();
      const problem = error instanceof Error ? error.message : String(error);
      const views = pod.spec.containers.map((container) => this.#view(container, node, {}));
      await this.#writeStatus(pod, node, this.#sandbox.addressesOn(node), views, problem);
      throw error;
    }
  }

  /** A node that was deleted takes its pods along; one that never was is a mistake that the pod's status names. */
  async #reportMissingNode(pod: KubePod, signal: AbortSignal): Promise<void> {
    const { state, caches } = this.#options.context;
    const nodeName = pod.spec.nodeName ?? "";
    if (caches.nodes.get(nodeName) !== undefined) return; // being started
    if (this.#sandbox.exists) {
      await this.destroy(signal);
      await deleteObject(state, resourceTypes.pods, pod);
      return;
    }
    const message = `no node is called "${nodeName}"; there are ${[...caches.nodes.keys()].sort().join(", ") || "none"}`;
    const changed = await changeObject(state, resourceTypes.pods, pod.metadata, (current) =>
      current.status?.message === message
        ? undefined
        : { ...current, status: unscheduledStatus("UnknownNode", message) },
    );
    if (changed !== undefined) caches.pods.learn(changed);
  }

  /** The Pod object is gone without a graceful end, or its node is. */
  async destroy(signal: AbortSignal): Promise<void> {
    await this.#release(signal);
    this.#sandbox.forget();
  }

  async #release(signal: AbortSignal): Promise<void> {
    this[Symbol.dispose]();
    await this.#sandbox.remove(this.#options.nodeOf, signal);
  }

  async #reconcileContainer(
    pod: KubePod,
    container: Container,
    node: RunningNode,
    podIps: readonly string[],
  ): Promise<ContainerView> {
    const command = containerCommand(container);
    if (command.kind === "unknown-image") return { ...this.#view(container, node, {}), imageProblem: command.message };
    const process = this.#process(container, node);
    const facts = process.facts();
    if (facts.kind === "running") this.#followRun(pod, container, node, podIps, facts);
    else this.#endRun(container.name);
    const waitMs = this.#restartWaitMs(pod, facts);
    if (facts.kind === "running" || waitMs === undefined) return this.#view(container, node, {});
    if (waitMs > 0) {
      this.#options.wake(waitMs);
      return this.#view(container, node, { backOffMs: restartDelayMs(exitsOf(facts)) });
    }
    await this.#start(pod, container, node, podIps, command.argv, facts);
    const after = process.facts();
    if (after.kind === "running") this.#followRun(pod, container, node, podIps, after);
    else this.#options.wake(0);
    return this.#view(container, node, {});
  }

  /** Until the next start: 0 now, undefined never. */
  #restartWaitMs(pod: KubePod, facts: ContainerFacts): number | undefined {
    if (facts.kind !== "exited") return 0;
    if (!shouldRestart(pod.spec.restartPolicy ?? "Always", facts.exit.exitCode)) return undefined;
    return Math.max(0, facts.exit.finishedAtMs + restartDelayMs(exitsOf(facts)) - Date.now());
  }

  async #start(
    pod: KubePod,
    container: Container,
    node: RunningNode,
    podIps: readonly string[],
    argv: readonly string[],
    before: ContainerFacts,
  ): Promise<void> {
    const namespace = pod.metadata.namespace ?? "default";
    const isHostNetwork = pod.spec.hostNetwork === true;
    const environment = containerEnvironment(container, {
      pod,
      podIps,
      hostIp: node.addresses.internalIps[0]!,
      services: this.#options.servicesOf(namespace),
    });
    const record = {
      restartCount: before.kind === "exited" ? before.restartCount + 1 : 0,
      exits: before.kind === "exited" ? exitsOf(before) : 0,
      startedAtMs: Date.now(),
      ...(before.kind === "exited" ? { lastExit: { ...before.exit, startedAtMs: before.startedAtMs } } : {}),
    };
    await this.#process(container, node).start(
      {
        argv,
        environment,
        workingDir: container.workingDir,
        hostname: pod.spec.hostname ?? pod.metadata.name.slice(0, 63),
        netnsPath: this.#sandbox.netnsPathOn(node.name, isHostNetwork),
        hostsFile: this.#options.hostsFileOf(namespace),
        nodeInit: node.init,
      },
      record,
    );
  }

  #followRun(
    pod: KubePod,
    container: Container,
    node: RunningNode,
    podIps: readonly string[],
    facts: Extract<ContainerFacts, { kind: "running" }>,
  ): void {
    if (this.#runs.get(container.name)?.startedAtMs === facts.startedAtMs) return;
    this.#endRun(container.name);
    const known = pod.status?.containerStatuses?.find((status) => status.name === container.name);
    const isSameRun = known?.restartCount === facts.restartCount;
    const run = new ContainerRun(facts, {
      container,
      process: this.#process(container, node),
      podIp: podIps[0]!,
      prober: node.prober,
      gracePeriodMs: (pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000,
      wasReady: isSameRun && known.ready,
      wasStarted: isSameRun && known.started === true,
      log: this.#options.context.log,
      onChange: () => this.#options.wake(),
    });
    this.#runs.set(container.name, run);
  }

  #endRun(name: string): void {
    this.#runs.get(name)?.[Symbol.dispose]();
    this.#runs.delete(name);
  }

  #process(container: Container, node: { readonly name: string }): ContainerProcess {
    return new ContainerProcess(container.name, this.#sandbox.root, this.#sandbox.cgroupOn(node.name));
  }

  #view(container: Container, node: RunningNode, extra: { readonly backOffMs?: number }): ContainerView {
    const run = this.#runs.get(container.name);
    return {
      name: container.name,
      facts: this.#process(container, node).facts(),
      isStarted: run?.probes.isStarted ?? false,
      isReady: run?.probes.isReady ?? false,
      ...extra,
    };
  }

  /** SIGTERM, the time that the object's deletion gives, SIGKILL, CNI DEL, and then the object goes. */
  async #terminate(pod: KubePod, signal: AbortSignal): Promise<void> {
    const nodeName = pod.spec.nodeName ?? "";
    const processes = pod.spec.containers.map((container) => this.#process(container, { name: nodeName }));
    const running = processes.filter((process) => process.facts().kind === "running");
    const leftMs = Date.parse(pod.metadata.deletionTimestamp ?? "") - Date.now();
    if (this.#sandbox.exists && running.length > 0 && leftMs > 0) {
      const node = this.#options.nodeOf(nodeName);
      if (!this.#hasSentTerm) for (const process of running) process.signal("SIGTERM");
      this.#hasSentTerm = true;
      // Whoever starts late still needs the watch for the end.
      for (const container of pod.spec.containers) this.#watchEnd(pod, container, node);
      this.#options.wake(leftMs + 1);
      return;
    }
    await this.destroy(signal);
    await deleteObject(this.#options.context.state, resourceTypes.pods, pod);
  }

  #watchEnd(pod: KubePod, container: Container, node: RunningNode | undefined): void {
    if (node === undefined) return;
    const facts = this.#process(container, node).facts();
    if (facts.kind === "running") this.#followRun(pod, container, node, this.#sandbox.addressesOn(node) ?? [""], facts);
  }

  async #writeStatus(
    pod: KubePod,
    node: RunningNode,
    podIps: readonly string[] | undefined,
    containers: readonly ContainerView[],
    problem?: string,
  ): Promise<void> {
    const { state, caches } = this.#options.context;
    const build = (current: KubePod): KubePod => {
      const view = { pod: current, hostIps: node.addresses.internalIps, podIps, containers, now: new Date() };
      return { ...current, status: buildPodStatus(problem === undefined ? view : { ...view, problem }) };
    };
    if (isDeepStrictEqual(build(pod).status, pod.status)) return;
    const changed = await changeObject(state, resourceTypes.pods, pod.metadata, (current) =>
      current.metadata.uid === pod.metadata.uid ? build(current) : undefined,
    );
    if (changed !== undefined) caches.pods.learn(changed);
  }
}

function exitsOf(facts: ContainerFacts): number {
  if (facts.kind !== "exited") return 0;
  return countExit(facts.exits, facts.exit.finishedAtMs - facts.startedAtMs);
}

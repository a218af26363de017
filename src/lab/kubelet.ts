import { mkdirSync, readdirSync } from "node:fs";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { exponentialBackoff } from "../lib/retry.js";
import type { KubePod, KubeService } from "../model/kubernetes.js";
import { createNetnsPool, type NetnsPool } from "./netns-batch.js";
import type { RunningNode } from "./nodes-controller.js";
import { formatPodRef, type PodRef, parsePodRef, podRefOf } from "./pod-ref.js";
import { PodWorker } from "./pod-worker.js";
import type { ServiceNames } from "./service-names.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

/** Pods that are started or stopped at once: more would only wait for the same two cores. */
const CONCURRENCY = 16;
/** Ends that no file told of, e.g. of a killed shim, are noticed by looking. */
const LOOK_MS = 1_000;

/** The kubelets of all nodes of a lab. Keys are {@link formatPodRef} texts: one life of one pod. */
export class Kubelet implements Controller {
  readonly #context: SupervisorContext;
  readonly #nodeOf: (name: string) => RunningNode | undefined;
  readonly #names: ServiceNames;
  readonly #netns: NetnsPool = createNetnsPool();
  readonly #workers = new Map<string, PodWorker>();
  readonly #queue: WorkQueue;
  #look: NodeJS.Timeout | undefined;

  constructor(
    context: SupervisorContext,
    options: { readonly nodeOf: (name: string) => RunningNode | undefined; readonly names: ServiceNames },
  ) {
    this.#context = context;
    this.#nodeOf = options.nodeOf;
    this.#names = options.names;
    this.#queue = createWorkQueue({
      reconcile: (key, signal) => this.#reconcile(key, signal),
      concurrency: CONCURRENCY,
      backoff: exponentialBackoff({ firstMs: 50, maxMs: 2_000 }),
      onError: (key, err, failures) => context.log.warn({ err, pod: key, failures }, "pod"),
    });
  }

  /** Takes up every pod, and what is left on disk of pods that are gone. */
  start(): void {
    this.#context.caches.pods.onChange((_key, before, after) => {
      if (before !== undefined) this.#wake(before);
      if (after !== undefined) this.#wake(after);
    });
    this.#wakeAll();
    mkdirSync(this.#context.paths.podsDir, { recursive: true });
    for (const folder of readdirSync(this.#context.paths.podsDir)) this.#queue.add(folder);
    this.#look = setInterval(() => this.#wakeLost(), LOOK_MS);
  }

  /** A node came, went, or its agent turned. */
  onNodeChange(node: string): void {
    for (const pod of this.#context.caches.pods.values()) if (pod.spec.nodeName === node) this.#wake(pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#look);
    await this.#queue.close();
    for (const worker of this.#workers.values()) worker[Symbol.dispose]();
  }

  #wake(pod: KubePod): void {
    if (pod.spec.nodeName !== undefined) this.#queue.add(formatPodRef(podRefOf(pod)));
  }

  #wakeAll(): void {
    for (const pod of this.#context.caches.pods.values()) this.#wake(pod);
  }

  #wakeLost(): void {
    for (const [key, worker] of this.#workers) if (worker.hasLostProcess()) this.#queue.add(key);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const ref = parsePodRef(key);
    if (ref === undefined) return; // not of our making
    const pod = this.#context.caches.pods.get(`${ref.namespace}/${ref.name}`);
    if (pod?.metadata.uid === ref.uid && pod.spec.nodeName !== undefined) {
      await this.#worker(key, ref).reconcile(pod, signal);
      return;
    }
    await this.#worker(key, ref).destroy(signal);
    this.#workers.delete(key);
  }

  #worker(key: string, pod: PodRef): PodWorker {
    let worker = this.#workers.get(key);
    if (worker === undefined) {
      worker = new PodWorker({
        context: this.#context,
        sandbox: { paths: this.#context.paths, netns: this.#netns, pod },
        nodeOf: this.#nodeOf,
        servicesOf: (namespace): readonly KubeService[] => this.#names.servicesOf(namespace),
        hostsFileOf: (namespace) => this.#names.hostsFile(namespace),
        wake: (delayMs = 0) => (delayMs > 0 ? this.#queue.addAfter(key, delayMs) : this.#queue.add(key)),
      });
      this.#workers.set(key, worker);
    }
    return worker;
  }
}

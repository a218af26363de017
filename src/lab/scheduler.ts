import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { objectKey } from "../model/kube-object.js";
import type { KubeNode, KubePod } from "../model/kubernetes.js";
import { resourceTypes } from "../model/kubernetes.js";
import { changeObject } from "./object-writer.js";
import { isPodOver } from "./pod-conditions.js";
import { unscheduledStatus } from "./pod-status.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

const ALL = "all";

/** Pods without a node get one: the node that fits and has the fewest pods. One pass for a burst of pods. */
export class Scheduler implements Controller {
  readonly #context: SupervisorContext;
  readonly #queue: WorkQueue;

  constructor(context: SupervisorContext) {
    this.#context = context;
    this.#queue = createWorkQueue({
      reconcile: () => this.#scheduleAll(),
      onError: (_key, err, failures) => context.log.error({ err, failures }, "scheduler"),
    });
  }

  start(): void {
    const { caches } = this.#context;
    caches.pods.onChange((_key, before, after) => {
      if (after === undefined || after.spec.nodeName === undefined || before === undefined) this.#queue.add(ALL);
    });
    caches.nodes.onChange(() => this.#queue.add(ALL));
    this.#queue.add(ALL);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }

  async #scheduleAll(): Promise<void> {
    const { caches } = this.#context;
    const pods = [...caches.pods.values()];
    const nodes = [...caches.nodes.values()];
    const load = new Map<string, number>(nodes.map((node) => [node.metadata.name, 0]));
    for (const pod of pods) {
      const { nodeName } = pod.spec;
      if (nodeName !== undefined && !isPodOver(pod)) load.set(nodeName, (load.get(nodeName) ?? 0) + 1);
    }
    const waiting = pods.filter(
      (pod) => pod.spec.nodeName === undefined && pod.metadata.deletionTimestamp === undefined,
    );
    for (const pod of waiting.sort((a, b) => objectKey(a.metadata).localeCompare(objectKey(b.metadata)))) {
      const node = chooseNode(pod, nodes, load);
      if (node !== undefined) load.set(node, (load.get(node) ?? 0) + 1);
      await this.#write(pod, node, nodes);
    }
  }

  async #write(pod: KubePod, nodeName: string | undefined, nodes: readonly KubeNode[]): Promise<void> {
    const message = whyNone(pod, nodes);
    const changed = await changeObject(this.#context.state, resourceTypes.pods, pod.metadata, (current) => {
      if (current.spec.nodeName !== undefined || current.metadata.uid !== pod.metadata.uid) return undefined;
      if (nodeName !== undefined) return { ...current, spec: { ...current.spec, nodeName } };
      return current.status?.message === message
        ? undefined
        : { ...current, status: unscheduledStatus("Unschedulable", message) };
    });
    if (changed !== undefined) this.#context.caches.pods.learn(changed);
  }
}

function fits(pod: KubePod, node: KubeNode): boolean {
  if (node.spec?.unschedulable === true || node.metadata.deletionTimestamp !== undefined) return false;
  const labels: Readonly<Record<string, string>> = {
    "kubernetes.io/hostname": node.metadata.name,
    ...node.metadata.labels,
  };
  return Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
}

/** The node with the fewest pods; by name among equals, so that a lab comes up the same way every time. */
export function chooseNode(
  pod: KubePod,
  nodes: readonly KubeNode[],
  load: ReadonlyMap<string, number>,
): string | undefined {
  const candidates = nodes.filter((node) => fits(pod, node)).map((node) => node.metadata.name);
  const byLoad = (a: string, b: string): number =>
    (load.get(a) ?? 0) - (load.get(b) ?? 0) || a.localeCompare(b, "en", { numeric: true });
  return candidates.sort(byLoad)[0];
}

function whyNone(pod: KubePod, nodes: readonly KubeNode[]): string {
  if (nodes.length === 0) return "there is no node";
  const selector = JSON.stringify(pod.spec.nodeSelector ?? {});
  return `none of ${nodes.length} nodes fits: node selector ${selector}, nodes that are unschedulable left out`;
}

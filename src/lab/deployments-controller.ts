import { createHash, randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { objectKey, parseObjectKey } from "../model/kube-object.js";
import type { KubeDeployment, KubePod } from "../model/kubernetes.js";
import { resourceTypes } from "../model/kubernetes.js";
import { changeObject } from "./object-writer.js";
import { isPodOver, isPodReady } from "./pod-conditions.js";
import { requestPodDeletion } from "./pod-deletion.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

const HASH_LABEL = "pod-template-hash";

/**
 * Deployments → Pods. A new template's pods come before the old ones go: old pods leave as new ones become ready, so a Service
 * is never without its ready backends.
 */
export class DeploymentsController implements Controller {
  readonly #context: SupervisorContext;
  readonly #queue: WorkQueue;

  constructor(context: SupervisorContext) {
    this.#context = context;
    this.#queue = createWorkQueue({
      reconcile: (key) => this.#reconcile(key),
      onError: (key, err, failures) => context.log.error({ err, deployment: key, failures }, "deployment"),
    });
  }

  start(): void {
    const { caches } = this.#context;
    caches.deployments.onChange((key) => this.#queue.add(key));
    caches.pods.onChange((_key, before, after) => this.#addOwner(after ?? before));
    for (const key of caches.deployments.keys()) this.#queue.add(key);
    // A deployment may have been deleted while no supervisor ran.
    for (const pod of caches.pods.values()) this.#addOwner(pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }

  #addOwner(pod: KubePod | undefined): void {
    const owner = pod === undefined ? undefined : ownerOf(pod);
    if (pod !== undefined && owner !== undefined)
      this.#queue.add(objectKey({ namespace: pod.metadata.namespace ?? "default", name: owner.name }));
  }

  async #reconcile(key: string): Promise<void> {
    const deployment = this.#context.caches.deployments.get(key);
    const namespace = parseObjectKey(key).namespace ?? "default";
    const owned = [...this.#context.caches.pods.values()].filter(
      (pod) => pod.metadata.namespace === namespace && ownerOf(pod)?.name === parseObjectKey(key).name,
    );
    const living = owned.filter((pod) => pod.metadata.deletionTimestamp === undefined);
    const strays = living.filter((pod) => ownerOf(pod)?.uid !== deployment?.metadata.uid || isPodOver(pod));
    await Promise.all(strays.map((pod) => this.#deletePod(pod)));
    if (deployment === undefined) return;
    const own = living.filter((pod) => !strays.includes(pod));
    const hash = templateHash(deployment);
    const plan = planDeployment(deployment, hash, own);
    for (let i = 0; i < plan.create; i++) await this.#createPod(deployment, hash);
    await Promise.all(plan.remove.map((pod) => this.#deletePod(pod)));
    await this.#writeStatus(deployment, hash, own);
  }

  async #createPod(deployment: KubeDeployment, hash: string): Promise<void> {
    const { template } = deployment.spec;
    const { name, namespace = "default", uid = "" } = deployment.metadata;
    const pod: KubePod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `${name}-${hash}-${randomBytes(3).toString("hex").slice(0, 5)}`,
        namespace,
        labels: { ...template.metadata?.labels, [HASH_LABEL]: hash },
        ...(template.metadata?.annotations === undefined ? {} : { annotations: template.metadata.annotations }),
        ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name, uid, controller: true }],
      },
      spec: template.spec,
    };
    this.#context.caches.pods.learn(await this.#context.state.create(resourceTypes.pods, pod));
  }

  async #deletePod(pod: KubePod): Promise<void> {
    const changed = await requestPodDeletion(this.#context.state, pod);
    if (changed !== undefined) this.#context.caches.pods.learn(changed);
  }

  async #writeStatus(deployment: KubeDeployment, hash: string, own: readonly KubePod[]): Promise<void> {
    const ready = own.filter(isPodReady).length;
    const status = {
      replicas: own.length,
      updatedReplicas: own.filter((pod) => pod.metadata.labels?.[HASH_LABEL] === hash).length,
      readyReplicas: ready,
      availableReplicas: ready,
    };
    if (isDeepStrictEqual(status, deployment.status)) return;
    const changed = await changeObject(
      this.#context.state,
      resourceTypes.deployments,
      deployment.metadata,
      (current) => ({
        ...current,
        status,
      }),
    );
    if (changed !== undefined) this.#context.caches.deployments.learn(changed);
  }
}

interface DeploymentPlan {
  readonly create: number;
  readonly remove: readonly KubePod[];
}

/** Missing pods of the new template are made at once; an old pod goes when as many pods are ready without it. */
export function planDeployment(deployment: KubeDeployment, hash: string, own: readonly KubePod[]): DeploymentPlan {
  const replicas = deployment.spec.replicas ?? 1;
  const isCurrent = (pod: KubePod): boolean => pod.metadata.labels?.[HASH_LABEL] === hash;
  const current = own.filter(isCurrent).sort(leastUsefulFirst);
  const old = own.filter((pod) => !isCurrent(pod)).sort(leastUsefulFirst);
  const surplus = current.slice(0, Math.max(0, current.length - replicas));
  const readyCurrent = current.filter(isPodReady).length;
  const keepOld = Math.max(0, replicas - readyCurrent);
  return {
    create: Math.max(0, replicas - current.length),
    remove: [...surplus, ...old.slice(0, Math.max(0, old.length - keepOld))],
  };
}

function leastUsefulFirst(a: KubePod, b: KubePod): number {
  const youngest = (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "");
  return Number(isPodReady(a)) - Number(isPodReady(b)) || youngest || a.metadata.name.localeCompare(b.metadata.name);
}

function ownerOf(pod: KubePod): { readonly name: string; readonly uid: string } | undefined {
  return pod.metadata.ownerReferences?.find((owner) => owner.kind === "Deployment" && owner.controller === true);
}

/** Ten characters without vowels or look-alikes, as Kubernetes' own hash: pods' names must not spell words. */
export function templateHash(deployment: KubeDeployment): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256").update(JSON.stringify(deployment.spec.template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join("");
}

import { SystemError, TimeoutError } from "../lib/errors.js";
import { sleep } from "../lib/time.js";
import { objectKey } from "../model/kube-object.js";
import type { KubeDeployment, KubeNode, KubePod } from "../model/kubernetes.js";
import { resourceTypes } from "../model/kubernetes.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import type { StateSource } from "../state/state-source.js";
import { hasSupervisor } from "./lab-lock.js";
import { containerPaths, type LabPaths, podDir } from "./lab-paths.js";
import { isFromManifest, MANIFEST_ANNOTATION, manifestHash } from "./manifest-merge.js";
import { ManifestStore } from "./manifest-store.js";
import { isPodOver, isPodReady } from "./pod-conditions.js";
import { podRefOf } from "./pod-ref.js";
import { isRunning, readProcessFile } from "./process-table.js";

/** How far a lab is. */
export interface LabReadiness {
  readonly nodes: { readonly ready: number; readonly all: number };
  readonly pods: { readonly ready: number; readonly all: number };
  /** One line for each thing that is not ready yet. */
  readonly waitingFor: readonly string[];
}

const POLL_MS = 50;
/** Without progress for this long, say what is missing. */
const STUCK_MS = 5_000;

/**
 * Waits until everything that the manifests ask for is there and ready.
 * @throws TimeoutError `lab-not-ready` with what is missing and why; SystemError `supervisor-ended`
 */
export async function awaitLab(
  paths: LabPaths,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly onProgress: (line: string) => void },
): Promise<LabReadiness> {
  await using state = await FolderStateSource.open(paths.stateDir);
  const deadline = performance.now() + options.timeoutMs;
  let saidAt = performance.now();
  for (let said = ""; ; ) {
    const readiness = await readReadiness(paths, state, new ManifestStore(paths.manifestsDir));
    const line = `nodes ${readiness.nodes.ready}/${readiness.nodes.all}, pods ${readiness.pods.ready}/${readiness.pods.all} ready`;
    if (line !== said) options.onProgress(line);
    if (readiness.waitingFor.length === 0) return readiness;
    const isStuck = line === said && performance.now() - saidAt > STUCK_MS;
    if (isStuck) options.onProgress(`waiting for ${readiness.waitingFor[0]}`);
    if (isStuck || line !== said) saidAt = performance.now();
    said = line;
    if (performance.now() > deadline) throw notReady(paths.lab, options.timeoutMs, readiness);
    if (!(await hasSupervisor(paths.lab)))
      throw new SystemError("supervisor-ended", `the supervisor of lab ${paths.lab} ended`, {
        nextSteps: [
          `kubectl cilium-ts lab logs supervisor --name ${paths.lab}`,
          `kubectl cilium-ts lab up --name ${paths.lab}`,
        ],
      });
    await sleep(POLL_MS, options.signal);
  }
}

function notReady(lab: string, timeoutMs: number, readiness: LabReadiness): TimeoutError {
  const shown = readiness.waitingFor.slice(0, 10).map((line) => `\n  ${line}`);
  const more = readiness.waitingFor.length - shown.length;
  return new TimeoutError(
    "lab-not-ready",
    `lab ${lab} runs, but not all of it is ready after ${timeoutMs / 1000} s:${shown.join("")}${more > 0 ? `\n  and ${more} more` : ""}`,
    {
      details: { waitingFor: readiness.waitingFor },
      nextSteps: [`kubectl cilium-ts lab status --name ${lab}`, `kubectl cilium-ts lab logs supervisor --name ${lab}`],
    },
  );
}

async function readReadiness(paths: LabPaths, state: StateSource, store: ManifestStore): Promise<LabReadiness> {
  const nodes = (await state.list(resourceTypes.nodes)).items;
  const pods = (await state.list(resourceTypes.pods)).items.filter(
    (pod) => pod.metadata.deletionTimestamp === undefined,
  );
  const deployments = (await state.list(resourceTypes.deployments)).items;
  const present = new Map(
    [...nodes, ...pods, ...deployments].map((object) => [`${object.kind} ${objectKey(object.metadata)}`, object]),
  );
  const waitingFor: string[] = [];
  for (const { object, type } of store.list().values()) {
    if (!["Node", "Pod", "Deployment"].includes(type.kind)) continue;
    const name = `${type.kind} ${objectKey(object.metadata)}`;
    const current = present.get(name);
    const isCurrent =
      current !== undefined && current.metadata.annotations?.[MANIFEST_ANNOTATION] === manifestHash(object);
    if (!isCurrent) waitingFor.push(`${name}: not taken up yet`);
  }
  waitingFor.push(
    ...nodes.flatMap(nodeProblem),
    ...deployments.flatMap(deploymentProblem),
    ...pods.flatMap((pod) => podProblem(paths, pod)),
  );
  return {
    nodes: { ready: nodes.filter((node) => nodeProblem(node).length === 0).length, all: nodes.length },
    pods: { ready: pods.filter((pod) => podProblem(paths, pod).length === 0).length, all: pods.length },
    waitingFor,
  };
}

function nodeProblem(node: KubeNode): readonly string[] {
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  return ready?.status === "True" ? [] : [`Node ${node.metadata.name}: ${ready?.message ?? "not started yet"}`];
}

function deploymentProblem(deployment: KubeDeployment): readonly string[] {
  const { replicas = 1 } = deployment.spec;
  const { updatedReplicas = 0, readyReplicas = 0, replicas: all = 0 } = deployment.status ?? {};
  if (isFromManifest(deployment) && updatedReplicas === replicas && readyReplicas === replicas && all === replicas)
    return [];
  return [`Deployment ${objectKey(deployment.metadata)}: ${readyReplicas} of ${replicas} pods are ready`];
}

/** The state may be of yesterday, when its supervisor was killed: what runs says the process table. */
function findStoppedContainer(paths: LabPaths, pod: KubePod): string | undefined {
  const root = podDir(paths, podRefOf(pod));
  return pod.spec.containers.find(({ name }) => {
    const process = readProcessFile(containerPaths(root, name).pid);
    return process === undefined || !isRunning(process);
  })?.name;
}

function podProblem(paths: LabPaths, pod: KubePod): readonly string[] {
  const stopped = findStoppedContainer(paths, pod);
  if (isPodOver(pod) || (isPodReady(pod) && stopped === undefined)) return [];
  if (isPodReady(pod)) return [`Pod ${objectKey(pod.metadata)}: container ${stopped} does not run`];
  const waiting = pod.status?.containerStatuses
    ?.map((status) => status.state?.waiting)
    .find((state) => state !== undefined);
  const unready = pod.status?.conditions?.find((condition) => condition.type === "Ready")?.message;
  const why = waiting?.message ?? pod.status?.message ?? waiting?.reason ?? unready ?? "not scheduled yet";
  return [`Pod ${objectKey(pod.metadata)}: ${why}`];
}

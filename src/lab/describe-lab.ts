import { objectKey } from "../model/kube-object.js";
import { type KubeNode, type KubePod, resourceTypes } from "../model/kubernetes.js";
import type { LabObjectRow, LabRow } from "../model/lab-rows.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import { findCgroupMount } from "./cgroup.js";
import { type OpenLab, requireLabHost } from "./lab-access.js";
import { hasSupervisor } from "./lab-lock.js";
import { containerPaths, type LabPaths, labPaths, nodePaths, podDir } from "./lab-paths.js";
import { readLabFile } from "./lab-record-file.js";
import { surveyLabs } from "./lab-survey.js";
import { internalIpsOf } from "./node-addresses.js";
import { findNodeInit } from "./node-init.js";
import { isPodOver, isPodReady } from "./pod-conditions.js";
import { podRefOf } from "./pod-ref.js";
import { isRunning, readProcessFile } from "./process-table.js";

/** Every lab of this machine, broken ones included. */
export async function describeLabs(): Promise<readonly LabRow[]> {
  requireLabHost();
  const mount = findCgroupMount();
  return Promise.all(surveyLabs(mount).map((name) => describeLab(labPaths(name, mount))));
}

async function describeLab(paths: LabPaths): Promise<LabRow> {
  const file = readLabFile(paths.record);
  if (file === undefined) return { name: paths.lab, state: "broken", nodes: 0, pods: 0 };
  await using state = await FolderStateSource.open(paths.stateDir);
  const pods = (await state.list(resourceTypes.pods)).items.length;
  const isRunning = await hasSupervisor(paths.lab);
  return {
    name: paths.lab,
    state: isRunning ? "running" : "stopped",
    nodes: file.nodes.length,
    pods,
    createdAt: file.createdAt,
  };
}

/** Nodes and pods of one lab, as its state and the process table say: needs neither supervisor nor agents. */
export async function describeLabObjects({ paths }: OpenLab): Promise<readonly LabObjectRow[]> {
  await using state = await FolderStateSource.open(paths.stateDir);
  const nodes = [...(await state.list(resourceTypes.nodes)).items].sort(byKey);
  const pods = [...(await state.list(resourceTypes.pods)).items].sort(byKey);
  return [...nodes.map((node) => nodeRow(paths, node)), ...pods.map((pod) => podRow(paths, pod))];
}

function byKey(a: KubeNode | KubePod, b: KubeNode | KubePod): number {
  return objectKey(a.metadata).localeCompare(objectKey(b.metadata), "en", { numeric: true });
}

function nodeRow(paths: LabPaths, node: KubeNode): LabObjectRow {
  const condition = node.status?.conditions?.find(({ type }) => type === "Ready");
  const init = findNodeInit(nodePaths(paths, node.metadata.name));
  const isReady = condition?.status === "True" && init !== undefined;
  const problems = [
    ...(init === undefined ? ["its first process does not run"] : []),
    ...(condition?.status === "False" ? [condition.message ?? ""] : []),
  ];
  return {
    kind: "Node",
    name: node.metadata.name,
    status: isReady ? "Ready" : "NotReady",
    ready: isReady ? 1 : 0,
    containers: 1,
    restarts: 0,
    ...(isReady ? {} : { message: problems.join(": ") || "not started yet" }),
    addresses: internalIpsOf(node),
    pid: init?.pid,
    createdAt: node.metadata.creationTimestamp,
  };
}

function podRow(paths: LabPaths, pod: KubePod): LabObjectRow {
  const statuses = pod.status?.containerStatuses ?? [];
  const { namespace, name, creationTimestamp } = pod.metadata;
  return {
    kind: "Pod",
    namespace,
    name,
    node: pod.spec.nodeName,
    status: podStatusWord(pod),
    ...(isPodReady(pod) || isPodOver(pod) ? {} : { message: podMessage(pod) }),
    ready: statuses.filter((status) => status.ready).length,
    containers: pod.spec.containers.length,
    restarts: statuses.reduce((sum, status) => sum + status.restartCount, 0),
    addresses: pod.status?.podIPs?.map(({ ip }) => ip) ?? [],
    pid: podPid(paths, pod),
    createdAt: creationTimestamp,
  };
}

function podPid(paths: LabPaths, pod: KubePod): number | undefined {
  const first = pod.spec.containers[0];
  if (first === undefined) return undefined;
  const process = readProcessFile(containerPaths(podDir(paths, podRefOf(pod)), first.name).pid);
  return process !== undefined && isRunning(process) ? process.pid : undefined;
}

/** The word that `kubectl get pods` shows. */
export function podStatusWord(pod: KubePod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  for (const { state } of pod.status?.containerStatuses ?? []) {
    if (state?.waiting?.reason !== undefined) return state.waiting.reason;
    if (state?.terminated?.reason !== undefined) return state.terminated.reason;
  }
  return pod.status?.phase ?? "Pending";
}

function podMessage(pod: KubePod): string | undefined {
  const waiting = pod.status?.containerStatuses?.find(({ state }) => state?.waiting !== undefined)?.state?.waiting;
  const unready = pod.status?.conditions?.find(({ type, status }) => type === "Ready" && status === "False");
  return waiting?.message ?? pod.status?.message ?? unready?.message;
}

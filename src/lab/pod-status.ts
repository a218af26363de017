import { formatTimestamp } from "../lib/time.js";
import type {
  ContainerState,
  ContainerStatus,
  KubeCondition,
  KubePod,
  PodPhase,
  PodStatus,
  RestartPolicy,
} from "../model/kubernetes.js";
import type { ContainerExit, ContainerFacts } from "./container-process.js";
import { shouldRestart } from "./restart-policy.js";

/** What is known of one container when a status is written. */
export interface ContainerView {
  readonly name: string;
  readonly facts: ContainerFacts;
  /** Passed its startup probe, or has none. */
  readonly isStarted: boolean;
  /** Passes its readiness probe, or has none. */
  readonly isReady: boolean;
  /** Why it cannot be started at all. */
  readonly imageProblem?: string;
  /** Waits this long from its last exit until the next start. */
  readonly backOffMs?: number;
}

export interface PodView {
  readonly pod: KubePod;
  /** One for each family, the first one first in the status too. */
  readonly hostIps: readonly string[];
  readonly podIps: readonly string[] | undefined;
  readonly containers: readonly ContainerView[];
  /** What keeps the pod from starting, e.g. an agent that does not answer. */
  readonly problem?: string;
  readonly now: Date;
}

/** The status of a pod as the kubelet would write it. */
export function buildPodStatus(view: PodView): PodStatus {
  const policy = view.pod.spec.restartPolicy ?? "Always";
  const phase = podPhase(view.containers, policy);
  const statuses = view.containers.map((container) => containerStatus(container, view));
  const isTerminal = phase === "Succeeded" || phase === "Failed";
  const areReady = !isTerminal && statuses.length > 0 && statuses.every((status) => status.ready);
  const conditions = [
    condition(view, "PodScheduled", true),
    condition(view, "Initialized", true),
    condition(view, "ContainersReady", areReady, unreadyReason(isTerminal, statuses)),
    condition(view, "Ready", areReady, unreadyReason(isTerminal, statuses)),
  ];
  return {
    phase,
    conditions,
    hostIP: view.hostIps[0]!,
    hostIPs: view.hostIps.map((ip) => ({ ip })),
    ...(view.podIps === undefined ? {} : { podIP: view.podIps[0]!, podIPs: view.podIps.map((ip) => ({ ip })) }),
    startTime: view.pod.status?.startTime ?? formatTimestamp(view.now),
    containerStatuses: statuses,
    ...(view.problem === undefined ? {} : { message: view.problem }),
  };
}

/** The status of a pod that no node takes. */
export function unscheduledStatus(reason: string, message: string): PodStatus {
  return { phase: "Pending", message, conditions: [{ type: "PodScheduled", status: "False", reason, message }] };
}

function podPhase(containers: readonly ContainerView[], policy: RestartPolicy): PodPhase {
  const facts = containers.map((container) => container.facts);
  if (facts.some((fact) => fact.kind === "never-started")) return "Pending";
  const isOver = (fact: ContainerFacts): boolean =>
    fact.kind === "exited" && !shouldRestart(policy, fact.exit.exitCode);
  if (!facts.every(isOver)) return "Running";
  return facts.every((fact) => fact.kind === "exited" && fact.exit.exitCode === 0) ? "Succeeded" : "Failed";
}

function containerStatus(container: ContainerView, view: PodView): ContainerStatus {
  const { facts, name } = container;
  const isRunning = facts.kind === "running";
  const base = {
    name,
    ready: isRunning && container.isStarted && container.isReady,
    started: isRunning && container.isStarted,
    state: containerState(container, view),
  };
  if (facts.kind === "never-started") return { ...base, restartCount: 0 };
  const last = facts.kind === "exited" && container.backOffMs !== undefined ? facts.exit : facts.lastExit;
  return {
    ...base,
    restartCount: facts.restartCount,
    containerID: `cts-lab://${view.pod.metadata.uid}/${name}/${facts.restartCount}`,
    ...(last === undefined ? {} : { lastState: { terminated: terminated(last) } }),
  };
}

function containerState(container: ContainerView, view: PodView): ContainerState {
  const { facts } = container;
  if (container.imageProblem !== undefined)
    return { waiting: { reason: "ErrImagePull", message: container.imageProblem } };
  if (facts.kind === "running") return { running: { startedAt: formatTimestamp(new Date(facts.startedAtMs)) } };
  if (facts.kind === "never-started")
    return { waiting: { reason: "ContainerCreating", ...(view.problem && { message: view.problem }) } };
  if (container.backOffMs === undefined) return { terminated: terminated(facts.exit) };
  const seconds = Math.round(container.backOffMs / 1000);
  const why = facts.exit.message === undefined ? "" : `: ${facts.exit.message}`;
  return {
    waiting: {
      reason: "CrashLoopBackOff",
      message: `back-off ${seconds}s restarting failed container ${container.name}${why}`,
    },
  };
}

function terminated(exit: ContainerExit): NonNullable<ContainerState["terminated"]> {
  return {
    exitCode: exit.exitCode,
    reason: exit.message !== undefined ? "StartError" : exit.exitCode === 0 ? "Completed" : "Error",
    finishedAt: formatTimestamp(new Date(exit.finishedAtMs)),
    ...(exit.signal === 0 ? {} : { signal: exit.signal }),
    ...(exit.startedAtMs === undefined ? {} : { startedAt: formatTimestamp(new Date(exit.startedAtMs)) }),
    ...(exit.message === undefined ? {} : { message: exit.message }),
  };
}

interface UnreadyReason {
  readonly reason: string;
  readonly message: string;
}

function unreadyReason(isTerminal: boolean, statuses: readonly ContainerStatus[]): UnreadyReason {
  if (isTerminal) return { reason: "PodCompleted", message: "every container has ended" };
  const names = statuses.filter((status) => !status.ready).map((status) => status.name);
  return { reason: "ContainersNotReady", message: `containers with unready status: ${names.join(" ")}` };
}

/** Keeps the time of the last turn, as consumers of conditions expect. */
function condition(view: PodView, type: string, holds: boolean, otherwise?: UnreadyReason): KubeCondition {
  const status = holds ? "True" : "False";
  const before = view.pod.status?.conditions?.find((existing) => existing.type === type);
  const since = before?.status === status ? before.lastTransitionTime : undefined;
  return {
    type,
    status,
    ...(holds ? {} : otherwise),
    lastTransitionTime: since ?? formatTimestamp(view.now),
  };
}

import type { RestartPolicy } from "../model/kubernetes.js";

const FIRST_DELAY_MS = 10_000;
const MAX_DELAY_MS = 300_000;
/** A container that ran twice the longest delay starts afresh. */
const RESET_AFTER_MS = 2 * MAX_DELAY_MS;

/**
 * The kubelet's back-off: the first exit is answered at once, the next ones after 10 s, 20 s … 5 min.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
 */
export function restartDelayMs(exits: number): number {
  return exits <= 1 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (exits - 2), MAX_DELAY_MS);
}

export function countExit(exitsBefore: number, ranMs: number): number {
  return ranMs >= RESET_AFTER_MS ? 1 : exitsBefore + 1;
}

export function shouldRestart(policy: RestartPolicy, exitCode: number): boolean {
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

import type { KubePod } from "../model/kubernetes.js";

export function isPodReady(pod: KubePod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false
  );
}

/** All containers have ended for good. */
export function isPodOver(pod: KubePod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

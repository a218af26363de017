import type { KubePod } from "../model/kubernetes.js";

/** One life of a pod: a successor with the same name has another uid. */
export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function podRefOf(pod: KubePod): PodRef {
  return { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name, uid: pod.metadata.uid ?? "" };
}

/** Text of a reference, also the name of the pod's folder: none of the parts can hold an underscore. */
export function formatPodRef(ref: PodRef): string {
  return `${ref.namespace}_${ref.name}_${ref.uid}`;
}

export function parsePodRef(text: string): PodRef | undefined {
  const [namespace, name, uid, ...rest] = text.split("_");
  return namespace && name && uid && rest.length === 0 ? { namespace, name, uid } : undefined;
}

import { formatTimestamp } from "../lib/time.js";
import { type KubePod, resourceTypes } from "../model/kubernetes.js";
import type { StateSource } from "../state/state-source.js";
import { changeObject, deleteObject } from "./object-writer.js";

const DEFAULT_GRACE_SECONDS = 30;

/**
 * A graceful deletion: sets the time by which the kubelet ends the pod's processes and then removes the object. A shorter
 * grace replaces a longer one, as with kubectl. Answers the changed object; undefined when it is gone.
 */
export async function requestPodDeletion(
  state: StateSource,
  pod: KubePod,
  graceSeconds = pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS,
): Promise<KubePod | undefined> {
  // No kubelet knows it yet.
  if (pod.spec.nodeName === undefined) {
    await deleteObject(state, resourceTypes.pods, pod);
    return undefined;
  }
  const deadline = formatTimestamp(new Date(Date.now() + graceSeconds * 1000));
  return await changeObject(state, resourceTypes.pods, pod.metadata, (current) => {
    const earlier = current.metadata.deletionTimestamp;
    if (current.metadata.uid !== pod.metadata.uid || (earlier !== undefined && earlier <= deadline)) return undefined;
    return { ...current, metadata: { ...current.metadata, deletionTimestamp: deadline } };
  });
}

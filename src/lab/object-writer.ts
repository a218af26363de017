import { StateError } from "../lib/errors.js";
import type { KubeObject, ObjectRef, ResourceType } from "../model/kube-object.js";
import type { StateSource } from "../state/state-source.js";

function isConflict(error: unknown): boolean {
  return error instanceof StateError && (error.code === "conflict" || error.code === "not-found");
}

/**
 * Reads, changes, writes, and starts over when somebody else wrote in between. `change` answers undefined to leave the
 * object alone. Answers the object as it is now; undefined when it is gone.
 */
export async function changeObject<T extends KubeObject>(
  state: StateSource,
  type: ResourceType<T>,
  ref: ObjectRef,
  change: (current: T) => T | undefined,
): Promise<T | undefined> {
  for (;;) {
    const current = await state.get(type, ref);
    if (current === undefined) return undefined;
    const changed = change(current);
    if (changed === undefined) return current;
    try {
      return await state.update(type, changed);
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/** Deletes the object with this uid, not a successor of the same name. */
export async function deleteObject<T extends KubeObject>(
  state: StateSource,
  type: ResourceType<T>,
  object: T,
): Promise<void> {
  for (;;) {
    const current = await state.get(type, object.metadata);
    const version = current?.metadata.resourceVersion;
    if (current === undefined || version === undefined || current.metadata.uid !== object.metadata.uid) return;
    try {
      await state.delete(type, object.metadata, { resourceVersion: version });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

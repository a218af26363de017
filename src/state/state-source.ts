import type { KubeObject, ObjectRef, ResourceType } from "../model/kube-object.js";

export type { KubeObject, ObjectMeta, ObjectRef, OwnerReference, ResourceType } from "../model/kube-object.js";

/** What changed. `relist` means: the watch lost events, list again (410 Gone, inotify overflow, version gap). */
export type StateEvent<T extends KubeObject> =
  | { readonly kind: "upserted"; readonly object: T }
  | { readonly kind: "deleted"; readonly object: T }
  | { readonly kind: "relist" };

export interface StateList<T extends KubeObject> {
  readonly items: readonly T[];
  /** Start a watch from here to miss nothing. */
  readonly resourceVersion: string;
}

/**
 * Typed objects with optimistic concurrency: the Kubernetes API, or a folder (`FolderStateSource`).
 * One contract suite (`test/state/contract.ts`) holds for every implementation.
 */
export interface StateSource extends AsyncDisposable {
  list<T extends KubeObject>(type: ResourceType<T>): Promise<StateList<T>>;
  get<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T | undefined>;
  /**
   * Yields every change after `fromVersion`, each object's versions in order (intermediate versions may be skipped).
   * Ends when `signal` aborts. After `relist` the caller lists anew and starts a new watch.
   */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: { readonly fromVersion: string; readonly signal: AbortSignal },
  ): AsyncIterable<StateEvent<T>>;
  /** @throws StateError `already-exists` */
  create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T>;
  /** Compare-and-swap on `metadata.resourceVersion`. @throws StateError `conflict`, `not-found` */
  update<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T>;
  /** Deletes; with `resourceVersion` only that version. Absent is not an error. @throws StateError `conflict` */
  delete<T extends KubeObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    options?: { readonly resourceVersion?: string },
  ): Promise<void>;
}

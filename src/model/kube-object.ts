/** The part of Kubernetes ObjectMeta that the product reads or writes. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** Decimal number as text; opaque to callers, as in the Kubernetes API. */
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** RFC 3339, UTC, whole seconds. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** Any Kubernetes object; kinds refine it in `kubernetes.ts`. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** A kind that a state source serves; `plural` names its folder or API path. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: T["kind"];
  readonly plural: string;
  readonly namespaced: boolean;
}

/** Name of one object of a type. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

/** Key of an object among those of its type: `namespace/name`, or `name` for cluster-wide kinds. */
export function objectKey(ref: ObjectRef): string {
  // Joined, not a template: V8 keeps those as a tree of their parts, and keys are kept in tens of thousands.
  return ref.namespace === undefined ? ref.name : [ref.namespace, ref.name].join("/");
}

/** Reverse of {@link objectKey}. Names hold no slash (RFC 1123 subdomains). */
export function parseObjectKey(key: string): ObjectRef {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

import { isDeepStrictEqual } from "node:util";
import { NotFoundError, UsageError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import { type KubeObject, type ObjectRef, objectKey, type ResourceType } from "../model/kube-object.js";
import { type KubePod, resourceTypes } from "../model/kubernetes.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import type { StateSource } from "../state/state-source.js";
import type { OpenLab } from "./lab-access.js";
import { checkNodeName } from "./lab-name.js";
import { ManifestStore, type StoredManifest } from "./manifest-store.js";
import { deleteObject } from "./object-writer.js";
import { requestPodDeletion } from "./pod-deletion.js";

/** What became of one object. */
export interface ObjectChange {
  /** As kubectl names it: `pod/web`, `deployment.apps/cart`. */
  readonly name: string;
  readonly change: "created" | "configured" | "unchanged" | "deleted";
}

function displayName(type: ResourceType, ref: ObjectRef): string {
  const group = type.apiVersion.includes("/") ? `.${type.apiVersion.split("/")[0]}` : "";
  return `${type.kind.toLowerCase()}${group}/${ref.name}`;
}

/** Takes manifests into the lab; its supervisor carries them into the state. */
export function applyManifests({ paths }: OpenLab, manifests: readonly StoredManifest[]): readonly ObjectChange[] {
  const store = new ManifestStore(paths.manifestsDir);
  const before = store.list();
  for (const { object } of manifests) if (object.kind === "Node") checkNodeName(object.metadata.name);
  return manifests.map((manifest) => {
    const known = before.get(`${manifest.type.plural}/${objectKey(manifest.object.metadata)}`);
    const change =
      known === undefined ? "created" : isDeepStrictEqual(known.object, manifest.object) ? "unchanged" : "configured";
    if (change !== "unchanged") store.put(manifest);
    return { name: displayName(manifest.type, manifest.object.metadata), change };
  });
}

/** The type that a user means by `pod`, `pods`, `svc`, `deploy`, `deployments.apps` … @throws UsageError `kind-unknown` */
export function parseResourceType(word: string): ResourceType {
  const shortNames: Readonly<Record<string, string>> = {
    po: "pods",
    svc: "services",
    deploy: "deployments",
    no: "nodes",
    ns: "namespaces",
    cm: "configmaps",
    cep: "ciliumendpoints",
    ciliumid: "ciliumidentities",
    cn: "ciliumnodes",
    netpol: "networkpolicies",
    cnp: "ciliumnetworkpolicies",
    ccnp: "ciliumclusterwidenetworkpolicies",
  };
  const plain = word.toLowerCase().split(".")[0] ?? "";
  const types: readonly ResourceType[] = Object.values(resourceTypes);
  const type = types.find((one) => one.kind.toLowerCase() === plain || one.plural === (shortNames[plain] ?? plain));
  if (type !== undefined) return type;
  const known = types.map((one) => one.kind.toLowerCase());
  throw new UsageError("kind-unknown", `a lab has no kind "${word}"${didYouMean(word, known)}`, {
    hint: `it has ${known.join(", ")}`,
  });
}

export interface DeleteOptions {
  readonly type: ResourceType;
  readonly ref: ObjectRef;
  /** Of a pod; default: what the pod says. */
  readonly graceSeconds?: number | undefined;
}

/** Deletes one object, from the manifests and from the state. @throws NotFoundError `object-unknown` */
export async function deleteFromLab({ paths }: OpenLab, options: DeleteOptions): Promise<ObjectChange> {
  const { type, ref } = options;
  const store = new ManifestStore(paths.manifestsDir);
  await using state = await FolderStateSource.open(paths.stateDir);
  const hadManifest = store.remove(type, ref);
  const object = await state.get(type, ref);
  if (!hadManifest && object === undefined) throw await unknownObject(state, type, ref);
  if (type.kind === "Namespace") await deleteNamespaceContents(state, store, ref.name);
  if (object !== undefined) await deleteFromState(state, type, object, options.graceSeconds);
  return { name: displayName(type, ref), change: "deleted" };
}

async function deleteFromState(
  state: StateSource,
  type: ResourceType,
  object: KubeObject,
  graceSeconds: number | undefined,
): Promise<void> {
  if (type.kind === "Pod") await requestPodDeletion(state, object as KubePod, graceSeconds);
  else await deleteObject(state, type, object);
}

/** A Namespace takes along what is in it. */
async function deleteNamespaceContents(state: StateSource, store: ManifestStore, namespace: string): Promise<void> {
  for (const { type, object } of store.list().values())
    if (object.metadata.namespace === namespace) store.remove(type, object.metadata);
  for (const type of Object.values(resourceTypes) as readonly ResourceType[]) {
    // CiliumEndpoints go with their pods: their agents remove them.
    if (!type.namespaced || type.kind === "CiliumEndpoint") continue;
    for (const object of (await state.list(type)).items)
      if (object.metadata.namespace === namespace) await deleteFromState(state, type, object, undefined);
  }
}

async function unknownObject(state: StateSource, type: ResourceType, ref: ObjectRef): Promise<NotFoundError> {
  const known = (await state.list(type)).items.map((item) => objectKey(item.metadata));
  return new NotFoundError(
    "object-unknown",
    `there is no ${type.kind} "${objectKey(ref)}"${didYouMean(objectKey(ref), known)}`,
    {
      details: { known },
    },
  );
}

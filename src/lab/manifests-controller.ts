import { type FSWatcher, watch } from "node:fs";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { type KubeObject, objectKey, type ResourceType } from "../model/kube-object.js";
import { type KubeConfigMap, type KubePod, resourceTypes } from "../model/kubernetes.js";
import {
  fromManifest,
  isFromManifest,
  MANIFEST_ANNOTATION,
  manifestHash,
  mergeManifest,
  needsReplacement,
} from "./manifest-merge.js";
import { ManifestStore, type StoredManifest } from "./manifest-store.js";
import { changeObject, deleteObject } from "./object-writer.js";
import { requestPodDeletion } from "./pod-deletion.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

/** Settings first: nodes, their agents and Services follow them from their first moment on. */
const typesInOrder: readonly ResourceType[] = [
  resourceTypes.configMaps,
  ...Object.values<ResourceType>(resourceTypes).filter((type) => type.plural !== resourceTypes.configMaps.plural),
];
const ALL = "all";
const SETTLE_MS = 20;

/** Manifests → state: creates, changes and deletes what the user's folder says. Namespaces come into being with their objects. */
export class ManifestsController implements Controller {
  readonly #context: SupervisorContext;
  readonly #store: ManifestStore;
  readonly #queue: WorkQueue;
  #watcher: FSWatcher | undefined;

  constructor(context: SupervisorContext) {
    this.#context = context;
    this.#store = new ManifestStore(context.paths.manifestsDir);
    this.#queue = createWorkQueue({
      reconcile: () => this.#reconcile(),
      onError: (_key, err, failures) => context.log.error({ err, failures }, "manifests"),
    });
  }

  start(): void {
    // A pod that is to be replaced comes back when the old one is gone.
    this.#context.caches.pods.onChange((_key, _before, after) => {
      if (after === undefined) this.#queue.add(ALL);
    });
    this.#watcher = watch(this.#store.dir, () => this.#queue.addAfter(ALL, SETTLE_MS));
    this.#queue.add(ALL);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher?.close();
    await this.#queue.close();
  }

  async #reconcile(): Promise<void> {
    const manifests = this.#withNamespaces(this.#store.list());
    const failures: unknown[] = [];
    for (const type of typesInOrder) {
      const { items } = await this.#context.state.list(type);
      const current = new Map(items.map((item) => [`${type.plural}/${objectKey(item.metadata)}`, item]));
      for (const [key, object] of current) {
        if (isFromManifest(object) && !manifests.has(key)) await this.#remove(type, object);
      }
      for (const [key, manifest] of manifests) {
        if (manifest.type.plural !== type.plural) continue;
        await this.#write(manifest, current.get(key)).catch((error: unknown) => failures.push(error));
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Every namespace that a manifest names, and `default`, exists: identities carry its labels. */
  #withNamespaces(manifests: ReadonlyMap<string, StoredManifest>): ReadonlyMap<string, StoredManifest> {
    const all = new Map(manifests);
    const named = [...manifests.values()].flatMap(({ object }) => object.metadata.namespace ?? []);
    const type: ResourceType = resourceTypes.namespaces;
    for (const name of new Set(["default", ...named])) {
      const object = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      if (!all.has(`${type.plural}/${name}`)) all.set(`${type.plural}/${name}`, { type, object });
    }
    return all;
  }

  async #write({ type, object }: StoredManifest, current: KubeObject | undefined): Promise<void> {
    const { state, log } = this.#context;
    if (current === undefined) {
      this.#learn(await state.create(type, fromManifest(object)));
      log.info({ kind: type.kind, name: objectKey(object.metadata) }, "created from its manifest");
      return;
    }
    if (current.metadata.annotations?.[MANIFEST_ANNOTATION] === manifestHash(object)) return;
    if (needsReplacement(current, object)) {
      await requestPodDeletion(state, current as KubePod);
      return;
    }
    this.#learn(await changeObject(state, type, object.metadata, (latest) => mergeManifest(latest, object)));
    log.info({ kind: type.kind, name: objectKey(object.metadata) }, "changed by its manifest");
  }

  /** The other controllers know a setting before they see what it is about. */
  #learn(object: KubeObject | undefined): void {
    if (object?.kind === resourceTypes.configMaps.kind) this.#context.caches.configMaps.learn(object as KubeConfigMap);
  }

  async #remove(type: ResourceType, object: KubeObject): Promise<void> {
    this.#context.log.info({ kind: type.kind, name: objectKey(object.metadata) }, "manifest is gone, deleting");
    if (type.kind === "Pod") await requestPodDeletion(this.#context.state, object as KubePod);
    else await deleteObject(this.#context.state, type, object);
  }
}

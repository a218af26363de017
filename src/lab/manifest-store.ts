import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomicSync } from "../lib/atomic-file.js";
import { type KubeObject, type ObjectRef, objectKey, type ResourceType } from "../model/kube-object.js";
import { resourceTypes } from "../model/kubernetes.js";

/** A manifest as a user gave it, with its type. */
export interface StoredManifest {
  readonly type: ResourceType;
  readonly object: KubeObject;
}

const SUFFIX = ".json";

/** Types of the kinds that a manifest may hold. */
export function resourceTypeOf(object: {
  readonly apiVersion: string;
  readonly kind: string;
}): ResourceType | undefined {
  const types: readonly ResourceType[] = Object.values(resourceTypes);
  return types.find((type) => type.kind === object.kind && type.apiVersion === object.apiVersion);
}

function fileName(type: ResourceType, ref: ObjectRef): string {
  return `${type.plural}_${ref.namespace ?? ""}_${ref.name}${SUFFIX}`;
}

/**
 * What the user asked for, one file an object, apart from the state: the supervisor carries it into the state, and what
 * disappears here disappears there.
 */
export class ManifestStore {
  readonly dir: string;
  readonly #read = new Map<string, { readonly stamp: string; readonly manifest: StoredManifest }>();

  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  put(manifest: StoredManifest): void {
    const text = `${JSON.stringify(manifest.object, undefined, 2)}\n`;
    writeFileAtomicSync(join(this.dir, fileName(manifest.type, manifest.object.metadata)), text);
  }

  /** False: there was no such manifest. */
  remove(type: ResourceType, ref: ObjectRef): boolean {
    const path = join(this.dir, fileName(type, ref));
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return false;
    rmSync(path, { force: true });
    return true;
  }

  /** Every manifest, by `<plural>/<key>`. Files that did not change are not read again. */
  list(): ReadonlyMap<string, StoredManifest> {
    const manifests = new Map<string, StoredManifest>();
    const names = new Set(readdirSync(this.dir).filter((name) => name.endsWith(SUFFIX)));
    for (const name of this.#read.keys()) if (!names.has(name)) this.#read.delete(name);
    for (const name of names) {
      const manifest = this.#readFile(name);
      if (manifest !== undefined)
        manifests.set(`${manifest.type.plural}/${objectKey(manifest.object.metadata)}`, manifest);
    }
    return manifests;
  }

  #readFile(name: string): StoredManifest | undefined {
    const path = join(this.dir, name);
    const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stat === undefined) return undefined; // removed while we look
    const stamp = `${stat.ino}:${stat.mtimeNs}:${stat.size}`;
    const known = this.#read.get(name);
    if (known?.stamp === stamp) return known.manifest;
    const object = JSON.parse(readFileSync(path, "utf8")) as KubeObject;
    const type = resourceTypeOf(object);
    if (type === undefined) return undefined;
    const manifest = { type, object };
    this.#read.set(name, { stamp, manifest });
    return manifest;
  }
}

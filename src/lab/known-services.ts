import { objectKey } from "../model/kube-object.js";
import { type KubeService, resourceTypes } from "../model/kubernetes.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import { findCgroupMount } from "./cgroup.js";
import { parseLabName } from "./lab-name.js";
import { labPaths } from "./lab-paths.js";
import { readLabFile } from "./lab-record-file.js";
import { ManifestStore } from "./manifest-store.js";

/** The Services of a lab, also those that its supervisor has not carried into the state yet; of no lab: none. */
export async function readKnownServices(name: string): Promise<readonly KubeService[]> {
  const paths = labPaths(parseLabName(name), findCgroupMount());
  // What an interrupted command left is swept before a lab of this name begins.
  if (readLabFile(paths.record) === undefined) return [];
  await using state = await FolderStateSource.open(paths.stateDir);
  const known = new Map<string, KubeService>();
  for (const { type, object } of new ManifestStore(paths.manifestsDir).list().values())
    if (type.kind === "Service") known.set(objectKey(object.metadata), object as KubeService);
  for (const service of (await state.list(resourceTypes.services)).items) {
    const key = objectKey(service.metadata);
    if (known.get(key)?.spec.clusterIP === undefined) known.set(key, service);
  }
  return [...known.values()];
}

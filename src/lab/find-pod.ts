import { NotFoundError, UsageError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import { objectKey } from "../model/kube-object.js";
import { type Container, type KubePod, resourceTypes } from "../model/kubernetes.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import type { LabPaths } from "./lab-paths.js";

/**
 * The pod that a user means by `name`, `namespace/name` or `pod/name`. Without a namespace, the name must be unique in the lab.
 * @throws NotFoundError `pod-unknown`; UsageError `pod-ambiguous`
 */
export async function findPod(paths: LabPaths, text: string, namespace: string | undefined): Promise<KubePod> {
  await using state = await FolderStateSource.open(paths.stateDir);
  const pods = (await state.list(resourceTypes.pods)).items;
  const parts = text.replace(/^pods?\//, "").split("/");
  const name = parts.at(-1) ?? "";
  const wanted = parts.length > 1 ? parts[0] : namespace;
  const found = pods.filter(
    (pod) => pod.metadata.name === name && (wanted === undefined || pod.metadata.namespace === wanted),
  );
  if (found.length === 1) return found[0]!;
  const keys = found.map((pod) => objectKey(pod.metadata));
  if (found.length > 1)
    throw new UsageError("pod-ambiguous", `"${text}" is the name of ${found.length} pods: ${keys.join(", ")}`);
  const known = pods.map((pod) => objectKey(pod.metadata));
  const candidates = wanted === undefined ? pods.map((pod) => pod.metadata.name) : known;
  const asked = wanted === undefined ? name : `${wanted}/${name}`;
  throw new NotFoundError("pod-unknown", `lab ${paths.lab} has no pod "${asked}"${didYouMean(asked, candidates)}`, {
    details: { pods: known },
    nextSteps: [`kubectl cilium-ts lab status --name ${paths.lab}`],
  });
}

/** The container of this name, or the pod's first. @throws NotFoundError `container-unknown` */
export function findContainer(pod: KubePod, name: string | undefined): Container {
  const container = name === undefined ? pod.spec.containers[0] : pod.spec.containers.find((one) => one.name === name);
  if (container !== undefined) return container;
  const names = pod.spec.containers.map((one) => one.name);
  throw new NotFoundError("container-unknown", `pod ${objectKey(pod.metadata)} has no container "${name}"`, {
    hint: `it has ${names.join(", ")}`,
  });
}

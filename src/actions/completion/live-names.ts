import type { KubeObject } from "../../model/kube-object.js";
import { resourceTypes } from "../../model/kubernetes.js";
import { listLabs } from "../../session/lab-directory.js";
import { openTarget } from "../open-target.js";
import type { Completion, LiveKind } from "./complete-words.js";

/** Names of a kind that exist now and begin with what was typed. Objects come as `name` within `-n`, else `ns/name`. */
export async function listLiveNames(kind: LiveKind, completion: Completion): Promise<readonly string[]> {
  const { context, prefix } = completion;
  const names = kind === "lab" ? (await listLabs()).map((lab) => lab.name) : await namesInTarget(kind, context);
  return [...new Set(names)].filter((name) => name.startsWith(prefix)).sort();
}

async function namesInTarget(
  kind: Exclude<LiveKind, "lab">,
  { lab, namespace }: Completion["context"],
): Promise<readonly string[]> {
  await using target = await openTarget({ lab });
  if (kind === "node") return target.nodes.map((node) => node.name);
  if (target.state === undefined) return [];
  if (kind === "namespace") {
    return (await target.state.list(resourceTypes.namespaces)).items.map((object) => object.metadata.name);
  }
  const type = kind === "pod" ? resourceTypes.pods : resourceTypes.services;
  const objects: readonly KubeObject[] = (await target.state.list<KubeObject>(type)).items;
  return objects
    .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
    .map(({ metadata }) => (namespace === undefined ? `${metadata.namespace}/${metadata.name}` : metadata.name));
}

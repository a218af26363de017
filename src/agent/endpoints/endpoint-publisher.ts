import { parseObjectKey } from "../../model/kube-object.js";
import { type KubePod, resourceTypes } from "../../model/kubernetes.js";
import type { StateSource } from "../../state/state-source.js";
import type { LocalNode } from "../nodes/local-node.js";
import { desiredCiliumEndpoint, isPublished } from "./cilium-endpoint.js";
import type { EndpointTable } from "./endpoint-table.js";

export interface EndpointPublisherOptions {
  readonly state: StateSource;
  readonly node: LocalNode;
  readonly table: EndpointTable;
  readonly cachedPod: (ref: { readonly podNamespace: string; readonly podName: string }) => KubePod | undefined;
}

/** Keeps the CiliumEndpoint of one pod (`namespace/name`) equal to the pod's endpoint on this node. */
export async function publishEndpoint(options: EndpointPublisherOptions, podKey: string): Promise<void> {
  const { state, node, table } = options;
  const { namespace = "", name } = parseObjectKey(podKey);
  const type = resourceTypes.ciliumEndpoints;
  const record = table.findByPod(namespace, name);
  const published = await state.get(type, { namespace, name });
  if (record === undefined) {
    // The pod may have come up on another node under the same name: then the object is that node's.
    if (published?.status?.networking?.node !== node.internalIp.text) return;
    const { resourceVersion } = published.metadata;
    await state.delete(type, { namespace, name }, resourceVersion === undefined ? {} : { resourceVersion });
    return;
  }
  const pod = options.cachedPod({ podNamespace: namespace, podName: name });
  const desired = desiredCiliumEndpoint(record, pod?.metadata.uid === record.podUid ? pod : undefined, node);
  if (published === undefined) await state.create(type, desired);
  else if (!isPublished(published, desired)) {
    await state.update(type, {
      ...published,
      metadata: { ...published.metadata, ...desired.metadata },
      status: desired.status!,
    });
  }
}

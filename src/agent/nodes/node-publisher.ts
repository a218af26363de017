import { readFile } from "node:fs/promises";
import { type CiliumNode, resourceTypes } from "../../model/kubernetes.js";
import type { StateSource } from "../../state/state-source.js";
import { canonicalJson } from "../endpoints/cilium-endpoint.js";
import type { LocalNode } from "./local-node.js";

/** Keeps this node's CiliumNode: how other nodes reach it, and which pods are behind it. */
export async function publishNode(state: StateSource, node: LocalNode): Promise<void> {
  const type = resourceTypes.ciliumNodes;
  const desired = desiredCiliumNode(node, await readBootId());
  const published = await state.get(type, { name: node.name });
  if (published === undefined) {
    await state.create(type, desired);
    return;
  }
  const spec = { ...published.spec, ...desired.spec };
  const metadata = { ...published.metadata, ...desired.metadata };
  if (canonicalJson([published.spec, published.metadata]) === canonicalJson([spec, metadata])) return;
  await state.update(type, { ...published, metadata, spec });
}

/** Upstream's fields. Exported for its test. */
export function desiredCiliumNode(node: LocalNode, bootId: string | undefined): CiliumNode {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: {
      name: node.name,
      labels: node.labels,
      ...(node.uid === undefined
        ? {}
        : { ownerReferences: [{ apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid }] }),
    },
    spec: {
      addresses: [
        ...node.internalIps.map(({ text }) => ({ type: "InternalIP" as const, ip: text })),
        ...node.podRanges.map(({ ciliumHostIp }) => ({ type: "CiliumInternalIP" as const, ip: ciliumHostIp.text })),
      ],
      ...(bootId === undefined ? {} : { bootid: bootId }),
      ipam: { podCIDRs: node.podRanges.map(({ podCidr }) => podCidr.text) },
    },
  };
}

async function readBootId(): Promise<string | undefined> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    return undefined;
  }
}

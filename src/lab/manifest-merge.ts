import { createHash } from "node:crypto";
import type { KubeObject } from "../model/kube-object.js";
import type { KubeNode, KubePod, KubeService, ServicePort } from "../model/kubernetes.js";

/** Marks state that came from a manifest, and says which version of it. */
export const MANIFEST_ANNOTATION = "lab.cilium-ts.io/manifest-hash";

export function isFromManifest(object: KubeObject): boolean {
  return object.metadata.annotations?.[MANIFEST_ANNOTATION] !== undefined;
}

export function manifestHash(manifest: KubeObject): string {
  return createHash("sha256").update(JSON.stringify(manifest)).digest("hex").slice(0, 16);
}

function specHash(object: KubeObject): string {
  return createHash("sha256")
    .update(JSON.stringify("spec" in object ? object.spec : null))
    .digest("hex")
    .slice(0, 16);
}

/** Says whether the running pod must be replaced: a pod's spec cannot change. */
const POD_SPEC_ANNOTATION = "lab.cilium-ts.io/pod-spec-hash";

export function needsReplacement(current: KubeObject, manifest: KubeObject): boolean {
  return manifest.kind === "Pod" && current.metadata.annotations?.[POD_SPEC_ANNOTATION] !== specHash(manifest);
}

function mark(manifest: KubeObject): Readonly<Record<string, string>> {
  return {
    ...manifest.metadata.annotations,
    [MANIFEST_ANNOTATION]: manifestHash(manifest),
    ...(manifest.kind === "Pod" ? { [POD_SPEC_ANNOTATION]: specHash(manifest) } : {}),
  };
}

function labelsOf(manifest: KubeObject): Pick<KubeObject["metadata"], "labels"> {
  const { labels, name } = manifest.metadata;
  // The API server gives every Namespace this label; policies select by it.
  if (manifest.kind === "Namespace") return { labels: { ...labels, "kubernetes.io/metadata.name": name } };
  return labels === undefined ? {} : { labels };
}

/** A new object out of a manifest: what only servers write is left out. */
export function fromManifest(manifest: KubeObject): KubeObject {
  const { name, namespace } = manifest.metadata;
  return {
    ...manifest,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...labelsOf(manifest),
      annotations: mark(manifest),
    },
  };
}

/** The object as the manifest now wants it; what controllers filled in stays. */
export function mergeManifest(current: KubeObject, manifest: KubeObject): KubeObject {
  const { labels: _replaced, ...metadata } = current.metadata;
  const status = "status" in current && !("status" in manifest) ? { status: current.status } : {};
  return {
    ...manifest,
    ...mergedSpec(current, manifest),
    ...status,
    metadata: { ...metadata, ...labelsOf(manifest), annotations: mark(manifest) },
  };
}

function mergedSpec(current: KubeObject, manifest: KubeObject): { readonly spec?: unknown } {
  switch (manifest.kind) {
    case "Pod":
      return { spec: (current as KubePod).spec };
    case "Service":
      return { spec: mergedService(current as KubeService, manifest as KubeService) };
    case "Node": {
      const { podCIDR, podCIDRs } = (current as KubeNode).spec ?? {};
      const own = podCIDR === undefined ? {} : { podCIDR, ...(podCIDRs === undefined ? {} : { podCIDRs }) };
      return { spec: { ...own, ...(manifest as KubeNode).spec } };
    }
    default:
      return {};
  }
}

function mergedService(current: KubeService, manifest: KubeService): KubeService["spec"] {
  const { clusterIP, clusterIPs, ports: before = [] } = current.spec;
  const keepPort = (port: ServicePort): ServicePort => {
    const known = before.find(
      (other) => other.port === port.port && (other.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    const type = manifest.spec.type ?? "ClusterIP";
    const keeps = known?.nodePort !== undefined && port.nodePort === undefined && type !== "ClusterIP";
    return keeps ? { ...port, nodePort: known.nodePort } : port;
  };
  return {
    ...(clusterIP === undefined ? {} : { clusterIP }),
    ...(clusterIPs === undefined ? {} : { clusterIPs }),
    ...manifest.spec,
    ...(manifest.spec.ports === undefined ? {} : { ports: manifest.spec.ports.map(keepPort) }),
  };
}

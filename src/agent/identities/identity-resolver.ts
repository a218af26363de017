import type { KubeNamespace, KubePod } from "../../model/kubernetes.js";
import { formatLabel, type Label } from "../../model/labels.js";

export interface PodRef {
  readonly podNamespace: string;
  readonly podName: string;
  /** When set, only the pod with this uid is meant: a StatefulSet's pod comes again under the same name. */
  readonly podUid?: string;
}

export interface ResolvedIdentity {
  readonly identity: number;
  /** Identity labels, `k8s:app=web`, sorted. */
  readonly labels: readonly string[];
  readonly podUid?: string;
}

export interface IdentityResolver {
  /** Undefined: there is no such pod (a static pod's mirror comes later; a deleted one is gone). */
  resolve(pod: PodRef): Promise<ResolvedIdentity | undefined>;
}

export interface IdentityResolverOptions {
  /** The labels that make an identity, sorted. */
  readonly labelsOf: (pod: KubePod, namespace: KubeNamespace | undefined) => readonly Label[];
  /** The number that the whole cluster uses for these labels. */
  readonly allocate: (labels: readonly Label[]) => Promise<number>;
  /** From the watched cache; may lag behind. */
  readonly cachedPod: (ref: PodRef) => KubePod | undefined;
  readonly cachedNamespace: (name: string) => KubeNamespace | undefined;
  /** From the source itself. */
  readonly readPod: (ref: PodRef) => Promise<KubePod | undefined>;
  readonly readNamespace: (name: string) => Promise<KubeNamespace | undefined>;
}

/** Pod → labels → cluster-wide number. Asks the source where the cache does not know the pod yet. */
export function createIdentityResolver(options: IdentityResolverOptions): IdentityResolver {
  return {
    async resolve(ref) {
      const pod = await findPod(options, ref);
      if (pod === undefined) return undefined;
      const namespace = options.cachedNamespace(ref.podNamespace) ?? (await options.readNamespace(ref.podNamespace));
      const labels = options.labelsOf(pod, namespace);
      const identity = await options.allocate(labels);
      const { uid } = pod.metadata;
      return { identity, labels: labels.map(formatLabel), ...(uid === undefined ? {} : { podUid: uid }) };
    },
  };
}

async function findPod(options: IdentityResolverOptions, ref: PodRef): Promise<KubePod | undefined> {
  const isMeant = (pod: KubePod | undefined): pod is KubePod =>
    pod !== undefined && (ref.podUid === undefined || pod.metadata.uid === ref.podUid);
  const cached = options.cachedPod(ref);
  if (isMeant(cached)) return cached;
  const read = await options.readPod(ref);
  return isMeant(read) ? read : undefined;
}

import { type Label, parseLabel } from "./labels.js";
import { isReleaseSince, type UpstreamRelease } from "./upstream-release.js";

/** A security identity, 24 bits on the wire (the VNI of the overlay) and 32 in maps: bits 24–31 are its scope. */
export type NumericIdentity = number;

export interface ReservedIdentity {
  readonly id: NumericIdentity;
  /** As upstream prints it without `reserved:`. */
  readonly name: string;
  readonly labels: readonly Label[];
}

function reserved(id: NumericIdentity, name: string, ...labels: string[]): ReservedIdentity {
  const texts = labels.length === 0 ? [name] : labels;
  return { id, name, labels: texts.map((text) => parseLabel(`reserved:${text}`)) };
}

/** Upstream's reserved identities (pkg/identity/numericidentity.go), by number. 9 and 10 are used in dual-stack clusters only. */
export const reservedIdentities: readonly ReservedIdentity[] = [
  reserved(0, "unknown"),
  reserved(1, "host"),
  reserved(2, "world"),
  reserved(3, "unmanaged"),
  reserved(4, "health"),
  reserved(5, "init"),
  reserved(6, "remote-node"),
  reserved(7, "kube-apiserver", "kube-apiserver", "remote-node"),
  reserved(8, "ingress"),
  reserved(9, "world-ipv4"),
  reserved(10, "world-ipv6"),
  // Of no endpoint: for whole ranges of identities in policy maps, since 1.20.
  reserved(11, "aggregate-cluster"),
  reserved(12, "aggregate-cluster-mesh"),
  reserved(13, "aggregate-world"),
  reserved(14, "aggregate-remote-node"),
];

/** Those that are met by number (upstream `pkg/identity/numericidentity.go`). */
export const HOST_IDENTITY = 1;
export const WORLD_IDENTITY = 2;
export const REMOTE_NODE_IDENTITY = 6;
export const WORLD_IPV4_IDENTITY = 9;
export const WORLD_IPV6_IDENTITY = 10;

/** First releases of the reserved identities that not all have. */
const reservedSince: Readonly<Record<NumericIdentity, UpstreamRelease>> = {
  9: "1.15",
  10: "1.15",
  11: "1.20",
  12: "1.20",
  13: "1.20",
  14: "1.20",
};

/** Where an identity means something: everywhere, in one cluster, on one node. */
export type IdentityScope = "reserved" | "well-known" | "user-reserved" | "cluster" | "local" | "remote-node";

const SCOPE_SHIFT = 24;
/** Cluster ids take the 8 bits above the 16 of an identity of theirs (max-connected-clusters 255). */
const CLUSTER_SHIFT = 16;
const MIN_ALLOCATED = 256;

export function identityScope(id: NumericIdentity): IdentityScope {
  const scope = id >>> SCOPE_SHIFT;
  if (scope === 1) return "local";
  if (scope === 2) return "remote-node";
  if (wellKnownComponent(id) !== undefined) return "well-known";
  if (id < 128) return "reserved";
  return id < MIN_ALLOCATED ? "user-reserved" : "cluster";
}

/** Components with identities of their own, from 100 on, in clusters that have them enabled; the dashes are unused now. */
const wellKnownComponents =
  "- - kube-dns eks-kube-dns core-dns cilium-operator eks-core-dns - - - kube-dns eks-kube-dns core-dns cilium-operator eks-core-dns -".split(
    " ",
  );
const FIRST_WELL_KNOWN = 100;

/** `core-dns` for 104 and, where namespaces are labelled with their names, for 112. */
export function wellKnownComponent(id: NumericIdentity): string | undefined {
  const name = wellKnownComponents[id - FIRST_WELL_KNOWN];
  return name === "-" ? undefined : name;
}

/**
 * The cluster that allocated an identity, 0 where clusters have no ids and for identities that no cluster allocates.
 * @param clusterBits 9 in meshes of up to 511 clusters
 */
export function clusterOfIdentity(id: NumericIdentity, clusterBits: 8 | 9 = 8): number {
  return id >>> SCOPE_SHIFT === 0 ? id >>> (SCOPE_SHIFT - clusterBits) : 0;
}

/** Identities that a cluster may allocate: 256…65535 without a cluster id, else all 65,536 below its id: nothing is reserved there. */
export function identityRange(clusterId: number): { readonly min: NumericIdentity; readonly max: NumericIdentity } {
  const base = clusterId << CLUSTER_SHIFT;
  return { min: clusterId === 0 ? MIN_ALLOCATED : base, max: base + 0xffff };
}

export function reservedIdentity(id: NumericIdentity): ReservedIdentity | undefined {
  return reservedIdentities[id];
}

/** The name that the release has for a reserved identity, else the number. */
export function formatIdentity(id: NumericIdentity, release: UpstreamRelease): string {
  const name = isReleaseSince(release, reservedSince[id] ?? "1.14") ? reservedIdentity(id)?.name : undefined;
  return name ?? String(id);
}

/** A number, or the name of a reserved identity with or without `reserved:`. Undefined for anything else. */
export function parseIdentity(text: string): NumericIdentity | undefined {
  const name = text.startsWith("reserved:") ? text.slice("reserved:".length) : text;
  const known = reservedIdentities.find((identity) => identity.name === name);
  if (known !== undefined) return known.id;
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= 0xffff_ffff ? id : undefined;
}

import type { IpPrefix } from "../../lib/ip.js";
import type { NumericIdentity } from "../identity.js";
import type { Label } from "../labels.js";

/** An identity as policies see it. */
export interface PolicyIdentity {
  readonly id: NumericIdentity;
  /** With sources (`k8s:`, `reserved:`, `cidr:`), sorted. */
  readonly labels: readonly Label[];
  /** By which rules may name it: of what stands for a prefix outside the cluster, and of nodes with policy-cidr-match-mode. */
  readonly prefixes?: readonly IpPrefix[];
  /** Ports by name of all endpoints that have this identity: the same name may stand for several. */
  readonly namedPorts?: readonly NamedContainerPort[];
}

export interface NamedContainerPort {
  readonly name: string;
  readonly port: number;
  /** IP protocol. */
  readonly protocol: number;
}

/** The families that a cluster has: with both, what is outside it is `world-ipv4` or `world-ipv6`, else `world`. */
export interface ClusterFamilies {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

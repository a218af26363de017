import { IpPrefix } from "../../lib/ip.js";
import type { Label } from "../labels.js";
import type { ClusterFamilies } from "./policy-identity.js";

/**
 * Labels of the identity that stands for a prefix outside the cluster, sorted: the prefix and its world. As upstream
 * (pkg/labels/cidr.go): `10.0.0.0/8` → `cidr:10.0.0.0/8`, `reserved:world-ipv4`; of a length of 0 the world alone.
 */
export function prefixLabels(prefix: IpPrefix, families: ClusterFamilies): readonly Label[] {
  const world = { source: "reserved", key: worldKey(prefix.address.family, families), value: "" };
  return prefix.length === 0 ? [world] : [{ source: "cidr", key: prefixLabelKey(prefix), value: "" }, world];
}

/** Of an address of a node that rules may name by prefixes: the prefix beside the node's own labels. */
export function addressLabels(addresses: readonly IpPrefix[]): readonly Label[] {
  return addresses.map((prefix) => ({ source: "cidr", key: prefixLabelKey(prefix), value: "" }));
}

/** The label of everything outside the cluster of one family: qualified where the cluster has the other family too. */
export function worldKey(family: 4 | 6, families: ClusterFamilies): string {
  const hasOther = family === 4 ? families.ipv6 : families.ipv4;
  return hasOther ? `world-ipv${family}` : "world";
}

/** Label keys have no colons and end in no dash: `2001:db8::/32` → `2001-db8--0/32`. */
function prefixLabelKey({ address, length }: IpPrefix): string {
  const text = address.text.replace(/^:/, "0:").replace(/:$/, ":0").replaceAll(":", "-");
  return `${text}/${length}`;
}

/** Reverse of the key of a `cidr:` label; undefined for anything else. */
export function parsePrefixLabelKey(key: string): IpPrefix | undefined {
  try {
    return IpPrefix.parse(key.replaceAll("-", ":"));
  } catch {
    return undefined;
  }
}

import { IpAddress, type IpFamily } from "../lib/ip.js";
import type { ServiceSpec } from "./kubernetes.js";

/**
 * The families of a Service, its first one first, as the API server derives them: from what is written into it, with both
 * where its policy asks for both; else the cluster's first family. A problem when the cluster's pods do not have them.
 * @param families the cluster's, its first one first
 */
export function serviceFamilies(
  spec: ServiceSpec,
  families: readonly IpFamily[],
): readonly IpFamily[] | { readonly problem: string } {
  const named = spec.ipFamilies?.map((name) => (name === "IPv4" ? 4 : 6)) ?? [];
  const given = named.length > 0 ? named : clusterIpsOf(spec).flatMap((text) => IpAddress.tryParse(text)?.family ?? []);
  const { ipFamilyPolicy: policy = given.length > 1 ? "RequireDualStack" : "SingleStack" } = spec;
  const first = given[0] ?? families[0]!;
  const wanted = policy === "SingleStack" ? [first] : [first, ...families.filter((family) => family !== first)];
  const lacking = wanted.filter((family) => !families.includes(family));
  if (lacking.length === 0 && (policy !== "RequireDualStack" || wanted.length > 1)) return wanted;
  const asksFor = lacking.length === 0 ? "two address families" : `IPv${lacking.join(" and IPv")}`;
  return {
    problem: `asks for ${asksFor}, but pods have IPv${families.join(" and IPv")} alone (enable-ipv4 and enable-ipv6 in cilium-config)`,
  };
}

/** Every address that is written into a Service, "None" of a headless one among them. */
export function clusterIpsOf({ clusterIP, clusterIPs }: ServiceSpec): readonly string[] {
  return clusterIPs ?? (clusterIP === undefined || clusterIP === "" ? [] : [clusterIP]);
}

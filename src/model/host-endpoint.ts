import { type Label, sortLabels } from "./labels.js";

/** Id of the node itself among its endpoints, which `enable-host-firewall` makes it one of. No pod gets it. */
export const HOST_ENDPOINT_ID = 65_535;

/** Labels of the node as an endpoint, sorted: what `nodeSelector` selects by, and that it is the host. */
export function hostEndpointLabels(nodeLabels: Readonly<Record<string, string>>): readonly Label[] {
  const own = Object.entries(nodeLabels).map(([key, value]) => ({ source: "k8s", key, value }));
  return sortLabels([{ source: "reserved", key: "host", value: "" }, ...own]);
}

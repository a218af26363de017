import { ip4, mac } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";
import { dumpForm } from "./upstream-form.js";

/** `cilium_vtep_map` */
export const vtepMap = smallMap(
  [
    source(
      "cilium_vtep_map",
      { address: ip4("vtep_ip") },
      { mac: mac("vtep_mac"), tunnelEndpoint: ip4("tunnel_endpoint") },
    ),
  ],
  {
    name: "vtep",
    kind: "VtepList",
    summary: "List the address blocks behind VTEPs outside of the cluster",
    madeWhen: "VTEP integration is on",
    fields: {
      address: { header: "ADDRESS", type: "address", doc: "base of the block, after the mask of the configuration" },
      mac: { header: "MAC", type: "text", doc: "of the VTEP" },
      tunnelEndpoint: { header: "TUNNEL", type: "address", doc: "of the VTEP" },
    },
    order: (row) => [row.address],
    nameOf: (row) => row.address.text,
    upstream: dumpForm(
      ["IP PREFIX/ADDRESS", "VTEP"],
      (row) => row.address.text,
      (row) => `vtepmac=${row.mac} tunnelendpoint=${row.tunnelEndpoint}`,
    ),
  },
);

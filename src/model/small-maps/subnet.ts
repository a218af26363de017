import { uint } from "../struct-fields.js";
import { unionPrefix } from "./map-fields.js";
import { smallMap, source } from "./small-map.js";

/** `cilium_subnet_map`, since 1.19 */
export const subnetMap = smallMap(
  [
    source(
      "cilium_subnet_map",
      { prefix: unionPrefix("ip6", "family", "lpm_key", 32) },
      { subnetId: uint("identity") },
    ),
  ],
  {
    name: "subnet",
    kind: "SubnetList",
    summary: "List which subnets reach each other without a tunnel",
    madeWhen: "routing is hybrid (since 1.19)",
    fields: {
      prefix: { header: "PREFIX", type: "prefix", doc: "of the subnet" },
      subnetId: { header: "SUBNET", type: "integer", doc: "equal for those that route to each other" },
    },
    order: (row) => [row.prefix.address, row.prefix.length],
    nameOf: (row) => row.prefix.text,
  },
);

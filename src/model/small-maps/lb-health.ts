import { be, ip4, ip6, u64, uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

const backendOf = (address: typeof ip4) => ({
  address: address("address"),
  port: be("port"),
  protocol: uint("proto"),
});
const key = { cookie: u64("value") };

/** Backends that health probes were sent to, by the sockets that sent them. */
export const healthMap = smallMap(
  [source("cilium_lb4_health", key, backendOf(ip4)), source("cilium_lb6_health", key, backendOf(ip6))],
  {
    name: "lb-health",
    kind: "LbHealthList",
    summary: "List the backends that health probes of the node were sent to",
    description: "Entries come in the kernel's order unless --sort-by is given.",
    madeWhen: "its health checks of backends go through the datapath",
    fields: {
      cookie: { header: "COOKIE", type: "counter", doc: "of the socket" },
      protocol: { header: "PROTO", type: "protocol", doc: "name or number" },
      address: { header: "BACKEND", type: "address", doc: "of the backend", port: (row) => row.port },
      port: { type: "port", doc: "of the backend" },
      addressName: { header: "NAME", type: "name", doc: "the backend's pod", addressOf: (row) => row.address },
    },
    nameOf: (row) => String(row.cookie),
    filters: { hasAddresses: true, hasPorts: true, traits: (row) => ({ ends: [row], protocol: row.protocol }) },
  },
);

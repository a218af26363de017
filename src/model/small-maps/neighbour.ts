import { ip4, ip6, mac } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

/** Hardware addresses of clients that node ports answer directly. */
export const neighbourMap = smallMap(
  [
    source("cilium_nodeport_neigh4", { address: ip4("value") }, { mac: mac("addr") }),
    source("cilium_nodeport_neigh6", { address: ip6("value") }, { mac: mac("addr") }),
  ],
  {
    name: "neigh",
    kind: "NeighbourList",
    summary: "List the hardware addresses that node ports learnt from their clients",
    description: "Entries come in the kernel's order unless --sort-by is given.",
    madeWhen: "it serves node ports",
    fields: {
      address: { header: "ADDRESS", type: "address", doc: "of the client, or of the router to it" },
      addressName: { header: "NAME", type: "name", doc: "whose address it is", addressOf: (row) => row.address },
      mac: { header: "MAC", type: "text", doc: "that replies are sent to" },
    },
    nameOf: (row) => row.address.text,
    filters: { hasAddresses: true, traits: (row) => ({ ends: [{ address: row.address }] }) },
  },
);

import { ip4, ip6, u64, uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

const device = { interfaceIndex: uint("ifindex") };
const answers = { responses: u64("responses_sent") };

/** Addresses of Services that the node answers ARP and, since 1.19, neighbour solicitations for. */
export const l2ResponderMap = smallMap(
  [
    source("cilium_l2_responder_v4", { address: ip4("ip4"), ...device }, answers),
    source("cilium_l2_responder_v6", { address: ip6("ip6"), ...device }, answers),
  ],
  {
    name: "l2responder",
    kind: "L2ResponderList",
    summary: "List the Service addresses that the node announces on its links",
    madeWhen: "L2 announcements are on",
    fields: {
      address: { header: "ADDRESS", type: "address", doc: "of the Service" },
      addressName: { header: "NAME", type: "name", doc: "whose address it is", addressOf: (row) => row.address },
      interfaceIndex: { header: "IFINDEX", type: "integer", doc: "of the device that answers" },
      responses: { header: "RESPONSES", type: "counter", doc: "answers sent" },
    },
    order: (row) => [row.address, row.interfaceIndex],
    nameOf: (row) => `${row.address}-${row.interfaceIndex}`,
  },
);

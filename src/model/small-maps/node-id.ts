import type { IpAddress } from "../../lib/ip.js";
import { orElse, uint } from "../struct-fields.js";
import { upstreamAddress } from "../upstream-address.js";
import { isReleaseSince } from "../upstream-release.js";
import { unionAddress } from "./map-fields.js";
import { smallMap, source } from "./small-map.js";
import { tableForm } from "./upstream-form.js";

const key = { address: unionAddress("ip6", "family") };
const withSpi = "cilium_node_map_v2";

/** Numbers that a node gave to node addresses. Releases 1.16 and 1.17 keep the map without keys beside the new one. */
export const nodeIdMap = smallMap(
  [
    source(withSpi, key, { nodeId: uint("id"), spi: uint("spi") }),
    source("cilium_node_map", key, { nodeId: uint("value"), spi: orElse(uint("spi"), 0) }, { replacedBy: withSpi }),
  ],
  {
    name: "nodeid",
    kind: "NodeIdList",
    summary: "List the numbers that each node gave to node addresses",
    madeWhen: "it starts",
    fields: {
      nodeId: { header: "NODE-ID", type: "integer", doc: "number of the node", text: (row) => hex(row.nodeId) },
      address: { header: "ADDRESS", type: "address", doc: "of the node" },
      addressName: { header: "NAME", type: "name", doc: "the node", addressOf: (row) => row.address },
      spi: { header: "SPI", type: "integer", doc: "IPsec key, 0 for none" },
    },
    order: (row) => [row.nodeId, row.address],
    nameOf: (row) => row.address.text,
    filters: { hasAddresses: true, traits: (row) => ({ ends: [{ address: row.address }] }) },
    upstream: tableForm({
      header: (row) => `NODE ID\tIP ADDRESSES${hasSpi(row) ? "\tSPI" : ""}`,
      line: (row) => `${hex(row.nodeId)}\t${addressOf(row)}${hasSpi(row) ? `\t${row.spi}` : ""}`,
      item: (row) => ({ ID: row.nodeId, Address: addressOf(row), ...(hasSpi(row) ? { SPI: row.spi } : {}) }),
      whenMissing: "Cannot find node bpf map",
    }),
  },
);

function addressOf({ address, release }: { readonly address: IpAddress; readonly release: `1.${number}` }): string {
  return upstreamAddress(address, release);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function hasSpi({ release }: { readonly release: `1.${number}` }): boolean {
  return isReleaseSince(release, "1.16");
}

import { swap16 } from "../../lib/bytes.js";
import { addressPort } from "../../lib/ip.js";
import { protocolName } from "../protocol-names.js";
import { be, ip4, ip6, uint } from "../struct-fields.js";
import { isReleaseSince } from "../upstream-release.js";
import { packetEnds } from "./end-fields.js";
import { type RowOf, smallMap, source } from "./small-map.js";
import { tableForm } from "./upstream-form.js";

const keyOf = (address: typeof ip4) => ({
  source: address("saddr"),
  destination: address("daddr"),
  id: be("id"),
  protocol: uint("proto"),
});
const ports = { sourcePort: be("sport"), destinationPort: be("dport") };

const sources = [
  source("cilium_ipv4_frag_datagrams", keyOf(ip4), ports),
  source("cilium_ipv6_frag_datagrams", keyOf(ip6), ports),
];

type FragmentRow = RowOf<typeof sources>;

/** Which ports the fragments of a datagram belong to: only the first one carries them. IPv6 since 1.18. */
export const fragmentMap = smallMap(sources, {
  name: "fragment",
  kind: "FragmentList",
  summary: "List datagrams that came in fragments, with the ports of their first one",
  madeWhen: "it tracks fragments",
  fields: {
    id: { header: "ID", type: "integer", doc: "of the datagram" },
    protocol: { header: "PROTO", type: "protocol", doc: "name or number" },
    ...packetEnds("of the datagram"),
  },
  order: (row) => [row.source, row.destination, row.id],
  nameOf: (row) => `${row.source}-${row.destination}-${row.id}`,
  filters: {
    hasAddresses: true,
    hasPorts: true,
    traits: (row) => ({
      ends: [
        { address: row.source, port: row.sourcePort },
        { address: row.destination, port: row.destinationPort },
      ],
      protocol: row.protocol,
    }),
  },
  upstream: tableForm({
    header: () => "ID\tPROTO\tSOURCE ADDRESS:PORT\tDEST ADDRESS:PORT",
    line: (row) =>
      `${idOf(row)}\t${protocolName(row.protocol, row.release)}\t${sourceText(row)}\t${destinationText(row)}`,
    item: (row) => ({
      ID: idOf(row),
      Proto: row.protocol,
      SourceAddress: sourceText(row),
      DestAddress: destinationText(row),
    }),
    empty: "null",
  }),
});

/** Upstream's tool of 1.17 prints it as it lies in the map, read in host order. */
function idOf({ id, release }: FragmentRow): number {
  return isReleaseSince(release, "1.18") ? id : swap16(id);
}

/** Upstream prints ports as they lie in the map, read in host order, and IPv6 sources without brackets. */
function sourceText(row: FragmentRow): string {
  return `${row.source}:${swap16(row.sourcePort)}`;
}

function destinationText(row: FragmentRow): string {
  return addressPort(row.destination, swap16(row.destinationPort));
}

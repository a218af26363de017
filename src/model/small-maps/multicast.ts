import type { IpAddress } from "../../lib/ip.js";
import { ip4, uint } from "../struct-fields.js";
import { type MapSource, type SmallMapRow, smallMap, source } from "./small-map.js";

const outer = "cilium_mcast_group_outer_v4_map";
const madeWhen = "multicast is on";

/** Groups that something on the node, or a node, listens to. Since 1.15. */
export const multicastGroupMap = smallMap([source(outer, { group: ip4("value") }, {})], {
  name: "multicast-group",
  kind: "MulticastGroupList",
  summary: "List the multicast groups of the node",
  madeWhen,
  fields: { group: { header: "GROUP", type: "address", doc: "address of the group" } },
  order: (row) => [row.group],
  nameOf: (row) => row.group.text,
  upstream: {
    text: { kind: "table", lines: (rows) => ["Group Address", ...rows.map((row) => row.group.text)] },
    json: { kind: "array", items: (rows) => rows.map((row) => row.group.text) },
  },
});

/** A group without subscribers has none of the other fields. */
interface SubscriberRow extends SmallMapRow {
  readonly group: IpAddress;
  readonly subscriber?: IpAddress;
  readonly interfaceIndex?: number;
  readonly flags?: number;
}

const subscribers: MapSource<SubscriberRow> = {
  pin: outer,
  key: { subscriber: ip4("value") },
  value: { interfaceIndex: uint("ifindex"), flags: uint("flags") },
  inner: {
    outerKey: { group: ip4("value") },
    like: { key: "ipv4", value: "mcast_subscriber_v4" },
    isEmptyListed: true,
  },
};

/** Who listens to the groups: a map for each. */
export const multicastSubscriberMap = smallMap<SubscriberRow>([subscribers], {
  name: "multicast-subscriber",
  kind: "MulticastSubscriberList",
  summary: "List who listens to the multicast groups of the node",
  madeWhen,
  fields: {
    group: { header: "GROUP", type: "address", doc: "address of the group" },
    subscriber: { header: "SUBSCRIBER", type: "address", doc: "pod, or node behind a tunnel", isOptional: true },
    subscriberName: { header: "NAME", type: "name", doc: "whose address it is", addressOf: (row) => row.subscriber },
    type: { header: "TYPE", type: "text", doc: "local or remote", isOptional: true, value: typeOf },
    interfaceIndex: { header: "IFINDEX", type: "integer", doc: "of the device to it", isOptional: true },
  },
  order: (row) => [row.group, row.subscriber],
  nameOf: (row) => `${row.group}-${row.subscriber ?? "none"}`,
  filters: {
    hasAddresses: true,
    traits: (row) => (row.subscriber === undefined ? {} : { ends: [{ address: row.subscriber }] }),
  },
  upstream: {
    text: { kind: "table", minWidth: 16, padding: 0, lines: subscriberLines },
    json: {
      kind: "array",
      // One item a group; the fields of upstream's structure are private to its package, and JSON shows none of them.
      items: (rows) => [...new Set(rows.map((row) => row.group.text))].map(() => ({})),
      empty: "null",
    },
  },
});

function typeOf({ flags }: SubscriberRow): "local" | "remote" | undefined {
  if (flags === undefined) return undefined;
  return (flags & 1) !== 0 ? "remote" : "local";
}

/** The group stands in the first of its lines only. */
function subscriberLines(rows: readonly SubscriberRow[]): readonly string[] {
  const lines = rows.map((row, index) => {
    const head = rows[index - 1]?.group.text === row.group.text ? "" : row.group.text;
    if (row.subscriber === undefined) return `${head}\t`;
    return `${head}\t${row.subscriber}\t${typeOf(row) === "remote" ? "Remote Node" : "Local Endpoint"}\t`;
  });
  return ["Group\tSubscriber\tType\t", ...lines];
}

import { swap16 } from "../../lib/bytes.js";
import { addressPort, type IpAddress } from "../../lib/ip.js";
import { secondsSince } from "../node-clock.js";
import { protocolName } from "../protocol-names.js";
import { be, ip4, ip6, u64, uint } from "../struct-fields.js";
import { upstreamEnd } from "../upstream-address.js";
import { isReleaseSince } from "../upstream-release.js";
import { endFields, packetEnds } from "./end-fields.js";
import { type MapSource, type RowField, type RowOf, type SmallMap, smallMap, source } from "./small-map.js";
import type { UpstreamForm } from "./upstream-form.js";

const tupleOf = (address: typeof ip4) => ({
  source: address("saddr"),
  sourcePort: be("sport"),
  destination: address("daddr"),
  destinationPort: be("dport"),
  protocol: uint("nexthdr"),
  /** As in the conntrack maps: 1 the entry of replies, 2 of ICMP errors, 4 of a Service. */
  flags: uint("flags"),
});
const translationOf = (address: typeof ip4) => ({
  created: u64("created"),
  needsConntrack: u64("needs_ct"),
  pad1: u64("pad1"),
  pad2: u64("pad2"),
  translated: address("to_saddr"),
  translatedPort: be("to_sport"),
});

const sources = [
  source("cilium_snat_v4_external", tupleOf(ip4), translationOf(ip4)),
  source("cilium_snat_v6_external", tupleOf(ip6), translationOf(ip6)),
];

/** The tuple and what becomes of it; entries of a map for one cluster say which. */
type NatRow = RowOf<typeof sources> & { readonly clusterId?: number };

const fields: Readonly<Record<string, RowField<NatRow>>> = {
  protocol: { header: "PROTO", type: "protocol", doc: "name or number" },
  direction: {
    header: "DIR",
    type: "text",
    doc: "out: the source is translated, in: the destination of replies",
    value: directionOf,
  },
  ...packetEnds("before the translation"),
  ...endFields("translated", {
    header: "TRANSLATED",
    doc: "takes the source's place, of replies the destination's",
    nameHeader: "IS",
    nameDoc: "whose address takes the place",
    isNameWide: true,
  }),
  createdSeconds: {
    type: "counter",
    doc: "CLOCK_MONOTONIC of the node when the entry was made",
    value: (row) => row.created,
  },
  ageSeconds: {
    header: "AGE",
    type: "integer",
    doc: "seconds from then to the reading",
    value: (row) => Number(ageOf(row)),
    text: (row) => `${ageOf(row)}s`,
  },
  needsConntrack: {
    header: "NEEDS-CT",
    type: "flag",
    doc: "the connection is tracked by the NAT alone",
    isWide: true,
    value: (row) => row.needsConntrack !== 0n,
  },
};

const upstream: UpstreamForm<NatRow> = {
  text: {
    kind: "lines",
    line: (row) => (row.protocol === 0 ? undefined : lineOf(row)),
    mapOf: (row) => `${row.pin}/${row.clusterId ?? 0}`,
  },
  json: {
    kind: "array",
    items: (rows) =>
      rows.map((row) => ({
        // Ports as they lie in the map, read in host order.
        Key: {
          DestAddr: [...row.destination.bytes],
          SourceAddr: [...row.source.bytes],
          DestPort: swap16(row.destinationPort),
          SourcePort: swap16(row.sourcePort),
          NextHeader: row.protocol,
          Flags: row.flags,
        },
        Value: {
          Created: row.created,
          NeedsCT: row.needsConntrack,
          Pad1: row.pad1,
          Pad2: row.pad2,
          Addr: [...row.translated.bytes],
          Port: swap16(row.translatedPort),
        },
      })),
  },
};

const declaration: Omit<SmallMap<NatRow>, "sources"> = {
  name: "nat",
  kind: "NatEntryList",
  summary: "List address translations of the masquerading and of NodePort traffic",
  description: "Entries come in the kernel's order unless --sort-by is given.",
  madeWhen: "it masquerades by eBPF or serves node ports",
  fields,
  nameOf: (row) =>
    `${protocolName(row.protocol).toLowerCase()}-${directionOf(row)}-${addressPort(row.source, row.sourcePort)}-${addressPort(row.destination, row.destinationPort)}`,
  filters: {
    hasAddresses: true,
    hasPorts: true,
    directions: ["in", "out"],
    traits: (row) => ({
      ends: [
        { address: row.source, port: row.sourcePort },
        { address: row.destination, port: row.destinationPort },
        { address: row.translated, port: row.translatedPort },
      ],
      protocol: row.protocol,
      direction: directionOf(row),
    }),
  },
  isTimed: true,
  upstream,
};

/** `cilium_snat_v4_external`, `cilium_snat_v6_external` */
export const natMap: SmallMap<NatRow> = smallMap<NatRow>(sources as readonly MapSource<NatRow>[], declaration);

/** The same of connections with other clusters, a map for each of them. */
export const natClusterMap: SmallMap<NatRow> = smallMap<NatRow>(
  ([4, 6] as const).map(
    (family, index): MapSource<NatRow> => ({
      ...(sources[index] as MapSource<NatRow>),
      pin: `cilium_per_cluster_snat_v${family}_external`,
      inner: { outerKey: { clusterId: uint("value") }, like: `cilium_snat_v${family}_external` },
    }),
  ),
  {
    ...declaration,
    name: "nat-cluster",
    kind: "NatClusterEntryList",
    madeWhen: "address translation between clusters is on",
    fields: { clusterId: { header: "CLUSTER", type: "integer", doc: "at the other end" }, ...fields },
  },
);

function directionOf({ flags }: NatRow): "in" | "out" {
  return (flags & 1) !== 0 ? "in" : "out";
}

function ageOf({ clock, created }: NatRow): bigint {
  return secondsSince(clock, created);
}

/** `TCP OUT 10.0.0.1:1 -> 10.0.0.2:2 XLATE_SRC 10.0.0.3:3 Created=12sec ago NeedsCT=0` */
function lineOf(row: NatRow): string {
  const isIn = directionOf(row) === "in";
  const head = `${protocolName(row.protocol, row.release)} ${isIn ? "IN" : "OUT"}`;
  const end = (address: IpAddress, port: number): string => upstreamEnd(address, port, row.release);
  const ends = `${end(row.source, row.sourcePort)} -> ${end(row.destination, row.destinationPort)}`;
  const kind = `${(row.flags & 2) !== 0 ? "related " : ""}${(row.flags & 4) !== 0 ? "service " : ""}`;
  const translated = `XLATE_${isIn ? "DST" : "SRC"} ${end(row.translated, row.translatedPort)}`;
  return `${head} ${ends} ${kind}${translated} Created=${createdText(row)} NeedsCT=${row.needsConntrack}`;
}

/** Upstream's tool of 1.14 takes the seconds of the entry for nanoseconds. */
function createdText(row: NatRow): string {
  if (isReleaseSince(row.release, "1.15")) return `${ageOf(row)}sec ago`;
  return `${BigInt.asUintN(64, BigInt(row.clock.nowSeconds) - row.created / 1_000_000_000n)}sec`;
}

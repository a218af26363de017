import { ip4, ip6, uint } from "../struct-fields.js";
import { prefix } from "./map-fields.js";
import { smallMap, source } from "./small-map.js";
import { tableForm } from "./upstream-form.js";

const madeWhen = "SRv6 is on";

/** Which packets of pods are of which VRF. */
export const srv6VrfMap = smallMap(
  [
    source(
      "cilium_srv6_vrf_v4",
      { source: ip4("src_ip"), destination: prefix(4, "dst_cidr", "lpm", 32) },
      { vrfId: uint("value") },
    ),
    source(
      "cilium_srv6_vrf_v6",
      { source: ip6("src_ip"), destination: prefix(6, "dst_cidr", "lpm", 128) },
      { vrfId: uint("value") },
    ),
  ],
  {
    name: "srv6-vrf",
    kind: "Srv6VrfList",
    summary: "List which packets of pods are of which SRv6 VRF",
    madeWhen,
    fields: {
      source: { header: "SOURCE", type: "address", doc: "of the pod" },
      sourceName: { header: "FROM", type: "name", doc: "the pod", addressOf: (row) => row.source },
      destination: { header: "DESTINATION", type: "prefix", doc: "of the packets" },
      vrfId: { header: "VRF", type: "integer", doc: "number of the VRF" },
    },
    order: (row) => [row.source, row.destination.address, row.destination.length],
    nameOf: (row) => `${row.source}-${row.destination}`,
    filters: { hasAddresses: true, traits: (row) => ({ ends: [{ address: row.source }] }) },
    upstream: tableForm({
      header: () => "Source IP\tDestination CIDR\tVRF ID",
      line: (row) => `${row.source}\t${row.destination}\t${row.vrfId}`,
      item: (row) => ({ SourceIP: row.source.text, DestCIDR: row.destination.text, ID: row.vrfId }),
      whenMissing: "Cannot find SRv6 VRF mapping maps",
    }),
  },
);

/** Which segment a VRF's packets are sent to. */
export const srv6PolicyMap = smallMap(
  [
    source(
      "cilium_srv6_policy_v4",
      { vrfId: uint("vrf_id"), destination: prefix(4, "dst_cidr", "lpm", 32) },
      { sid: ip6("value") },
    ),
    source(
      "cilium_srv6_policy_v6",
      { vrfId: uint("vrf_id"), destination: prefix(6, "dst_cidr", "lpm", 32) },
      { sid: ip6("value") },
    ),
  ],
  {
    name: "srv6-policy",
    kind: "Srv6PolicyList",
    summary: "List the SRv6 segments that packets of a VRF are sent to",
    madeWhen,
    fields: {
      vrfId: { header: "VRF", type: "integer", doc: "number of the VRF" },
      destination: { header: "DESTINATION", type: "prefix", doc: "of the packets" },
      sid: { header: "SID", type: "address", doc: "segment that they are sent to" },
    },
    order: (row) => [row.vrfId, row.destination.address, row.destination.length],
    nameOf: (row) => `${row.vrfId}-${row.destination}`,
    upstream: tableForm({
      header: () => "VRF ID\tDestination CIDR\tSID",
      line: (row) => `${row.vrfId}\t${row.destination}\t${row.sid}`,
      item: (row) => ({ VRFID: row.vrfId, DestCIDR: row.destination.text, SID: row.sid.text }),
      whenMissing: "Cannot find SRv6 policy maps",
    }),
  },
);

/** Segments that end on this node. */
export const srv6SidMap = smallMap([source("cilium_srv6_sid", { sid: ip6("value") }, { vrfId: uint("value") })], {
  name: "srv6-sid",
  kind: "Srv6SidList",
  summary: "List the SRv6 segments that end on the node, with their VRFs",
  madeWhen,
  fields: {
    sid: { header: "SID", type: "address", doc: "segment" },
    vrfId: { header: "VRF", type: "integer", doc: "number of the VRF" },
  },
  order: (row) => [row.sid],
  nameOf: (row) => row.sid.text,
  upstream: tableForm({
    header: () => "SID\tVRF ID",
    line: (row) => `${row.sid}\t${row.vrfId}`,
    item: (row) => ({ SID: row.sid.text, VRFID: row.vrfId }),
    whenMissing: "Cannot find SRv6 SID map",
  }),
});

const outerEnds = { outerSource: ip6("src"), outerDestination: ip6("dst") };

/** Connections that came in through SRv6, for their replies (up to 1.15). */
export const srv6StateMap = smallMap(
  [
    source("cilium_srv6_state_v4", { source: ip4("src"), destination: ip4("dst") }, outerEnds),
    source("cilium_srv6_state_v6", { source: ip6("src"), destination: ip6("dst") }, outerEnds),
  ],
  {
    name: "srv6-state",
    kind: "Srv6StateList",
    summary: "List the SRv6 headers that connections came with (up to 1.15)",
    madeWhen,
    fields: {
      source: { header: "SOURCE", type: "address", doc: "of the inner packet" },
      destination: { header: "DESTINATION", type: "address", doc: "of the inner packet" },
      outerSource: { header: "OUTER-SOURCE", type: "address", doc: "of the packet around it" },
      outerDestination: { header: "OUTER-DESTINATION", type: "address", doc: "of the packet around it" },
    },
    order: (row) => [row.source, row.destination],
    nameOf: (row) => `${row.source}-${row.destination}`,
    filters: {
      hasAddresses: true,
      traits: (row) => ({ ends: [{ address: row.source }, { address: row.destination }] }),
    },
    upstream: tableForm({
      header: () => "Inner Source\tInner Destination\tOuter Source\tOuter Destination",
      line: (row) => `${row.source}\t${row.destination}\t${row.outerSource}\t${row.outerDestination}`,
      // The fields of upstream's structure are private to its package, and JSON shows none of them.
      item: () => ({}),
      whenMissing: "Cannot find SRv6 state maps",
    }),
  },
);

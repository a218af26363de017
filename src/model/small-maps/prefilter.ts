import { prefix } from "./map-fields.js";
import { smallMap, source } from "./small-map.js";

const sourcesOf = (family: 4 | 6) =>
  (["fix", "dyn"] as const).map((kind) =>
    source(`cilium_cidr_v${family}_${kind}`, { prefix: prefix(family, "addr", "lpm") }, {}),
  );

/** Prefixes that the XDP filter drops: whole addresses in hash maps, others in tries. */
export const prefilterMap = smallMap([...sourcesOf(4), ...sourcesOf(6)], {
  name: "prefilter",
  kind: "PrefilterPrefixList",
  summary: "List the prefixes whose packets the XDP filter drops",
  madeWhen: "the XDP filter is on",
  fields: {
    prefix: { header: "PREFIX", type: "prefix", doc: "of the sender" },
    match: {
      header: "MATCH",
      type: "text",
      doc: "exact: a single address, longest: a prefix",
      value: ({ pin }) => (pin.endsWith("_fix") ? "exact" : "longest"),
    },
  },
  order: (row) => [row.prefix.address, row.prefix.length],
  nameOf: (row) => row.prefix.text,
});

import { uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

const sourceOf = (family: 4 | 6) =>
  source(
    `cilium_snat_v${family}_alloc_retries`,
    { retries: uint("value") },
    { count: uint("value") },
    { isPerCpu: true },
  );

const familyOf = ({ pin }: { readonly pin: string }): string => (pin.includes("_v4_") ? "IPv4" : "IPv6");

/** How often a source port was found after how many tries (since 1.18). */
export const natRetriesMap = smallMap([sourceOf(4), sourceOf(6)], {
  name: "nat-retries",
  kind: "NatRetriesList",
  summary: "List how many tries it took to find free ports for address translation",
  madeWhen: "it masquerades by eBPF (since 1.18)",
  fields: {
    family: { header: "FAMILY", type: "text", doc: "of the addresses", value: familyOf },
    retries: { header: "RETRIES", type: "integer", doc: "tries after the first one" },
    count: { header: "CONNECTIONS", type: "integer", doc: "that took as many, on all CPUs" },
  },
  order: (row) => [row.pin, row.retries],
  nameOf: (row) => `${familyOf(row).toLowerCase()}-${row.retries}`,
  upstream: {
    text: { kind: "lines", line: (row) => `${row.retries}:\t${row.count}` },
    json: {
      kind: "array",
      items: (rows) => rows.map((row) => ({ Key: { Key: row.retries }, Value: { Value: row.count } })),
      isPerMap: true,
    },
  },
});

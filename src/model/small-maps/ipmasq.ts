import type { IpPrefix } from "../../lib/ip.js";
import type { GoJsonValue } from "../../lib/json-value.js";
import { upstreamPrefix } from "../upstream-address.js";
import { isReleaseSince } from "../upstream-release.js";
import { prefix } from "./map-fields.js";
import { smallMap, source } from "./small-map.js";
import { noEntries } from "./upstream-form.js";

/** Prefixes that pods reach under their own addresses, as ip-masq-agent's configuration says them. */
export const ipmasqMap = smallMap(
  [
    source("cilium_ipmasq_v4", { prefix: prefix(4, "addr", "lpm") }, {}),
    source("cilium_ipmasq_v6", { prefix: prefix(6, "addr", "lpm") }, {}),
  ],
  {
    name: "ipmasq",
    kind: "NonMasqueradePrefixList",
    summary: "List the prefixes that pods reach without masquerading",
    madeWhen: "the ip-masq-agent of eBPF is on",
    fields: { prefix: { header: "PREFIX", type: "prefix", doc: "not masqueraded" } },
    order: (row) => [row.prefix.address, row.prefix.length],
    nameOf: (row) => row.prefix.text,
    upstream: {
      text: {
        kind: "dump",
        keyTitle: "IP PREFIX/ADDRESS",
        valueTitle: "",
        key: (row) => upstreamPrefix(row.prefix, row.release, "1.17"),
        value: () => "",
      },
      json: { kind: "array", items: (rows) => rows.map((row) => prefixItem(row.prefix, row.release)) },
      whenEmpty: noEntries,
    },
  },
);

/** Up to 1.16 a Go `net.IPNet`, whose mask is base64. */
function prefixItem(of: IpPrefix, release: `1.${number}`): GoJsonValue {
  if (isReleaseSince(release, "1.17")) return of.text;
  const mask = Uint8Array.from(of.address.bytes, (_, index) => maskByte(of.length - 8 * index));
  return { IP: of.address.unmappedText, Mask: btoa(String.fromCharCode(...mask)) };
}

/** The byte of a mask of which `bits` more bits are set. */
function maskByte(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : 0x100 - (1 << (8 - bits));
}

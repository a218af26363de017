import type { IpAddress } from "../../lib/ip.js";
import { ip4, ip6, orElse, uint } from "../struct-fields.js";
import { isReleaseSince } from "../upstream-release.js";
import { prefix } from "./map-fields.js";
import { smallMap, source } from "./small-map.js";
import { tableForm } from "./upstream-form.js";

const key4 = { source: ip4("saddr"), destination: prefix(4, "daddr", "lpm_key", 32) };
const value4 = {
  egress: ip4("egress_ip"),
  gateway: ip4("gateway_ip"),
  interfaceIndex: orElse(uint("egress_ifindex"), 0),
};
const v4WithInterface = "cilium_egress_gw_policy_v4_v2";

/** Egress gateway policies. Since 1.20 the IPv4 ones are in two maps, of which the old one is kept for a downgrade. */
export const egressMap = smallMap(
  [
    source(v4WithInterface, key4, value4),
    source("cilium_egress_gw_policy_v4", key4, value4, { replacedBy: v4WithInterface }),
    source(
      "cilium_egress_gw_policy_v6",
      { source: ip6("saddr"), destination: prefix(6, "daddr", "lpm_key", 128) },
      { ...value4, egress: ip6("egress_ip") },
    ),
  ],
  {
    name: "egress",
    kind: "EgressPolicyList",
    summary: "List which gateway pods' traffic leaves the cluster through",
    madeWhen: "the egress gateway is on",
    fields: {
      source: { header: "SOURCE", type: "address", doc: "of the pod" },
      sourceName: { header: "FROM", type: "name", doc: "the pod", addressOf: (row) => row.source },
      destination: { header: "DESTINATION", type: "prefix", doc: "that the policy speaks of" },
      egress: { header: "EGRESS", type: "address", doc: "source address behind the gateway, all zero for none" },
      gateway: {
        header: "GATEWAY",
        type: "address",
        doc: "node that traffic leaves through; 0.0.0.0: none was found, 0.0.0.1: an excluded prefix",
        text: ({ gateway }) => gatewayText(gateway),
      },
      gatewayName: { header: "GATEWAY-NODE", type: "name", doc: "the gateway", addressOf: (row) => row.gateway },
      interfaceIndex: {
        header: "IFINDEX",
        type: "integer",
        doc: "that traffic leaves through on the gateway, 0 for none",
        isWide: true,
      },
    },
    order: (row) => [row.source, row.destination.address, row.destination.length],
    nameOf: (row) => `${row.source}-${row.destination}`,
    filters: { hasAddresses: true, traits: (row) => ({ ends: [{ address: row.source }] }) },
    upstream: tableForm({
      header: ({ release }) =>
        `Source IP\tDestination CIDR\tEgress IP\tGateway IP${hasInterface(release) ? "\tEgress Ifindex" : ""}`,
      line: (row) =>
        `${row.source}\t${row.destination}\t${row.egress}\t${gatewayText(row.gateway)}${hasInterface(row.release) ? `\t${row.interfaceIndex}` : ""}`,
      item: (row) => ({
        SourceIP: row.source.text,
        DestCIDR: row.destination.text,
        EgressIP: row.egress.text,
        GatewayIP: gatewayText(row.gateway),
        ...(hasInterface(row.release) ? { Ifindex: row.interfaceIndex } : {}),
      }),
      whenMissing: "Cannot find egress gateway bpf maps",
    }),
  },
);

/** Upstream's words for its two special values. */
function gatewayText({ text }: IpAddress): string {
  if (text === "0.0.0.0") return "Not Found";
  return text === "0.0.0.1" ? "Excluded CIDR" : text;
}

function hasInterface(release: `1.${number}`): boolean {
  return isReleaseSince(release, "1.20");
}

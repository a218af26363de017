import { orElse, u64, uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

/** What is limited, by number. Up to 1.16 there was nothing but ICMPv6. */
const usages: readonly (string | undefined)[] = [undefined, "icmpv6", "events", "socket-events"];

export function usageText(usage: number): string {
  return usages[usage] ?? String(usage);
}

/** `cilium_ratelimit` */
export const ratelimitMap = smallMap(
  [
    source(
      "cilium_ratelimit",
      { usage: orElse(uint("usage"), 1), interfaceIndex: uint("netdev_idx") },
      { lastTopUpNanoseconds: u64("last_topup"), tokens: u64("tokens") },
    ),
  ],
  {
    name: "ratelimit",
    kind: "RateLimitList",
    summary: "List the token buckets of what the datapath sends on its own",
    madeWhen: "it starts (since 1.15)",
    fields: {
      usage: { header: "USAGE", type: "text", doc: "what is limited", value: (row) => usageText(row.usage) },
      interfaceIndex: { header: "IFINDEX", type: "integer", doc: "of the device, where the limit is one device's" },
      tokens: { header: "TOKENS", type: "counter", doc: "left at the latest top-up" },
      lastTopUpNanoseconds: { header: "TOPPED-UP", type: "counter", doc: "CLOCK_MONOTONIC", isWide: true },
    },
    order: (row) => [row.usage, row.interfaceIndex],
    nameOf: (row) => `${usageText(row.usage)}-${row.interfaceIndex}`,
  },
);

/** `cilium_ratelimit_metrics`, since 1.17 */
export const ratelimitMetricsMap = smallMap(
  [source("cilium_ratelimit_metrics", { usage: uint("usage") }, { dropped: u64("dropped") })],
  {
    name: "ratelimit-metrics",
    kind: "RateLimitMetricList",
    summary: "List how often rate limits held something back",
    madeWhen: "it starts (since 1.17)",
    fields: {
      usage: { header: "USAGE", type: "text", doc: "what is limited", value: (row) => usageText(row.usage) },
      dropped: { header: "DROPPED", type: "counter", doc: "since the map was made" },
    },
    order: (row) => [row.usage],
    nameOf: (row) => usageText(row.usage),
  },
);

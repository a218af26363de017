import { orElse, u64, uint } from "../struct-fields.js";
import { isReleaseSince } from "../upstream-release.js";
import { type RowOf, smallMap, source } from "./small-map.js";
import { noEntries } from "./upstream-form.js";

const sources = [
  source(
    "cilium_throttle",
    { endpointId: uint("id"), directionCode: orElse(uint("direction"), 0) },
    {
      bytesPerSecond: u64("bps"),
      lastPacketNanoseconds: u64("t_last"),
      horizonOrTokens: u64("t_horizon_drop"),
      priority: orElse(uint("prio"), 0),
    },
  ),
];

type BandwidthRow = RowOf<typeof sources>;

/** `cilium_throttle`. Priorities since 1.17, limits of both directions since 1.18. */
export const bandwidthMap = smallMap(sources, {
  name: "bandwidth",
  kind: "BandwidthLimitList",
  summary: "List the bandwidth limits and priorities of endpoints",
  madeWhen: "the bandwidth manager is on",
  fields: {
    endpointId: { header: "ENDPOINT", type: "integer", doc: "whose traffic is limited" },
    direction: { header: "DIRECTION", type: "text", doc: "egress or ingress", value: (row) => directionOf(row) },
    bitsPerSecond: {
      header: "LIMIT",
      type: "counter",
      doc: "0 for none",
      value: (row) => row.bytesPerSecond * 8n,
      text: (row) => (row.bytesPerSecond === 0n ? "none" : `${quantityText(bitsOf(row))}bit/s`),
    },
    priority: { header: "PRIORITY", type: "integer", doc: "of the queue, 0 for none" },
    lastPacketNanoseconds: {
      header: "LAST",
      type: "counter",
      doc: "departure time of the latest packet, CLOCK_MONOTONIC",
      isWide: true,
    },
    horizonOrTokens: {
      header: "HORIZON",
      type: "counter",
      doc: "egress: nanoseconds into the future that a packet may be delayed; ingress: bytes that may pass at once",
      isWide: true,
    },
  },
  order: (row) => [row.endpointId, row.directionCode],
  nameOf: (row) => `${row.endpointId}-${directionOf(row)}`,
  filters: { directions: ["egress", "ingress"], traits: (row) => ({ direction: directionOf(row) }) },
  upstream: {
    text: { kind: "table", lines: (rows) => [headerOf(rows[0]!), ...rows.map(lineOf).sort()] },
    json: { kind: "object", key: keyText, value: valueText },
    whenEmpty: noEntries,
  },
});

function directionOf({ directionCode }: { readonly directionCode: number }): string {
  return directionCode === 1 ? "ingress" : "egress";
}

const hasPriority = ({ release }: BandwidthRow): boolean => isReleaseSince(release, "1.17");
const hasDirection = ({ release }: BandwidthRow): boolean => isReleaseSince(release, "1.18");

function headerOf(row: BandwidthRow): string {
  const columns = hasDirection(row)
    ? ["IDENTITY", "DIRECTION", "PRIO"]
    : hasPriority(row)
      ? ["IDENTITY", "PRIO"]
      : ["IDENTITY"];
  return [...columns, `${hasDirection(row) ? "" : "EGRESS "}BANDWIDTH (BitsPerSec)`].join("\t");
}

/** Upstream sorts the lines by the text of all columns. */
function lineOf(row: BandwidthRow): string {
  const direction = hasDirection(row) ? [row.directionCode === 1 ? "Ingress" : "Egress"] : [];
  const priority = hasPriority(row) ? [row.priority] : [];
  return [row.endpointId, ...direction, ...priority, quantityText(bitsOf(row))].join("\t");
}

function keyText(row: BandwidthRow): string {
  return hasDirection(row) ? `${row.endpointId}, ${row.directionCode}` : String(row.endpointId);
}

function valueText(row: BandwidthRow): string {
  const bytes = BigInt.asIntN(64, row.bytesPerSecond);
  return hasPriority(row) ? `${bytes}, ${row.priority}` : String(bytes);
}

/** In Go's 64 bits, as upstream computes it. */
function bitsOf({ bytesPerSecond }: BandwidthRow): bigint {
  return BigInt.asIntN(64, bytesPerSecond * 8n);
}

/** A quantity of Kubernetes in its shortest whole form: `10M`, `1500k`, `0`. */
function quantityText(value: bigint): string {
  const suffixes = ["", "k", "M", "G", "T", "P", "E"];
  let [rest, steps] = [value, 0];
  while (rest !== 0n && rest % 1000n === 0n && steps < suffixes.length - 1) {
    rest /= 1000n;
    steps++;
  }
  return `${rest}${suffixes[steps]}`;
}

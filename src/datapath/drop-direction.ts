import { createMetricCodecs, metricDirections } from "../abi/metrics.js";
import { ownReleases } from "../abi/release.js";
import type { BpfMap } from "../kernel/bpf-map.js";
import type { DropEvent } from "../model/datapath-port.js";
import type { DropRecord } from "../model/monitor.js";

const { key: keyCodec } = createMetricCodecs(ownReleases);
const directions = ["ingress", "egress"] as const;

/**
 * Which way a packet was dropped. The record has no field for it, but our programs write the receiver's endpoint when its
 * ingress side begins, and the sender's on the egress side alone. Before either is known, the count tells that was raised for
 * it (`cilium_metrics`), unless packets of both ways were dropped at that very place.
 */
export function directionOfDrop(
  record: Pick<DropRecord, "source" | "destinationEndpoint" | "reason" | "line" | "file">,
  metrics: Pick<BpfMap, "lookup">,
): DropEvent["direction"] {
  if (record.destinationEndpoint !== 0) return "ingress";
  if (record.source !== 0) return "egress";
  const { reason, line, file } = record;
  const [counted, other] = directions.filter((name) => {
    const direction = metricDirections.indexOf(name);
    return metrics.lookup(keyCodec.encode({ reason, line, file, direction })) !== undefined;
  });
  return counted !== undefined && other === undefined ? counted : "unknown";
}

import { createMetricCodecs } from "../../abi/metrics.js";
import { ownRelease } from "../../abi/release.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { MetricRow } from "../../model/rows.js";
import type { MapSlice } from "../map-scan.js";
import type { NodeContext } from "../node-context.js";
import { readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/** Packet counters, summed over CPUs. */
export function readMetrics(context: NodeContext, request: FilteredRequest, signal: AbortSignal): RowStream<MetricRow> {
  const codecs = createMetricCodecs(ownRelease);
  const matcher = new RowMatcher(request.filter);
  const source = {
    name: "cilium_metrics",
    decode: (slice: MapSlice, rows: MetricRow[]) => {
      if (slice.count === 0) return;
      const strideBytes = (slice.values.length / slice.keys.length) * codecs.key.sizeBytes;
      for (let i = 0; i < slice.count; i++) {
        const key = codecs.key.decode(slice.keys, i * codecs.key.sizeBytes);
        const row = codecs.row(key, codecs.sumPerCpu(slice.values, i * strideBytes, strideBytes), context.place.name);
        if (matcher.isEmpty || matcher.matches({ direction: row.direction })) rows.push(row);
      }
    },
  };
  return readMaps(context, [source], signal);
}

import { createMetricCodecs } from "../../abi/metrics.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { MetricRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const metricsMap = "cilium_metrics";

/** Packet counters, summed over CPUs. */
export function readMetrics(context: NodeContext, request: FilteredRequest, signal: AbortSignal): RowStream<MetricRow> {
  const codecs = createMetricCodecs(context.releasesOf(metricsMap));
  const matcher = new RowMatcher(request.filter);
  const source = entrySource(metricsMap, { key: codecs.key, value: { decode: codecs.sumPerCpu } }, (key, sum) => {
    const row = codecs.row(key, sum, context.place.name);
    return matcher.matches({ direction: row.direction }) ? row : undefined;
  });
  return readMaps(context, [source], signal);
}

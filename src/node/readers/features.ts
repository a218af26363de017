import { probeKernelFeatures } from "../../kernel/features.js";
import type { RowStream } from "../../model/readers.js";
import type { FeatureRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";

/** What the kernel can do, by trying. Leaves nothing behind. */
export async function* readFeatures(context: NodeContext): RowStream<FeatureRow> {
  const rows = probeKernelFeatures().map(
    (feature): FeatureRow => ({
      node: context.place.name,
      name: feature.name,
      isAvailable: feature.available,
      probed: feature.masked ? "switched off by CTS_DISABLE_FEATURES" : feature.probed,
      costWhenMissing: feature.costWhenMissing,
      since: feature.since,
    }),
  );
  yield rows;
  return { state: "complete", rowsRead: rows.length, restarts: 0, mapsRead: 0 };
}

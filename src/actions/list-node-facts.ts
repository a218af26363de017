import type { MountRow, TemplateLineRow, TemplateRow } from "../model/node-files.js";
import type { FeatureRow, MapFillRow, MetricRow } from "../model/rows.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, type RowList, sortedRows } from "./row-list.js";

interface ReadOptions {
  readonly signal: AbortSignal;
}

/** Packet counters by reason, direction and place in the source. */
export function listMetrics(
  target: Target,
  selection: { readonly directions?: readonly string[] | undefined; readonly isDropsOnly?: boolean | undefined },
  options: ReadOptions,
): RowList<MetricRow> {
  const directions = selection.directions?.length ? selection.directions : undefined;
  const list = readNodes(target, "metrics", { filter: { directions } }, options);
  const sorted = sortedRows(
    list,
    compareBy(
      (row) => row.node,
      (row) => row.reasonText,
      (row) => row.direction,
      (row) => row.file,
      (row) => row.line,
    ),
  );
  return selection.isDropsOnly === true ? keepDrops(sorted) : sorted;
}

function keepDrops(list: RowList<MetricRow>): RowList<MetricRow> {
  return {
    rows: (async function* () {
      for await (const batch of list.rows) yield [...batch].filter((row) => row.isDrop);
    })(),
    status: list.status,
  };
}

/** Every map pinned on the nodes, whatever its layout, with its fill level. */
export function listMaps(
  target: Target,
  selection: { readonly nameContains?: string | undefined; readonly countEntries: boolean },
  options: ReadOptions,
): RowList<MapFillRow> {
  return sortedRows(
    readNodes(target, "maps", { ...selection, isEverywhere: true }, options),
    compareBy(
      (row) => row.node,
      (row) => row.name,
    ),
  );
}

/** What the nodes' kernels can do, by trying. */
export function listFeatures(target: Target, options: ReadOptions): RowList<FeatureRow> {
  return readNodes(target, "features", {}, options);
}

/** The nodes' BPF file systems. */
export function listMounts(target: Target, options: ReadOptions): RowList<MountRow> {
  return readNodes(target, "mounts", {}, options);
}

/** The templates of upstream's agents, with the endpoints that use them. */
export function listTemplates(target: Target, options: ReadOptions): RowList<TemplateRow> {
  return readNodes(target, "templates", {}, options);
}

/** The header that a template was compiled with, line by line. */
export function readTemplateHeader(target: Target, sha: string, options: ReadOptions): RowList<TemplateLineRow> {
  return readNodes(target, "template-header", { sha }, options);
}

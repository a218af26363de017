import type { ListStatus, NodeListStatus } from "../model/list-status.js";

/** What is said on stderr after a list whose format does not carry its own status. */
export function statusLines(status: ListStatus, options: { readonly isVerbose?: boolean } = {}): readonly string[] {
  const answered = status.nodes.filter((node) => node.state !== "missing").length;
  const nodes = status.nodes.length > 1 ? ` from ${answered} of ${status.nodes.length} nodes` : "";
  const restarts = status.restarts > 0 ? `, ${status.restarts} restarts because the map changed` : "";
  const head =
    status.state === "complete"
      ? `complete: ${status.rowsRead} entries read${nodes}${restarts}`
      : `PARTIAL: ${status.rowsRead} entries read${nodes}${restarts}: ${status.reason ?? "cut short"}`;
  return [
    head,
    ...(status.notes ?? []).map((note) => `note: ${note}`),
    ...status.nodes.flatMap((node) => releaseLines(node, options.isVerbose === true)),
    ...(options.isVerbose === true ? status.nodes.flatMap(sliceLines) : []),
  ];
}

function sliceLines({ name, longestSliceMs }: NodeListStatus): readonly string[] {
  if (longestSliceMs === undefined) return [];
  return [`${name}: the longest system call of the reading held a CPU for ${longestSliceMs} ms`];
}

/** Said always where fields are unknown for it, else only to who wants to know how the release was decided. */
function releaseLines({ name, release }: NodeListStatus, isVerbose: boolean): readonly string[] {
  if (release === undefined) return [];
  const isUndecided = release.releases.length > 1;
  const unknown = isUndecided ? ": fields in which they differ are shown as unknown (--release decides)" : "";
  const mixed = release.isMixed ? ", in the middle of an upgrade" : "";
  const head = `${name}: read as release ${release.releases.join(" or ")}${mixed}${unknown}`;
  if (!isVerbose) return isUndecided ? [`note: ${head}`] : [];
  return [head, ...release.evidence.map((line) => `  ${line}`)];
}

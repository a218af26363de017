import type { ListStatus } from "../model/list-status.js";

/** What is said on stderr after a list whose format does not carry its own status. */
export function statusLines(status: ListStatus): readonly string[] {
  const answered = status.nodes.filter((node) => node.state !== "missing").length;
  const nodes = status.nodes.length > 1 ? ` from ${answered} of ${status.nodes.length} nodes` : "";
  const restarts = status.restarts > 0 ? `, ${status.restarts} restarts because the map changed` : "";
  const head =
    status.state === "complete"
      ? `complete: ${status.rowsRead} entries read${nodes}${restarts}`
      : `PARTIAL: ${status.rowsRead} entries read${nodes}${restarts}: ${status.reason ?? "cut short"}`;
  return [head, ...(status.notes ?? []).map((note) => `note: ${note}`)];
}

import type { ListStatus } from "../model/list-status.js";
import type { ListFormat } from "./list-format.js";
import type { OutputFormat } from "./output-format.js";
import { carriesStatus } from "./printer.js";
import { statusLines } from "./status-lines.js";

/** What is said on stderr after a list. */
export function listRemarks<Row>(
  format: ListFormat<Row>,
  output: OutputFormat,
  status: ListStatus,
  options: { readonly rowCount: number; readonly isVerbose: boolean; readonly isTerminal: boolean },
): readonly string[] {
  const { rowCount, isVerbose, isTerminal } = options;
  const emptyLines = rowCount === 0 ? emptyRemarks(format, output, status) : [];
  if (carriesStatus(output)) return emptyLines;
  const isUndecided = status.nodes.some((node) => (node.release?.releases.length ?? 1) > 1);
  const isWorthSaying =
    isVerbose ||
    isTerminal ||
    isUndecided ||
    status.state === "partial" ||
    (status.notes?.length ?? 0) > 0 ||
    (rowCount === 0 && isTable(output));
  return isWorthSaying ? [...emptyLines, ...statusLines(status, { isVerbose })] : emptyLines;
}

/** A table without rows must not leave open whether there was nothing to read or nothing that fits. */
function emptyRemarks<Row>(format: ListFormat<Row>, output: OutputFormat, status: ListStatus): readonly string[] {
  if (isTable(output)) return [status.rowsRead > 0 ? "no entry matches the filters" : "there are no entries"];
  const upstreamsWords = output.kind === "cilium" ? format.cilium?.whenEmpty : undefined;
  return upstreamsWords === undefined ? [] : [upstreamsWords];
}

function isTable({ kind }: OutputFormat): boolean {
  return kind === "table" || kind === "wide" || kind === "name";
}

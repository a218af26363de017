import type { SockRevNatRow } from "../model/rows.js";
import { namesFor, type ReadOptions } from "./names/names-for.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { mapRows, preparedRows, type RowList } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

/** What sockets dialled, by the backends that they were given. */
export async function listSocketReverseNat(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<SockRevNatRow>> {
  const names = await namesFor(target, selection, options);
  const list = readNodes(target, "socket-reverse-nat", { filter: resolveSelection(selection, names) }, options);
  if (!options.isNamed) return list;
  const learnt = preparedRows(list, (rows) =>
    target.learnServices([...rows].map(({ frontend: address, frontendPort: port }) => ({ address, port }))),
  );
  return mapRows(learnt, (row) => ({
    ...row,
    backendName: names.ofAddress(row.backend),
    // The map does not say the protocol.
    serviceName: names.ofFrontend(row.frontend, row.frontendPort, 0),
  }));
}

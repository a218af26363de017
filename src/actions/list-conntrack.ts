import { emptyNames } from "../model/names-document.js";
import type { CtRow } from "../model/rows.js";
import { NameIndex } from "./names/name-index.js";
import type { Target, TransportEnd } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { prepareRows, type RowList } from "./row-list.js";
import { needsNames, type RowSelection, resolveSelection } from "./row-selection.js";

/**
 * Conntrack entries of the target's nodes, with the names of both ends where `isNamed` asks for them: upstream's formats
 * show none, and then nobody is asked for names either, unless the selection speaks of them.
 */
export async function listConntrack(
  target: Target,
  selection: RowSelection,
  options: { readonly signal: AbortSignal; readonly isNamed: boolean },
): Promise<RowList<CtRow>> {
  const { signal, isNamed } = options;
  const names = isNamed || needsNames(selection) ? await target.names(selection) : new NameIndex(emptyNames);
  const list = readNodes(target, "conntrack", { filter: resolveSelection(selection, names) }, { signal });
  if (!isNamed) return list;
  return prepareRows(
    list,
    (rows) => target.learnServices(rows.map(destinationOf)),
    (row) => addNames(row, names),
  );
}

/** Nothing is sent from a Service's address, so sources need no Services. */
function destinationOf({ destination, destinationPort }: CtRow): TransportEnd {
  return { address: destination.text, port: destinationPort };
}

/**
 * Names go into the very rows that the session handed over, which nobody else holds: half a million copies would cost
 * more than reading the map.
 */
function addNames(row: { -readonly [Field in keyof CtRow]: CtRow[Field] }, names: NameIndex): CtRow {
  row.sourceName = names.ofAddress(row.source.text);
  row.destinationName = names.ofTransportAddress(row.destination.text, row.destinationPort, row.protocol);
  return row;
}

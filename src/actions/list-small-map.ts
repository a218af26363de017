import type { AddressName } from "../model/rows.js";
import type { SmallMap, SmallMapRow } from "../model/small-maps/small-map.js";
import type { NameIndex } from "./names/name-index.js";
import { namesFor, type ReadOptions } from "./names/names-for.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, mapRows, type RowList, sortedRows } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

export interface SmallMapSelection extends RowSelection {
  /** Of maps in maps: only those under these keys, by their text. */
  readonly outerKeys?: readonly string[] | undefined;
}

/**
 * The entries of a small map on the target's nodes, with the names that its declaration asks for where `isNamed` wants
 * them: upstream's formats show none.
 */
export async function listSmallMap<Row extends SmallMapRow>(
  target: Target,
  map: SmallMap<Row>,
  selection: SmallMapSelection,
  options: ReadOptions,
): Promise<RowList<Row>> {
  const { signal } = options;
  const isNamed = options.isNamed && nameFields(map).length > 0;
  const names = await namesFor(target, selection, { isNamed });
  const request = { map: map.name, filter: resolveSelection(selection, names), outerKeys: selection.outerKeys };
  // The reader goes by the same declaration, so its rows are of this type.
  const list = readNodes(target, "small-map", request, { signal }) as unknown as RowList<Row>;
  return inOrder(isNamed ? mapRows(list, nameAdder(map, names)) : list, map);
}

function nameFields<Row extends SmallMapRow>(map: SmallMap<Row>) {
  return Object.entries(map.fields).flatMap(([name, { addressOf }]) =>
    addressOf === undefined ? [] : [{ name, addressOf }],
  );
}

function nameAdder<Row extends SmallMapRow>(map: SmallMap<Row>, names: NameIndex): (row: Row) => Row {
  const fields = nameFields(map);
  return (row) => {
    const found: Record<string, AddressName> = {};
    for (const { name, addressOf } of fields) {
      const address = addressOf(row);
      const known = address === undefined ? undefined : names.ofAddress(address.text);
      if (known !== undefined) found[name] = known;
    }
    return { ...row, names: found };
  };
}

function inOrder<Row extends SmallMapRow>(list: RowList<Row>, { order }: SmallMap<Row>): RowList<Row> {
  if (order === undefined) return list;
  const compareNodes = compareBy<Row>((row) => row.node);
  return sortedRows(list, (a, b) => compareNodes(a, b) || compareKeys(order(a), order(b)));
}

type Keys = ReturnType<NonNullable<SmallMap<SmallMapRow>["order"]>>;

function compareKeys(a: Keys, b: Keys): number {
  return compareBy<Keys>(...a.map((_, index) => (keys: Keys) => keys[index]))(a, b);
}

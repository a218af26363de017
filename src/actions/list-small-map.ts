import type { AddressName } from "../model/rows.js";
import type { RowField, SmallMap, SmallMapRow } from "../model/small-maps/small-map.js";
import type { NameIndex } from "./names/name-index.js";
import { namesFor, type ReadOptions } from "./names/names-for.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, mapRows, preparedRows, type RowList, sortedRows } from "./row-list.js";
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
  return inOrder(isNamed ? nameRows(target, map, names, list) : list, map);
}

type NameField<Row> = Pick<RowField<Row>, "addressOf" | "frontendOf"> & { readonly name: string };

function nameFields<Row extends SmallMapRow>(map: SmallMap<Row>): readonly NameField<Row>[] {
  return Object.entries(map.fields).flatMap(([name, field]) => (field.type === "name" ? [{ ...field, name }] : []));
}

/** Services are asked for as rows need them: there may be tens of thousands. */
function nameRows<Row extends SmallMapRow>(
  target: Target,
  map: SmallMap<Row>,
  names: NameIndex,
  list: RowList<Row>,
): RowList<Row> {
  const frontendFields = nameFields(map).filter(({ frontendOf }) => frontendOf !== undefined);
  const add = nameAdder(map, names);
  if (frontendFields.length === 0) return mapRows(list, add);
  const frontendsOf = (row: Row) => frontendFields.flatMap(({ frontendOf }) => frontendOf?.(row) ?? []);
  const learnt = preparedRows(list, (rows) => target.learnServices([...rows].flatMap(frontendsOf)));
  return mapRows(learnt, add);
}

function nameAdder<Row extends SmallMapRow>(map: SmallMap<Row>, names: NameIndex): (row: Row) => Row {
  const fields = nameFields(map);
  return (row) => {
    let found: Record<string, AddressName> | undefined;
    for (const field of fields) {
      const known = nameOf(field, row, names);
      if (known === undefined) continue;
      found ??= {};
      found[field.name] = known;
    }
    // A copy of a row costs more than its reading.
    return found === undefined ? row : { ...row, names: found };
  };
}

function nameOf<Row>(field: NameField<Row>, row: Row, names: NameIndex): AddressName | undefined {
  const frontend = field.frontendOf?.(row);
  if (frontend !== undefined) return names.ofFrontend(frontend.address, frontend.port, 0);
  const address = field.addressOf?.(row);
  return address === undefined ? undefined : names.ofAddress(address);
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

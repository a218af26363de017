import { addressPort, IpAddress, IpPrefix } from "../../lib/ip.js";
import type { JsonObject, JsonValue } from "../../lib/json-value.js";
import { protocolName } from "../../model/protocol-names.js";
import type { AddressName } from "../../model/rows.js";
import { fieldValue, type RowField, type SmallMap, type SmallMapRow } from "../../model/small-maps/small-map.js";
import { upstreamFormat } from "../cilium/upstream-form.js";
import { type Column, definedFields, jsonCounter, type ListFormat, type SortKey } from "../list-format.js";
import { nameItem, nameText, nodeColumn } from "./cells.js";

/** How the list of a small map prints, by its declaration. */
export function smallMapList<Row extends SmallMapRow>(map: SmallMap<Row>): ListFormat<Row> {
  const fields = Object.entries(map.fields);
  return {
    kind: map.kind,
    columns: [nodeColumn, ...fields.flatMap(([name, field]) => columnOf(name, field) ?? [])],
    item: (row) => itemOf(fields, row),
    name: (row) => `${map.name}/${map.nameOf(row)}`,
    ...(map.upstream === undefined ? {} : { cilium: upstreamFormat(map.upstream) }),
  };
}

function columnOf<Row extends SmallMapRow>(name: string, field: RowField<Row>): Column<Row> | undefined {
  const { header, isWide, type } = field;
  if (header === undefined) return undefined;
  const read = (row: Row): Value => fieldValue(name, field, row);
  return {
    header,
    ...(isWide === true ? { isWide } : {}),
    ...(type === "counter" ? { align: "right" } : {}),
    value: (row) => field.text?.(row) ?? cellText(field, read(row), field.port?.(row)),
    sortKey: (row) => sortKeyOf(field, read(row)),
  };
}

type Value = ReturnType<typeof fieldValue>;

function cellText<Row>(field: RowField<Row>, value: Value, port?: number): string {
  if (field.type === "name") return nameText(value as AddressName | undefined);
  if (value === undefined || value === "") return "-";
  if (value instanceof IpAddress && port !== undefined) return addressPort(value, port);
  if (field.type === "protocol") return protocolName(Number(value));
  return typeof value === "boolean" ? yesOrNo(value) : String(value);
}

function sortKeyOf<Row>(field: RowField<Row>, value: Value): SortKey {
  return field.type !== "protocol" && (typeof value === "number" || typeof value === "bigint")
    ? value
    : cellText(field, value);
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}

function itemOf<Row extends SmallMapRow>(fields: readonly (readonly [string, RowField<Row>])[], row: Row): JsonObject {
  const item: Record<string, JsonValue | undefined> = { node: row.node };
  for (const [name, field] of fields) item[name] = jsonOf(field, fieldValue(name, field, row));
  return definedFields(item);
}

function jsonOf<Row>(field: RowField<Row>, value: Value): JsonValue | undefined {
  if (field.type === "protocol") return protocolName(Number(value));
  if (value instanceof IpAddress || value instanceof IpPrefix) return value.text;
  if (typeof value === "bigint") return jsonCounter(value);
  return typeof value === "object" ? nameItem(value) : value;
}

import type { JsonValue } from "../../lib/json-value.js";
import type { MapEntryRow } from "../../model/map-entries.js";
import { definedFields, type ListFormat, type SortKey } from "../list-format.js";
import { nodeColumn } from "./cells.js";

/** Characters of a cell; `-o wide` and `-o json` show all. */
const longestCell = 200;

/** `bpf map get` */
export const mapEntryList: ListFormat<MapEntryRow> = {
  kind: "MapEntryList",
  columns: [
    nodeColumn,
    {
      header: "KEY",
      value: (row) => cut(textOf(row.key, row.keyHex)),
      sortKey: (row) => sortKeyOf(row.key, row.keyHex),
    },
    {
      header: "VALUE",
      value: (row) => cut(textOf(row.value, row.valueHex)),
      sortKey: (row) => sortKeyOf(row.value, row.valueHex),
    },
    { header: "KEY-BYTES", isWide: true, value: (row) => pairs(row.keyHex) },
    { header: "VALUE-BYTES", isWide: true, value: (row) => hexText(row.valueHex) },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      map: row.map,
      mapId: row.mapId,
      key: row.key,
      value: row.value,
      keyHex: row.keyHex,
      valueHex: row.valueHex,
    }),
  name: (row) => `mapentry/${row.map}/${row.keyHex}`,
};

/** As `bpf map get` takes it for a key: JSON, or bytes in hex. */
function textOf(value: JsonValue | undefined, hex: string | readonly string[]): string {
  if (value === undefined) return hexText(hex);
  // Integers that a number cannot hold come as their digits.
  return typeof value === "string" && /^-?\d+$/.test(value) ? value : JSON.stringify(value);
}

/** Of per-CPU values one behind the other. */
function hexText(hex: string | readonly string[]): string {
  return typeof hex === "string" ? pairs(hex) : hex.map(pairs).join(" | ");
}

/** `0a 00 00 01` */
function pairs(hex: string): string {
  return hex.replace(/..(?=.)/g, "$& ");
}

function cut(text: string): string {
  return text.length <= longestCell ? text : `${text.slice(0, longestCell)}…`;
}

function sortKeyOf(value: JsonValue | undefined, hex: string | readonly string[]): SortKey {
  return typeof value === "number" ? value : textOf(value, hex);
}

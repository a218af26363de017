import type { MaglevBackend, MaglevRow } from "../../model/lb-rows.js";
import { mapDump } from "../cilium/map-dump.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { l4Item, l4Text, nameItem, nameText, nodeColumn } from "./cells.js";
import { serviceColumns, serviceFields } from "./load-balancing-lists.js";

/** `bpf lb maglev list` and `bpf lb maglev get` */
export const maglevList: ListFormat<MaglevRow> = {
  kind: "MaglevTableList",
  columns: [
    nodeColumn,
    ...serviceColumns,
    { header: "SLOTS", align: "right", value: (row) => String(row.table.length), sortKey: (row) => row.table.length },
    {
      header: "BACKENDS",
      align: "right",
      value: (row) => String(row.backends.length),
      sortKey: (row) => row.backends.length,
    },
    { header: "SHARES", value: sharesText },
    { header: "FAMILY", isWide: true, value: familyText },
    {
      header: "TO",
      isWide: true,
      value: (row) => row.backends.map((backend) => targetText(backend)).join(",") || "-",
    },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      family: familyText(row),
      ...serviceFields(row),
      slots: row.table.length,
      backends: row.backends.map(({ backendId, slots, backend, backendName }) =>
        definedFields({
          backendId,
          slots,
          backend: backend === undefined ? undefined : l4Item(backend),
          backendName: nameItem(backendName),
        }),
      ),
      table: [...row.table],
    }),
  name: (row) => `maglevtable/${row.revNatId}-v${row.family}`,
  cilium: mapDump({
    keyTitle: "SVC ID",
    valueTitle: "LOOKUP TABLE",
    key: (row) => `[${row.revNatId}]/v${row.family}`,
    value: (row) => `[${row.table.join(" ")}]`,
    isMissingEmpty: true,
  }),
};

function familyText({ family }: MaglevRow): string {
  return `IPv${family}`;
}

/** What part of the new connections goes to the backends: `33.3%`, or from the least to the most. */
function sharesText({ backends, table }: MaglevRow): string {
  if (backends.length === 0) return "-";
  const slots = backends.map((backend) => backend.slots);
  const texts = [Math.min(...slots), Math.max(...slots)].map((count) => percent(count, table.length));
  return [...new Set(texts)].join("-");
}

function percent(count: number, slots: number): string {
  return `${((100 * count) / slots).toFixed(1)}%`;
}

/** The backend's name, or else its address. */
function targetText({ backendId, backend, backendName }: MaglevBackend): string {
  if (backend === undefined) return `backend ${backendId} not found`;
  return backendName === undefined ? l4Text(backend) : nameText(backendName);
}

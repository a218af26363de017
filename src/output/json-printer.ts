import { PartialError } from "../lib/errors.js";
import type { JsonObject, JsonValue } from "../lib/json-value.js";
import type { ListStatus } from "../model/list-status.js";
import type { BatchPrinter } from "./batch-printer.js";
import { batchWriters } from "./batch-writers.js";
import type { JsonPath } from "./jsonpath.js";
import { evaluateTemplate } from "./jsonpath-evaluate.js";
import { definedFields, type ListFormat } from "./list-format.js";
import { defaultMaxRows } from "./row-order.js";
import { textPiece } from "./text-buffer.js";

/** Version of every JSON envelope. Fields may be added within a version; none is removed or changes its meaning. */
export const outputApiVersion = "cilium-ts.io/v1";

type StatusSource = () => ListStatus | Promise<ListStatus>;

/** The envelope, one item a line: it streams, and line tools can work on it. */
export function jsonPrinter<Row>(list: ListFormat<Row>, status: StatusSource): BatchPrinter<Row> {
  const writersOf = batchWriters(list);
  const first = textPiece("\n    ");
  const next = textPiece(",\n    ");
  let isFirst = true;
  return {
    begin: (out) => {
      const version = JSON.stringify(outputApiVersion);
      out.text(`{\n  "apiVersion": ${version},\n  "kind": ${JSON.stringify(list.kind)},\n  "items": [`);
    },
    batch: (rows, out) => {
      for (const { length, item } of writersOf(rows)) {
        for (let index = 0; index < length; index++) {
          out.piece(isFirst ? first : next);
          isFirst = false;
          item(index, out);
        }
      }
    },
    end: async (out) => {
      out.text(`${isFirst ? "]" : "\n  ]"},\n  "status": ${JSON.stringify(statusItem(await status()))}\n}\n`);
    },
  };
}

/** One item a line, then the status as a last line of kind `ListStatus`. */
export function jsonLinesPrinter<Row>(list: ListFormat<Row>, status: StatusSource): BatchPrinter<Row> {
  const writersOf = batchWriters(list);
  const newline = textPiece("\n");
  return {
    batch: (rows, out) => {
      for (const { length, item } of writersOf(rows)) {
        for (let index = 0; index < length; index++) {
          item(index, out);
          out.piece(newline);
        }
      }
    },
    end: async (out) => {
      const last = { apiVersion: outputApiVersion, kind: "ListStatus", ...statusItem(await status()) };
      out.text(`${JSON.stringify(last)}\n`);
    },
  };
}

/** The same envelope in YAML, item by item. */
export async function yamlPrinter<Row>(list: ListFormat<Row>, status: StatusSource): Promise<BatchPrinter<Row>> {
  const { stringify } = await import("yaml");
  let isFirst = true;
  return {
    begin: (out) => out.text(`apiVersion: ${outputApiVersion}\nkind: ${list.kind}\n`),
    batch: (rows, out) => {
      if (isFirst) out.text("items:\n");
      isFirst = false;
      out.text(stringify(rows.map((row) => list.item(row))));
    },
    end: async (out) => {
      if (isFirst) out.text("items: []\n");
      out.text(stringify({ status: statusItem(await status()) }));
    },
  };
}

/**
 * A jsonpath sees the whole envelope, so the list is held in memory.
 * Its batches throw PartialError `jsonpath-too-large` beyond `maxRows`.
 */
export function jsonPathPrinter<Row>(
  list: ListFormat<Row>,
  status: StatusSource,
  template: JsonPath,
  maxRows: number = defaultMaxRows,
): BatchPrinter<Row> {
  const items: JsonObject[] = [];
  return {
    batch: (rows) => {
      for (const row of rows) items.push(list.item(row));
      if (items.length > maxRows) throw tooLarge(maxRows);
    },
    end: async (out) => {
      const envelope = {
        apiVersion: outputApiVersion,
        kind: list.kind,
        items,
        status: statusItem(await status()),
      };
      out.text(evaluateTemplate(template, envelope));
    },
  };
}

function tooLarge(maxRows: number): PartialError {
  const message = `a jsonpath needs the whole list, which has more than ${maxRows} rows`;
  return new PartialError("jsonpath-too-large", message, {
    nextSteps: ["narrow the list with a filter or --limit", "use -o jsonl with a line tool", "raise --max-rows"],
  });
}

/** The status as JSON. */
export function statusItem(status: ListStatus): JsonObject {
  return definedFields({
    state: status.state,
    reason: status.reason,
    rowsRead: status.rowsRead,
    restarts: status.restarts,
    nodes: status.nodes.map((node) =>
      definedFields({
        name: node.name,
        state: node.state,
        reason: node.reason,
        rowsRead: node.rowsRead,
        restarts: node.restarts,
        longestSliceMs: node.longestSliceMs,
        release: node.release === undefined ? undefined : { ...node.release },
      }),
    ) as readonly JsonValue[],
    notes: status.notes,
  });
}

import { PartialError } from "../lib/errors.js";
import type { ListStatus } from "../model/list-status.js";
import type { JsonPath } from "./jsonpath.js";
import { evaluateTemplate } from "./jsonpath-evaluate.js";
import { definedFields, type JsonObject, type JsonValue, type ListFormat, type RowBatches } from "./list-format.js";
import { defaultMaxRows } from "./row-order.js";

/** Version of every JSON envelope. Fields may be added within a version; none is removed or changes its meaning. */
export const outputApiVersion = "cilium-ts.io/v1";

type StatusSource = () => ListStatus | Promise<ListStatus>;

/** The envelope, one item a line: it streams, and line tools can work on it. */
export async function* printJson<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  status: StatusSource,
): AsyncGenerator<string> {
  const toText = itemText(list);
  yield `{\n  "apiVersion": ${JSON.stringify(outputApiVersion)},\n  "kind": ${JSON.stringify(list.kind)},\n  "items": [`;
  let isFirst = true;
  for await (const batch of rows) {
    let text = "";
    for (const row of batch) {
      text += isFirst ? `\n    ${toText(row)}` : `,\n    ${toText(row)}`;
      isFirst = false;
    }
    yield text;
  }
  yield `${isFirst ? "]" : "\n  ]"},\n  "status": ${JSON.stringify(statusItem(await status()))}\n}\n`;
}

/** One item a line, then the status as a last line of kind `ListStatus`. */
export async function* printJsonLines<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  status: StatusSource,
): AsyncGenerator<string> {
  const toText = itemText(list);
  for await (const batch of rows) {
    let text = "";
    for (const row of batch) text += `${toText(row)}\n`;
    yield text;
  }
  const last = { apiVersion: outputApiVersion, kind: "ListStatus", ...statusItem(await status()) };
  yield `${JSON.stringify(last)}\n`;
}

/** The same envelope in YAML, item by item. */
export async function* printYaml<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  status: StatusSource,
): AsyncGenerator<string> {
  const { stringify } = await import("yaml");
  yield `apiVersion: ${outputApiVersion}\nkind: ${list.kind}\n`;
  let isFirst = true;
  for await (const batch of rows) {
    if (batch.length === 0) continue;
    yield (isFirst ? "items:\n" : "") + stringify(batch.map((row) => list.item(row)));
    isFirst = false;
  }
  yield `${isFirst ? "items: []\n" : ""}${stringify({ status: statusItem(await status()) })}`;
}

/**
 * A jsonpath sees the whole envelope, so the list is held in memory.
 * @throws PartialError `jsonpath-too-large` beyond `maxRows`
 */
export async function* printJsonPath<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  status: StatusSource,
  template: JsonPath,
  maxRows: number = defaultMaxRows,
): AsyncGenerator<string> {
  const items: JsonObject[] = [];
  for await (const batch of rows) {
    for (const row of batch) items.push(list.item(row));
    if (items.length > maxRows) {
      throw new PartialError(
        "jsonpath-too-large",
        `a jsonpath needs the whole list, which has more than ${maxRows} rows`,
        {
          nextSteps: ["narrow the list with a filter or --limit", "use -o jsonl with a line tool", "raise --max-rows"],
        },
      );
    }
  }
  yield evaluateTemplate(template, {
    apiVersion: outputApiVersion,
    kind: list.kind,
    items,
    status: statusItem(await status()),
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
      }),
    ) as readonly JsonValue[],
    notes: status.notes,
  });
}

function itemText<Row>(list: ListFormat<Row>): (row: Row) => string {
  return list.itemJson?.bind(list) ?? ((row) => JSON.stringify(list.item(row)));
}

import type { GoJsonValue } from "../../lib/json-value.js";
import type { SmallMapRow } from "../../model/small-maps/small-map.js";
import type {
  ArrayJson,
  LinesText,
  UpstreamForm,
  UpstreamJson,
  UpstreamText,
} from "../../model/small-maps/upstream-form.js";
import { type BatchPrinter, collectingPrinter } from "../batch-printer.js";
import { goJson } from "../go-json.js";
import type { CiliumContext, CiliumFormat } from "../list-format.js";
import { alignTabs } from "../tabwriter.js";
import { dumpJsonPrinter, dumpTextPrinter } from "./map-dump.js";
import { MapEnds } from "./map-ends.js";

/** Upstream's own output of a small map, as its declaration says it. */
export function upstreamFormat<Row extends SmallMapRow>(form: UpstreamForm<Row>): CiliumFormat<Row> {
  return {
    text: (context) => textPrinter(form.text, context),
    json: () => jsonOf(form.json),
    whenEmpty: form.whenEmpty,
    whenMissing: form.whenMissing,
  };
}

function textPrinter<Row extends SmallMapRow>(text: UpstreamText<Row>, context: CiliumContext): BatchPrinter<Row> {
  switch (text.kind) {
    case "dump":
      return dumpTextPrinter({ ...text, isEmptySilent: true });
    case "table":
      return collectingPrinter((rows) => {
        const options = { minWidth: text.minWidth ?? 5, padding: text.padding ?? 3 };
        return rows.length === 0 ? "" : alignTabs(text.lines(rows), options);
      });
    case "lines":
      return linesPrinter(text, context);
  }
}

function linesPrinter<Row extends SmallMapRow>(text: LinesText<Row>, context: CiliumContext): BatchPrinter<Row> {
  const ends = new MapEnds();
  return {
    batch: (rows, out) => {
      for (const row of rows) {
        if (text.mapOf !== undefined) out.text(ends.before(text.mapOf(row), row.node));
        const line = text.line(row);
        if (line !== undefined) out.text(`${line}\n`);
      }
    },
    end: async (out) => {
      if (text.mapOf !== undefined) out.text(ends.last((await context.status()).mapsRead));
    },
  };
}

function jsonOf<Row extends SmallMapRow>(json: UpstreamJson<Row>): BatchPrinter<Row> {
  if (json.kind === "object") return dumpJsonPrinter(json);
  if (json.isPerMap === true) {
    return collectingPrinter((rows) =>
      byPin(rows)
        .map((own) => `${goJson(json.items(own))}\n\n`)
        .join(""),
    );
  }
  return arrayPrinter(json);
}

/** An array as its items come. */
function arrayPrinter<Row>(json: ArrayJson<Row>): BatchPrinter<Row> {
  let isFirst = true;
  const separated = (item: GoJsonValue): string => {
    const start = isFirst ? "[\n  " : ",\n  ";
    isFirst = false;
    return `${start}${goJson(item, "  ")}`;
  };
  return {
    batch: (rows, out) => {
      for (const item of json.items([...rows])) out.text(separated(item));
    },
    end: (out) => out.text(isFirst ? `${json.empty ?? "[]"}\n\n` : "\n]\n\n"),
  };
}

function byPin<Row extends SmallMapRow>(rows: readonly Row[]): readonly (readonly Row[])[] {
  const pins = [...new Set(rows.map(({ pin }) => pin))];
  return pins.map((pin) => rows.filter((row) => row.pin === pin));
}

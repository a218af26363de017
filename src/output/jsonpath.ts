import { UsageError } from "../lib/errors.js";
import type { JsonValue } from "../lib/json-value.js";

/** One step of a path; each maps every value it is given to any number of values. */
export type PathStep =
  | { readonly kind: "field"; readonly names: readonly string[] }
  | { readonly kind: "index"; readonly indexes: readonly number[] }
  | { readonly kind: "slice"; readonly start?: number; readonly end?: number; readonly step: number }
  | { readonly kind: "wildcard" }
  | { readonly kind: "descend" }
  | { readonly kind: "filter"; readonly filter: Filter };

export type Operand = { readonly path: Path } | { readonly literal: JsonValue };

export interface Filter {
  readonly left: Operand;
  /** Absent: true when the left side exists. */
  readonly operator?: "==" | "!=" | "<" | "<=" | ">" | ">=";
  readonly right?: Operand;
}

export interface Path {
  /** `$` and a leading dot outside of a filter start at the whole list, `@` and paths in a range at the current value. */
  readonly from: "root" | "current";
  readonly steps: readonly PathStep[];
}

/** A template in kubectl's jsonpath: text, `{paths}`, `{range …}{end}`. */
export type JsonPath = readonly TemplateNode[];
export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "range"; readonly path: Path; readonly body: JsonPath };

export function jsonPathError(message: string, text: string, offset: number): UsageError {
  return new UsageError(
    "jsonpath-syntax",
    `jsonpath: ${message} at character ${offset + 1} of ${JSON.stringify(text)}`,
    {
      hint: 'like kubectl: {.items[*].node}, {.items[?(@.state=="new")].source}, {range .items[*]}{.node}{"\\n"}{end}',
      details: { offset },
    },
  );
}

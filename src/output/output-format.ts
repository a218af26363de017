import { UsageError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import type { JsonPath } from "./jsonpath.js";
import { parseJsonPath } from "./jsonpath-parse.js";

/** The words that `-o` takes; `jsonpath` is followed by `=TEMPLATE`. */
export const outputNames = [
  "table",
  "wide",
  "json",
  "yaml",
  "jsonl",
  "name",
  "jsonpath",
  "cilium",
  "cilium-json",
] as const;
export type OutputName = (typeof outputNames)[number];

export type OutputFormat =
  | { readonly kind: Exclude<OutputName, "jsonpath"> }
  | { readonly kind: "jsonpath"; readonly template: JsonPath };

/**
 * Reads the value of `-o`.
 * @throws UsageError `unknown-output` with the allowed names, `jsonpath-syntax` for a bad template
 */
export function parseOutput(text: string): OutputFormat {
  if (text === "jsonpath" || text.startsWith("jsonpath=")) {
    return { kind: "jsonpath", template: parseJsonPath(text.slice("jsonpath=".length)) };
  }
  const known = outputNames.find((name) => name === text);
  if (known === undefined || known === "jsonpath") {
    throw new UsageError("unknown-output", `"${text}" is no output format${didYouMean(text, outputNames)}`, {
      hint: `-o takes ${outputWords.join(", ")}`,
      details: { allowed: outputWords },
    });
  }
  return { kind: known };
}

/** Upstream's own formats: they print neither names nor nodes. */
export function isUpstreamFormat({ kind }: OutputFormat): boolean {
  return kind === "cilium" || kind === "cilium-json";
}

/** As shown in help and messages. */
export const outputWords: readonly string[] = outputNames.map((name) => (name === "jsonpath" ? "jsonpath=…" : name));

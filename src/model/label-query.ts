import { UsageError } from "../lib/errors.js";

/** One requirement of a label query. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: "in" | "not-in" | "exists" | "not-exists";
  readonly values: readonly string[];
}

/** All requirements must hold. */
export type LabelQuery = readonly LabelRequirement[];

const key = "[A-Za-z0-9](?:[\\w.\\-/]*[A-Za-z0-9])?";
const equality = new RegExp(`^(${key})\\s*(=|==|!=)\\s*([\\w.\\-]*)$`);
const membership = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const existence = new RegExp(`^(!?)\\s*(${key})$`);

/**
 * Parses what `-l` takes, in kubectl's syntax: `app=web,tier!=db,env in (a,b),!canary`.
 * @throws UsageError `selector-syntax`
 */
export function parseLabelQuery(text: string): LabelQuery {
  return splitOutsideParentheses(text).map((part) => parseRequirement(part.trim(), text));
}

function parseRequirement(part: string, whole: string): LabelRequirement {
  const equal = equality.exec(part);
  if (equal !== null) {
    return { key: equal[1]!, operator: equal[2] === "!=" ? "not-in" : "in", values: [equal[3]!] };
  }
  const member = membership.exec(part);
  if (member !== null) {
    const values = member[3]!.split(",").map((value) => value.trim());
    return { key: member[1]!, operator: member[2] === "in" ? "in" : "not-in", values };
  }
  const exists = existence.exec(part);
  if (exists !== null) {
    return { key: exists[2]!, operator: exists[1] === "!" ? "not-exists" : "exists", values: [] };
  }
  throw new UsageError("selector-syntax", `"${whole}" is no label selector: "${part}" is not understood`, {
    hint: "a selector looks like app=web,tier!=db,env in (a,b),!canary",
  });
}

/** As in Kubernetes, `!=` and `notin` also hold for objects that lack the label. */
export function matchesLabelQuery(query: LabelQuery, labels: Readonly<Record<string, string>>): boolean {
  return query.every((requirement) => meetsRequirement(requirement, labels[requirement.key]));
}

/** Whether a label's value is as required; undefined where there is no such label. */
export function meetsRequirement(
  { operator, values }: Pick<LabelRequirement, "operator" | "values">,
  value: string | undefined,
): boolean {
  switch (operator) {
    case "in":
      return value !== undefined && values.includes(value);
    case "not-in":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "not-exists":
      return value === undefined;
  }
}

function splitOutsideParentheses(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

import { type Fields, type PolicyReader, wordOf } from "./policy-reader.js";
import { createRequirement, type SelectorRequirement } from "./policy-selector.js";

const operators: Readonly<Record<string, SelectorRequirement["operator"]>> = {
  In: "in",
  NotIn: "not-in",
  Exists: "exists",
  DoesNotExist: "not-exists",
};

/** With an optional source: `k8s:app.kubernetes.io/name`. `$host` is short for `reserved:host`. */
const keySyntax = /^(?:[a-z0-9-]+:|\$)?[A-Za-z0-9](?:[\w./-]{0,315}[A-Za-z0-9])?$/;
const valueSyntax = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/;

/**
 * The requirements of a label selector; undefined, and reported, where anything in it is wrong: a selector without one of its
 * requirements would select more.
 * @param keyOf makes upstream's key of the one that is written there
 */
export function parseSelector(
  reader: PolicyReader,
  value: unknown,
  path: string,
  keyOf: (key: string) => string = (key) => key,
): readonly SelectorRequirement[] | undefined {
  const selector = reader.fields(value, path);
  if (selector === undefined) return undefined;
  const problems = reader.problems.length;
  reader.hasOnly(selector, path, ["matchLabels", "matchExpressions"]);
  const labels = Object.entries(reader.fields(selector.matchLabels, `${path}.matchLabels`) ?? {});
  const expressions = reader.list(selector.matchExpressions, `${path}.matchExpressions`) ?? [];
  const requirements = [
    ...labels.flatMap(([key, wanted]) => {
      const at = `${path}.matchLabels[${key}]`;
      const isFine = isKey(reader, key, at) && isValue(reader, wanted, at);
      return isFine ? [createRequirement(sourcedKey(keyOf(key)), "in", [wanted as string])] : [];
    }),
    ...reader.items(expressions, `${path}.matchExpressions`, (item, at) => {
      const expression = reader.fields(item, at);
      return expression && parseExpression(reader, expression, at, keyOf);
    }),
  ];
  return reader.problems.length === problems ? requirements : undefined;
}

function parseExpression(
  reader: PolicyReader,
  expression: Fields,
  path: string,
  keyOf: (key: string) => string,
): SelectorRequirement | undefined {
  reader.hasOnly(expression, path, ["key", "operator", "values"]);
  const key = expression.key;
  const name = wordOf(expression.operator);
  const operator = Object.hasOwn(operators, name) ? operators[name]! : undefined;
  if (operator === undefined) return reader.report(`${path}.operator`, "must be In, NotIn, Exists or DoesNotExist");
  if (typeof key !== "string" || !isKey(reader, key, `${path}.key`)) return reader.report(`${path}.key`, "is no key");
  const values = reader.list(expression.values, `${path}.values`) ?? [];
  const takesValues = operator === "in" || operator === "not-in";
  if (takesValues !== values.length > 0) {
    return reader.report(`${path}.values`, takesValues ? "must have a value" : `must be empty for ${name}`);
  }
  const texts = values.filter((value, index) => isValue(reader, value, `${path}.values[${index}]`)) as string[];
  return createRequirement(sourcedKey(keyOf(key)), operator, texts);
}

function isKey(reader: PolicyReader, key: string, path: string): boolean {
  if (keySyntax.test(key)) return true;
  reader.report(path, `"${key}" is no label key`);
  return false;
}

function isValue(reader: PolicyReader, value: unknown, path: string): boolean {
  if (typeof value === "string" && valueSyntax.test(value)) return true;
  reader.report(path, `${JSON.stringify(value)} is no label value`);
  return false;
}

function sourcedKey(key: string): string {
  return key.startsWith("$") ? `reserved:${key.slice(1)}` : key;
}

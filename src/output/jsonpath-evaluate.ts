import type { JsonValue } from "../lib/json-value.js";
import type { Filter, JsonPath, Operand, Path, PathStep } from "./jsonpath.js";

/** Fills a template in. Missing fields print nothing, several values are joined by a blank, as kubectl does. */
export function evaluateTemplate(template: JsonPath, root: JsonValue, current: JsonValue = root): string {
  let text = "";
  for (const node of template) {
    if (node.kind === "text") text += node.text;
    else if (node.kind === "path") text += evaluatePath(node.path, root, current).map(formatValue).join(" ");
    else for (const value of evaluatePath(node.path, root, current)) text += evaluateTemplate(node.body, root, value);
  }
  return text;
}

/** All values that the path leads to. */
export function evaluatePath(path: Path, root: JsonValue, current: JsonValue = root): readonly JsonValue[] {
  let values: readonly JsonValue[] = [path.from === "root" ? root : current];
  for (const step of path.steps) values = values.flatMap((value) => applyStep(step, value, root));
  return values;
}

function applyStep(step: PathStep, value: JsonValue, root: JsonValue): readonly JsonValue[] {
  switch (step.kind) {
    case "field":
      return step.names.flatMap((name) => {
        const found = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
        return found === undefined ? [] : [found];
      });
    case "index":
      return step.indexes.flatMap((index) => {
        const found = isArray(value) ? value.at(index) : undefined;
        return found === undefined ? [] : [found];
      });
    case "slice":
      return isArray(value) ? slice(value, step) : [];
    case "wildcard":
      return children(value);
    case "descend":
      return descend(value);
    case "filter":
      return children(value).filter((child) => matches(step.filter, child, root));
  }
}

function slice(
  values: readonly JsonValue[],
  bounds: { readonly start?: number; readonly end?: number; readonly step: number },
): readonly JsonValue[] {
  return values.slice(bounds.start, bounds.end).filter((_, index) => index % bounds.step === 0);
}

function descend(value: JsonValue): readonly JsonValue[] {
  return [value, ...children(value).flatMap(descend)];
}

function children(value: JsonValue): readonly JsonValue[] {
  if (isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function matches(filter: Filter, value: JsonValue, root: JsonValue): boolean {
  const left = operandValue(filter.left, value, root);
  if (filter.operator === undefined || filter.right === undefined) return left !== undefined;
  const right = operandValue(filter.right, value, root);
  if (left === undefined || right === undefined) return false;
  if (filter.operator === "==") return isSame(left, right);
  if (filter.operator === "!=") return !isSame(left, right);
  const order = compare(left, right);
  if (order === undefined) return false;
  if (filter.operator === "<") return order < 0;
  if (filter.operator === "<=") return order <= 0;
  return filter.operator === ">" ? order > 0 : order >= 0;
}

function operandValue(operand: Operand, value: JsonValue, root: JsonValue): JsonValue | undefined {
  return "literal" in operand ? operand.literal : evaluatePath(operand.path, root, value)[0];
}

function isSame(a: JsonValue, b: JsonValue): boolean {
  return a === b || formatValue(a) === formatValue(b);
}

function compare(a: JsonValue, b: JsonValue): number | undefined {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return undefined;
}

function formatValue(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isObject(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

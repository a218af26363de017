import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { nearestName } from "../../lib/nearest-name.js";
import type { ProblemCollector } from "./manifest-problem.js";
import type { ObjectSchema, Schema, TextSchema } from "./schema.js";

/** The object that is being checked, and where to report. */
export interface CheckContext {
  readonly document: Document;
  readonly collector: ProblemCollector;
  /** `Pod shop/web`. */
  readonly subject: string;
}

/**
 * Checks a place of the YAML tree and returns its value: fields that the schema knows, null as if absent (as the Kubernetes API
 * does). Reports every problem below the place; the value is only good when there was none.
 */
export function checkNode(schema: Schema, node: unknown, path: string, context: CheckContext): unknown {
  const target = isAlias(node) ? node.resolve(context.document) : (node as Node | null | undefined);
  switch (schema.kind) {
    case "object":
      return checkObject(schema, target, path, context);
    case "map":
      return checkMap(schema.of, target, path, context);
    case "list":
      return checkList(schema, target, path, context);
    case "ignored":
      return undefined;
    case "anything":
      return target?.toJS(context.document);
    default:
      return checkScalar(schema, target, path, context);
  }
}

interface Pair {
  readonly name: string;
  readonly key: Node;
  readonly value: unknown;
}

/** The pairs of a mapping whose value is not null, merge keys (`<<: *base`) followed; reports what is no mapping. */
function pairsOf(node: Node | null | undefined, path: string, context: CheckContext): readonly Pair[] {
  if (!isMap(node)) {
    mustBe(node, path, "a mapping", context);
    return [];
  }
  const own: Pair[] = [];
  const merged: Pair[] = [];
  for (const { key, value } of (node as YAMLMap<Node, Node | null>).items) {
    const name = isScalar(key) ? String(key.value) : String(key);
    const isNull = value === null || (isScalar(value) && value.value === null);
    if (name === "<<" && isAlias(value)) merged.push(...pairsOf(value.resolve(context.document), path, context));
    else if (!isNull) own.push({ name, key, value });
  }
  return [...own, ...merged.filter(({ name }) => !own.some((pair) => pair.name === name))];
}

function checkObject(
  schema: ObjectSchema,
  node: Node | null | undefined,
  path: string,
  context: CheckContext,
): unknown {
  const result: Record<string, unknown> = {};
  const { collector, subject } = context;
  for (const { name, key, value } of pairsOf(node, path, context)) {
    const fieldPath = join(path, name);
    const field = Object.hasOwn(schema.fields, name) ? schema.fields[name]! : undefined;
    if (field === undefined) {
      const nearest = nearestName(name, Object.keys(schema.fields));
      const guess = nearest === undefined ? "" : `: did you mean ${nearest}?`;
      collector.report(key, `unknown field ${fieldPath} in ${subject}${guess}`);
    } else if (field.kind === "ignored") {
      if (field.isNoted) collector.note(key, `${fieldPath} in ${subject} has no effect in a lab`);
    } else {
      result[name] = checkNode(field, value, fieldPath, context);
    }
  }
  const missing = isMap(node) ? schema.required.filter((name) => !Object.hasOwn(result, name)) : [];
  for (const name of missing) collector.report(node ?? undefined, `missing field ${join(path, name)} in ${subject}`);
  return result;
}

function checkMap(of: Schema, node: Node | null | undefined, path: string, context: CheckContext): unknown {
  const entries: [string, unknown][] = [];
  for (const { name, value } of pairsOf(node, path, context)) {
    entries.push([name, checkNode(of, value, `${path}[${JSON.stringify(name)}]`, context)]);
  }
  return Object.fromEntries(entries);
}

function checkList(
  schema: Extract<Schema, { readonly kind: "list" }>,
  node: Node | null | undefined,
  path: string,
  context: CheckContext,
): unknown {
  if (!isSeq(node)) return mustBe(node, path, "a list", context);
  if (node.items.length < schema.minItems) return mustBe(node, path, "a list that is not empty", context);
  return node.items.map((item, index) => checkNode(schema.of, item, `${path}[${index}]`, context));
}

type ScalarSchema = Exclude<Schema, { readonly kind: "object" | "map" | "list" | "ignored" | "anything" }>;

function checkScalar(
  schema: ScalarSchema,
  node: Node | null | undefined,
  path: string,
  context: CheckContext,
): unknown {
  const value: unknown = isScalar(node) ? node.value : undefined;
  switch (schema.kind) {
    case "boolean":
      return typeof value === "boolean" ? value : mustBe(node, path, "true or false", context);
    case "integer": {
      const isInside = Number.isInteger(value) && (value as number) >= schema.min && (value as number) <= schema.max;
      return isInside ? value : mustBe(node, path, `a whole number, ${schema.min}…${schema.max}`, context);
    }
    case "port": {
      const isNumber = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
      const isName = typeof value === "string" && /[a-z]/.test(value);
      return isNumber || isName ? value : mustBe(node, path, "a port number or the name of a port", context);
    }
    case "text":
      return checkText(schema, value, node, path, context);
  }
}

function checkText(
  schema: TextSchema,
  value: unknown,
  node: Node | null | undefined,
  path: string,
  context: CheckContext,
): unknown {
  if (typeof value === "number" || typeof value === "boolean")
    return mustBe(node, path, "text: put it in quotes", context);
  if (typeof value !== "string") return mustBe(node, path, "text", context);
  if (schema.words !== undefined && !schema.words.includes(value)) {
    const nearest = nearestName(value, schema.words);
    const guess = nearest === undefined ? "" : `: did you mean ${nearest}?`;
    return mustBe(node, path, `one of ${schema.words.join(", ")}`, context, guess);
  }
  if (schema.pattern !== undefined && !schema.pattern.test(value)) return mustBe(node, path, schema.form!, context);
  return value;
}

function mustBe(node: unknown, path: string, what: string, context: CheckContext, after = ""): undefined {
  const place = node as Node | null | undefined;
  const found = isScalar(place) ? `, not ${JSON.stringify(place.value)}` : "";
  context.collector.report(place ?? undefined, `${path} in ${context.subject} must be ${what}${found}${after}`);
  return undefined;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

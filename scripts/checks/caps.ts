/**
 * Checks the size caps that keep a file one idea: lines a file by kind, lines and nesting a function. Prints each breach
 * and ends with 1 if there is one.
 *
 *   tsx scripts/checks/caps.ts
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const root = join(import.meta.dirname, "../..");

interface Cap {
  readonly folder: string;
  readonly pattern: RegExp;
  readonly lines: number;
}

/** The first row that matches counts. */
const fileCaps: readonly Cap[] = [
  { folder: "src/commands", pattern: /\.ts$/, lines: 120 },
  { folder: "src", pattern: /^(?!.*generated).*\.tsx?$/, lines: 400 },
  { folder: "test", pattern: /\.tsx?$/, lines: 400 },
  { folder: "scripts", pattern: /\.ts$/, lines: 400 },
  { folder: "bpf", pattern: /\.bpf\.c$/, lines: 600 },
  { folder: "bpf", pattern: /\.h$/, lines: 400 },
  { folder: "native", pattern: /\.(cc|cpp|h|hpp)$/, lines: 300 },
  { folder: "native", pattern: /\.c$/, lines: 400 },
];
const maxFunctionLines = 60;
const maxNesting = 3;

function filesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => !/(^|\/)(build|node_modules)\//.test(name))
    .map((name) => join(folder, name));
}

function fileBreaches(): readonly string[] {
  const seen = new Set<string>();
  const breaches: string[] = [];
  for (const { folder, pattern, lines } of fileCaps) {
    for (const file of filesBelow(folder).filter((name) => pattern.test(name) && !seen.has(name))) {
      seen.add(file);
      const count = readFileSync(join(root, file), "utf8").split("\n").length - 1;
      if (count > lines) breaches.push(`${file}: ${count} lines, at most ${lines}`);
    }
  }
  return breaches;
}

function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && "body" in node && node.body !== undefined;
}

function opensBlock(node: ts.Node): boolean {
  if (ts.isIfStatement(node)) return !(ts.isIfStatement(node.parent) && node.parent.elseStatement === node);
  return ts.isIterationStatement(node, false) || ts.isSwitchStatement(node) || ts.isTryStatement(node);
}

/** Deepest nesting of statements in a function's own body; functions inside of it count for themselves. */
function nestingOf(node: ts.Node): number {
  let deepest = 0;
  ts.forEachChild(node, (child) => {
    if (isFunction(child)) return;
    deepest = Math.max(deepest, nestingOf(child) + (opensBlock(child) ? 1 : 0));
  });
  return deepest;
}

function functionBreaches(file: string): readonly string[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.ES2022, true);
  const breaches: string[] = [];
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    if (isFunction(node)) {
      const first = lineOf(node.getStart());
      const lines = lineOf(node.end) - first + 1;
      const nesting = nestingOf(node);
      if (lines > maxFunctionLines)
        breaches.push(`${file}:${first}: function of ${lines} lines, at most ${maxFunctionLines}`);
      if (nesting > maxNesting)
        breaches.push(`${file}:${first}: statements nest ${nesting} deep, at most ${maxNesting}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return breaches;
}

const breaches = [
  ...fileBreaches(),
  ...filesBelow("src")
    .filter((name) => /\.tsx?$/.test(name) && !name.includes("generated"))
    .flatMap(functionBreaches),
];
for (const breach of breaches) process.stdout.write(`${breach}\n`);
process.stdout.write(`caps: ${breaches.length} breaches\n`);
process.exitCode = breaches.length > 0 ? 1 : 0;

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { impureBuiltins, layers, packageHomes } from "../../scripts/checks/layers.js";

const src = join(import.meta.dirname, "../../src");

interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** `static` loads at once, `dynamic` on demand, `type` never. */
  readonly kind: "static" | "dynamic" | "type";
}

function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2022, true);
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, kind: Import["kind"]): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push({ file: relative(src, file), line, specifier: specifier.text, kind });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(
        node,
        node.moduleSpecifier,
        node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? "type" : "static",
      );
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly ? "type" : "static");
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], "dynamic");
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, "type");
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function layerOf(file: string): string {
  return file.split(sep)[0] ?? "";
}

/** Why the import is against the rules, or undefined. */
function violation(item: Import): string | undefined {
  const from = layerOf(item.file);
  const own = layers[from];
  if (own === undefined) return `src/${from} is not in the layer table`;
  if (!item.specifier.startsWith(".")) {
    if (item.kind === "type") return undefined;
    const homes = packageHomes[item.specifier];
    if (homes !== undefined && !homes.includes(from)) return `only ${homes.join(", ")} may load it`;
    const impure = own.pure && (impureBuiltins as readonly string[]).includes(item.specifier);
    return impure ? `${from} is pure` : undefined;
  }
  const to = layerOf(relative(src, join(src, dirname(item.file), item.specifier)));
  if (to === from || to === "lib" || own.imports.includes(to)) return undefined;
  if (!own.dynamic.includes(to)) return `${from} may not import ${to}`;
  return item.kind === "static" ? `${from} may load ${to} by import() only` : undefined;
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name) && !name.includes("generated"))
  .map((name) => join(src, name));

describe("layers of src/", () => {
  it("are imported one way only, as the table says", () => {
    const violations = files
      .flatMap(importsOf)
      .map((item) => ({ item, why: violation(item) }))
      .filter(({ why }) => why !== undefined)
      .map(({ item, why }) => `${item.file}:${item.line} imports "${item.specifier}": ${why}`);
    expect(violations).toEqual([]);
  });

  it("sees a static import of a layer that may only be loaded on demand", () => {
    const item: Import = { file: "commands/x.ts", line: 1, specifier: "../agent/agent.js", kind: "static" };
    expect(violation(item)).toContain("import() only");
    expect(violation({ ...item, kind: "dynamic" })).toBeUndefined();
  });

  it("sees an import against the direction, of a built-in in a pure layer, and of a package away from its home", () => {
    expect(violation({ file: "model/x.ts", line: 1, specifier: "../kernel/map.js", kind: "type" })).toBeDefined();
    expect(violation({ file: "model/x.ts", line: 1, specifier: "node:fs", kind: "static" })).toBe("model is pure");
    expect(violation({ file: "abi/x.ts", line: 1, specifier: "#oclif", kind: "static" })).toContain("commands");
  });

  it("gives every folder a place in the table and every table row a folder", () => {
    const folders = readdirSync(src, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
    expect(folders).toEqual(Object.keys(layers).sort());
  });

  it("name no layer that does not exist", () => {
    const named = Object.values(layers).flatMap((layer) => [...layer.imports, ...layer.dynamic]);
    expect(named.filter((name) => layers[name] === undefined)).toEqual([]);
  });
});

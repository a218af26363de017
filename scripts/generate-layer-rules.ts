/**
 * Writes the layer table (`scripts/checks/layers.ts`) into biome.json as one `noRestrictedImports` override a folder.
 *
 *   tsx scripts/generate-layer-rules.ts [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { forbiddenLayers, impureBuiltins, layers, packageHomes } from "./checks/layers.js";

interface Override {
  readonly includes: readonly string[];
  readonly linter?: { readonly rules: { readonly style?: Readonly<Record<string, unknown>> } };
}

function layerOverride(name: string): Override {
  const own = layers[name];
  if (own === undefined) throw new Error(`no such layer: ${name}`);
  const packages = Object.entries(packageHomes).filter(([, homes]) => !homes.includes(name));
  const paths = Object.fromEntries([
    ...packages.map(([pkg, homes]) => [
      pkg,
      homes.length > 0 ? `only ${homes.join(", ")} may load ${pkg}` : `nothing may load ${pkg}`,
    ]),
    ...(own.pure ? impureBuiltins.map((builtin) => [builtin, `src/${name} is pure: it computes, others act`]) : []),
  ]);
  const mayImport = [...own.imports, "lib"].join(", ");
  const patterns = [
    {
      group: forbiddenLayers(name).map((other) => `**/${other}/**`),
      message: `src/${name} may import only: ${mayImport} (docs/architecture.md)`,
    },
  ];
  const noRestrictedImports = { level: "error", options: { paths, patterns } };
  return { includes: [`src/${name}/**`], linter: { rules: { style: { noRestrictedImports } } } };
}

function isLayerOverride(override: Override): boolean {
  return override.linter?.rules.style?.noRestrictedImports !== undefined;
}

const path = new URL("../biome.json", import.meta.url);
const before = readFileSync(path, "utf8");
const config = JSON.parse(before) as { overrides: Override[] };
const wanted = Object.keys(layers).map(layerOverride);
const present = config.overrides.filter(isLayerOverride);

if (process.argv.includes("--check")) {
  if (JSON.stringify(present) !== JSON.stringify(wanted)) {
    process.stderr.write("biome.json does not hold the layer table: run tsx scripts/generate-layer-rules.ts\n");
    process.exitCode = 1;
  }
} else {
  config.overrides = [...config.overrides.filter((override) => !isLayerOverride(override)), ...wanted];
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`);
}

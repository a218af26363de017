import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

// oclif in one file, with the licences of the packages in it. As npm installs it, it is 160 files, and finding and reading
// these took longer than Node's own start (docs/adr/0001-one-package-and-its-pins.md).

const root = join(import.meta.dirname, "..");

/** What commands and `bin/` use of it. */
const exported = ["Args", "Command", "Errors", "Flags", "execute", "loadHelpClass"];

/** Packages that the bundle holds files of, as paths below node_modules/. */
function packagesOf(inputs: Iterable<string>): readonly string[] {
  const names = [...inputs].map(
    (path) => /^(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  );
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e(\.|$|-)/i.test(entry));
  const text = file === undefined ? "" : `\n${readFileSync(join(root, folder, file), "utf8").trim()}\n`;
  return `${name} ${version}: ${license}\n${text}`;
}

const { metafile } = await build({
  absWorkingDir: root,
  stdin: { contents: `export { ${exported.join(", ")} } from "@oclif/core";`, resolveDir: root },
  // Not CommonJS: before Node imports such a file by name it reads all of it to find the names.
  format: "esm",
  banner: {
    js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url), __dirname = import.meta.dirname;',
  },
  outfile: "vendor/oclif.js",
  bundle: true,
  platform: "node",
  target: "node20",
  // What it loads of a developer's project: none of it is in the package.
  external: ["typescript", "pnpapi", "ts-node"],
  metafile: true,
  logLevel: "warning",
});
const texts = packagesOf(Object.keys(metafile.inputs)).map(licenceOf);
writeFileSync(join(root, "vendor/LICENSES"), texts.join(`\n${"-".repeat(80)}\n\n`));

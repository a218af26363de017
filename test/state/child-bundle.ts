import { join } from "node:path";
import { build } from "vite";

/** Bundles a TypeScript program into one plain file, so that a child process starts in the time of Node itself. */
export async function bundleProgram(entry: string, outDir: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: "error",
    ssr: { noExternal: true },
    build: {
      ssr: entry,
      outDir,
      target: "node20",
      minify: false,
      rollupOptions: { output: { entryFileNames: "program.mjs", format: "es" } },
    },
  });
  return join(outDir, "program.mjs");
}

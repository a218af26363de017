import { readFileSync } from "node:fs";

const lines = readFileSync(new URL("../fixtures/gob/gob.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n");
const samples = new Map(
  lines.map((line): [string, Buffer] => {
    const { name, hex } = JSON.parse(line) as { readonly name: string; readonly hex: string };
    return [name, Buffer.from(hex, "hex")];
  }),
);

/** What Go's own encoder wrote, by the names that test/fixtures/gob/main.go gives. */
export function gobSample(name: string): Buffer {
  const bytes = samples.get(name);
  if (bytes === undefined) throw new Error(`there is no gob sample "${name}"`);
  return bytes;
}

export const gobSampleNames: readonly string[] = [...samples.keys()];

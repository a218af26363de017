import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { KnownMapType } from "../../src/kernel/map-type.js";

/** Reads `test/fixtures/cilium-1.20/<path>`. */
export function readCapture(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../fixtures/cilium-1.20/${path}`, import.meta.url)), "utf8");
}

export interface CapturedMap {
  readonly type: KnownMapType;
  readonly flags: number;
  readonly maxEntries: number;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly entries: readonly { readonly key: Buffer; readonly value: Buffer }[];
}

/** Reads `maps/<name>.jsonl`. Values of per-CPU maps come one behind the other, as the kernel gives them. */
export function readCapturedMap(name: string): CapturedMap {
  const [shape, ...rows] = readCapture(`maps/${name}.jsonl`)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return {
    type: shape.map.type,
    flags: shape.map.flags,
    maxEntries: shape.map.max_entries,
    keySizeBytes: shape.map.bytes_key,
    valueSizeBytes: shape.map.bytes_value,
    entries: rows.map((row) => ({
      key: Buffer.from(row.k, "hex"),
      value: Buffer.from([row.v].flat().join(""), "hex"),
    })),
  };
}

export async function* inBatches<Row>(rows: readonly Row[], size = 16): AsyncGenerator<readonly Row[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
}

export async function joinText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}

/** Entries of both lists that the other one has too, for maps that changed between the two reads. */
export function countCommon(ours: readonly string[], theirs: readonly string[]): number {
  const left = new Map<string, number>();
  for (const text of theirs) left.set(text, (left.get(text) ?? 0) + 1);
  let common = 0;
  for (const text of ours) {
    const count = left.get(text) ?? 0;
    if (count > 0) {
      left.set(text, count - 1);
      common++;
    }
  }
  return common;
}

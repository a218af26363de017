import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Release } from "../../src/abi/release.js";
import type { KnownMapType } from "../../src/kernel/map-type.js";

/** Reads `test/fixtures/cilium-<release>/<path>`; of 1.20 that is a real node. */
export function readCapture(path: string, release: Release = "1.20"): string {
  return readFileSync(captureUrl(path, release), "utf8");
}

/** Names of the release's maps there. */
export function capturedMapNames(release: Release): readonly string[] {
  return readdirSync(captureUrl("maps", release)).map((file) => file.replace(".jsonl", ""));
}

export function captureExists(path: string, release: Release): boolean {
  return existsSync(captureUrl(path, release));
}

function captureUrl(path: string, release: Release): string {
  return fileURLToPath(new URL(`../fixtures/cilium-${release}/${path}`, import.meta.url));
}

export interface CapturedMap {
  readonly type: KnownMapType;
  readonly flags: number;
  readonly maxEntries: number;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly entries: readonly CapturedEntry[];
  /** Of a map of maps, by their ids; some captures lack those of some entries. */
  readonly innerMaps: ReadonlyMap<number, CapturedMap>;
}

export interface CapturedEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly innerId?: number;
}

/** Reads `maps/<name>.jsonl`. Values of per-CPU maps come one behind the other, as the kernel gives them. */
export function readCapturedMap(name: string, release: Release = "1.20"): CapturedMap {
  const lines = readCapture(`maps/${name}.jsonl`, release)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const starts = lines.flatMap((line, index) => (line.inner_map === undefined ? [] : [index]));
  const sections = [0, ...starts].map((start, index) => lines.slice(start, starts[index]));
  const [outer, ...inner] = sections.map(([head, ...rows]) => toMap(head.map ?? head.inner_map, rows));
  return { ...outer!, innerMaps: new Map(inner.map((map, index) => [lines[starts[index]!].inner_map_id, map])) };
}

function toMap(
  shape: Readonly<Record<string, never>>,
  rows: readonly { readonly k: string; readonly v: string | readonly string[]; readonly inner_map_id?: number }[],
): CapturedMap {
  return {
    type: shape.type!,
    flags: shape.flags!,
    maxEntries: shape.max_entries!,
    keySizeBytes: shape.bytes_key!,
    valueSizeBytes: shape.bytes_value!,
    entries: rows.map((row) => ({
      key: Buffer.from(row.k, "hex"),
      value: capturedValue(row.v),
      ...(row.inner_map_id === undefined ? {} : { innerId: row.inner_map_id }),
    })),
    innerMaps: new Map(),
  };
}

/** Of per-CPU maps the kernel hands over each CPU's value rounded up to 8 bytes. */
function capturedValue(hex: string | readonly string[]): Buffer {
  if (typeof hex === "string") return Buffer.from(hex, "hex");
  return Buffer.concat(
    hex.map((text) => {
      const value = Buffer.from(text, "hex");
      return Buffer.concat([value, Buffer.alloc(-value.length & 7)]);
    }),
  );
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

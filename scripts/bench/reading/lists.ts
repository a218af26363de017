import { statSync } from "node:fs";
import { join } from "node:path";
import { costOf, countLines, type ProcessCost } from "./process-cost.js";
import type { ListCost } from "./results.js";

/** A command that is measured again and again. */
export interface ListCase {
  /** What the map holds that it reads. */
  readonly map: string;
  readonly what: string;
  readonly command: readonly string[];
  /** What stands once in every entry's text; then the first run is held against the number of entries. */
  readonly mark?: string | undefined;
  readonly entries?: number | undefined;
  /** Output into a pipe, for the time of the first byte. */
  readonly isPiped?: boolean | undefined;
}

export interface CaseSettings {
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** Where outputs go. */
  readonly folder: string;
}

/** What stands once in every entry's text. */
export const entryMarks = {
  cilium: " expires=",
  "cilium-json": '"SourceAddr"',
  table: " TCP ",
  json: '"map":"tcp4"',
} as const;
export type EntryFormat = keyof typeof entryMarks;
export const entryFormats = Object.keys(entryMarks) as readonly EntryFormat[];

/** Measures every case once a round, in an order that moves on each round. @throws Error when a list lacks entries */
export async function measureCases(cases: readonly ListCase[], settings: CaseSettings): Promise<readonly ListCost[]> {
  const path = join(settings.folder, "output");
  const runs = cases.map((): ProcessCost[] => []);
  const bytes = cases.map(() => 0);
  for (let round = 0; round < settings.rounds; round++) {
    for (let step = 0; step < cases.length; step++) {
      settings.signal.throwIfAborted();
      const index = (round + step) % cases.length;
      const one = cases[index] as ListCase;
      runs[index]?.push(await costOf(one.command, one.isPiped === true ? undefined : path));
      if (round > 0 || one.isPiped === true) continue;
      bytes[index] = statSync(path).size;
      await checkEntries(one, path);
    }
  }
  return cases.map(({ map, what }, index) => ({ map, what, runs: runs[index] ?? [], outputBytes: bytes[index] }));
}

async function checkEntries({ what, mark, entries }: ListCase, path: string): Promise<void> {
  if (mark === undefined || entries === undefined) return;
  const shown = await countLines(path, mark);
  if (shown < entries) throw new Error(`${what} shows ${shown} of ${entries} entries`);
}

import { join } from "node:path";
import { run } from "../shell.js";
import { type EntryFormat, entryFormats } from "./lists.js";
import type { ListCost, ProfileColumn, StepCost } from "./results.js";

const steps = join(import.meta.dirname, "steps.ts");

/** Runs one part of a list in a process of its own. */
export async function runStep(...args: readonly string[]): Promise<StepCost> {
  const { stdout } = await run(process.execPath, ["--import", "tsx", steps, ...args], { timeoutMs: 300_000 });
  return JSON.parse(stdout) as StepCost;
}

export interface ProfileSource {
  readonly lab: string;
  readonly node: string;
  /** Its map has no entries: what a list of it costs is start-up. */
  readonly emptyNode: string;
  readonly pinPath: string;
  readonly outputPath: string;
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** Whole processes: of an empty map, and one of each format. */
  readonly emptyList: ListCost;
  readonly listOf: (format: EntryFormat) => ListCost;
}

/**
 * Takes a list apart: each step is the one before and one part more, in a process of its own; what it takes longer is
 * that part. Writing is a step by itself: as many bytes as the list printed. The least of several rounds: whatever disturbs
 * can only add.
 */
export async function profileLists(source: ProfileSource): Promise<readonly ProfileColumn[]> {
  const { lab, node, pinPath, outputPath } = source;
  const commands: Readonly<Record<string, readonly string[]>> = {
    scan: ["scan", pinPath],
    empty: ["decode", lab, source.emptyNode],
    decode: ["decode", lab, node],
    name: ["name", lab, node],
    ...Object.fromEntries(entryFormats.map((format) => [format, ["print", lab, node, format]])),
  };
  const costs: Record<string, StepCost[]> = {};
  const measure = async (name: string, args: readonly string[]): Promise<StepCost> => {
    source.signal.throwIfAborted();
    const cost = await runStep(...args);
    costs[name] = [...(costs[name] ?? []), cost];
    return cost;
  };
  for (let round = 0; round < source.rounds; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const { bytes } = await measure(name, args);
      if (bytes !== undefined) await measure(written(name), ["write", outputPath, String(bytes)]);
    }
  }
  const least = (name: string, pick: (cost: StepCost) => number): number => Math.min(...(costs[name] ?? []).map(pick));
  return entryFormats.map((format) => columnOf(format, source, least));
}

function leastCpu({ runs }: ListCost): number {
  return Math.min(...runs.map(({ cpuSeconds }) => cpuSeconds));
}

/** The step that writes what the format's own step throws away. */
function written(format: string): string {
  return `${format}, written`;
}

function columnOf(
  format: EntryFormat,
  { emptyList, listOf }: ProfileSource,
  least: (step: string, pick: (cost: StepCost) => number) => number,
): ProfileColumn {
  const cpu = (step: string): number => least(step, ({ cpuSeconds }) => cpuSeconds);
  const isNamed = !format.startsWith("cilium");
  const kernel = least("scan", ({ slices }) => (slices?.sumMs ?? 0) / 1_000);
  return {
    output: format,
    entries: least(format, ({ entries }) => entries),
    parts: {
      startUp: leastCpu(emptyList),
      kernel,
      handing: cpu("scan") - kernel,
      decoding: cpu("decode") - cpu("empty") - cpu("scan"),
      naming: isNamed ? cpu("name") - cpu("decode") : 0,
      formatting: cpu(format) - cpu(isNamed ? "name" : "decode"),
      writing: cpu(written(format)),
    },
    processCpuSeconds: leastCpu(listOf(format)),
  };
}

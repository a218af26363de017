/**
 * Writes what the verifier now thinks of every program into `test/bpf/verifier-counts.json`, which the bpf suite compares
 * with, and prints what changed.
 *
 *   tsx scripts/record-verifier-counts.ts             on this kernel; root
 *   tsx scripts/record-verifier-counts.ts --emulated  on the emulated one
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  configurations,
  countConfiguration,
  kernelName,
  readRecordedCounts,
  type VerifierCounts,
} from "../test/bpf/verifier-counts.js";
import { countEmulated } from "./tests/emulated-kernel.js";

async function count(): Promise<readonly [string, VerifierCounts]> {
  if (process.argv.includes("--emulated")) return countEmulated();
  return [kernelName, Object.fromEntries(Object.keys(configurations).map((name) => [name, countConfiguration(name)]))];
}

const recorded = readRecordedCounts();
const [kernel, counts] = await count();
for (const [configuration, programs] of Object.entries(counts)) {
  for (const [program, now] of Object.entries(programs)) {
    const before = recorded[kernel]?.[configuration]?.[program];
    if (before !== now) process.stdout.write(`${kernel}, ${configuration}, ${program}: ${before ?? "new"} → ${now}\n`);
  }
}
const text = JSON.stringify({ ...recorded, [kernel]: counts }, undefined, 2);
writeFileSync(join(import.meta.dirname, "../test/bpf/verifier-counts.json"), `${text}\n`);

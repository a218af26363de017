import { spawn } from "node:child_process";
import { join } from "node:path";
import type { SuiteOutcome } from "./run-suite.js";

/** A test that is no suite: a script of its own, which a long run counts as one test of the suite that it belongs to. */
export interface LongScript {
  readonly label: string;
  readonly suite: string;
  /** In scripts/. Ends with 0 when all is well, with {@link prerequisiteMissing} when it cannot run here. */
  readonly file: string;
}

export const longScripts: readonly LongScript[] = [
  { label: "native, sanitized", suite: "native", file: "test-native-sanitized.sh" },
  { label: "native, in valgrind", suite: "native", file: "test-native-valgrind.sh" },
  { label: "addon for arm64", suite: "native", file: "build-native-arm64.sh" },
];

/** The exit code of a script that lacks a tool; the last line on its stderr then says which. */
const prerequisiteMissing = 2;

/** Runs a script to its end, its output as it comes. */
export async function runLongScript({ label, file }: LongScript): Promise<SuiteOutcome> {
  const child = spawn(join(import.meta.dirname, "..", file), [], { stdio: ["ignore", "inherit", "pipe"] });
  let lastLine = "";
  child.stderr.on("data", (chunk: Buffer) => {
    process.stderr.write(chunk);
    lastLine = chunk.toString().trimEnd().split("\n").at(-1) ?? lastLine;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const outcome = { label, passed: 0, failed: 0, failures: [], skipped: [], problems: [] };
  if (code === 0) return { ...outcome, passed: 1 };
  if (code === prerequisiteMissing) return { ...outcome, skipped: [{ name: label, reason: lastLine }] };
  return { ...outcome, failed: 1, problems: [`${label}: scripts/${file} ended with ${code}: ${lastLine}`] };
}

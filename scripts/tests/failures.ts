import { stripVTControlCharacters } from "node:util";
import type { FailedTest } from "./reporter.js";

/** Lines of the end of a run that its failures may take: whoever sees only the end still sees each of them. */
const linesForAll = 90;
const linesForOne = { most: 15, least: 2 } as const;

/** A failed test and the run of its suite: a suite may run on two runtimes. */
export interface SuiteFailure extends FailedTest {
  readonly suite: string;
}

/** The first lines of a message, without colours and empty lines. */
export function shorten(message: string, lineCount: number = linesForOne.most): readonly string[] {
  const lines = stripVTControlCharacters(message)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
  const rest = lines.length - lineCount;
  return rest > 0 ? [...lines.slice(0, lineCount), `… ${rest} more lines`] : lines;
}

/** Each failed test again, in plain lines: suite, file, name, and how its error begins. */
export function describeFailures(failures: readonly SuiteFailure[]): readonly string[] {
  const share = Math.floor(linesForAll / Math.max(1, failures.length));
  const lineCount = Math.min(linesForOne.most, Math.max(linesForOne.least, share));
  return failures.flatMap(({ suite, place, name, message }) => [
    `  failed: ${suite}: ${place} > ${name}`,
    ...shorten(message, lineCount).map((line) => `    ${line}`),
  ]);
}

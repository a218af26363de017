/**
 * Runs the suites, one vitest process each so that a crash of the addon takes one suite only, and sums them up in one
 * plain last line: `tests: N passed, N failed, N skipped`.
 *
 *   tsx scripts/run-tests.ts [--long] [--also-on NODE_BINARY]… [SUITE…]
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type EmulatedRun, runEmulated, smokeRun } from "./tests/emulated-kernel.js";
import { describeFailures, shorten } from "./tests/failures.js";
import { longScripts, runLongScript } from "./tests/long-scripts.js";
import { runSuite, type SuiteOutcome } from "./tests/run-suite.js";
import {
  fallbackSuites,
  featuresWithFallback,
  leftToLong,
  longPropertyRuns,
  neverRun,
  type Suite,
  suites,
} from "./tests/suites.js";

const root = join(import.meta.dirname, "..");

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function hasTests({ name }: Suite): boolean {
  const folder = join(root, "test", name);
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  return files.some((file) => file.endsWith(".test.ts"));
}

interface Run {
  readonly suite: Suite;
  readonly node: string;
  readonly label: string;
  readonly seed?: number;
  /** A kernel feature that the run does without. */
  readonly without?: string;
}

/** The property suite again with other samples. */
function planLongRuns(chosen: readonly Suite[]): readonly Run[] {
  const property = chosen.filter(({ name }) => name === "property");
  return property.flatMap((suite) =>
    Array.from({ length: longPropertyRuns }, () => {
      const seed = randomInt(2 ** 31);
      return { suite, node: process.execPath, label: `property, seed ${seed}`, seed };
    }),
  );
}

/** Suites that load programs once more without each feature that has a fallback. */
function planFallbackRuns(chosen: readonly Suite[], long: boolean): readonly Run[] {
  const names = fallbackSuites[long ? "long" : "normal"];
  return chosen
    .filter(({ name }) => names.includes(name))
    .flatMap((suite) =>
      featuresWithFallback.map((without) => {
        return { suite, node: process.execPath, label: `${suite.name} without ${without}`, without };
      }),
    );
}

/** Each suite on this runtime, then those that compute or load the addon on the other ones. */
function planRuns(
  chosen: readonly Suite[],
  options: { readonly otherNodes: readonly string[]; readonly long: boolean },
): readonly Run[] {
  const { otherNodes, long } = options;
  const here = chosen.map((suite) => ({ suite, node: process.execPath, label: suite.name }));
  const portable = chosen.filter((suite) => suite.onEveryRuntime);
  const there = otherNodes.flatMap((node) => {
    const version = execFileSync(node, ["-p", "process.version"], { encoding: "utf8" }).trim();
    return portable.map((suite) => ({ suite, node, label: `${suite.name} on Node ${version}` }));
  });
  return [...here, ...there, ...planFallbackRuns(chosen, long), ...(long ? planLongRuns(chosen) : [])];
}

const isRoot = process.getuid?.() === 0;

function skippedForRights(label: string): SuiteOutcome {
  const skipped = [{ name: `suite ${label}`, reason: "loads programs into the kernel: run as root" }];
  return { label, passed: 0, failed: 0, failures: [], skipped, problems: [] };
}

/** What is no suite: other builds of the addon. */
async function runLongScripts(chosen: readonly Suite[]): Promise<readonly SuiteOutcome[]> {
  const outcomes: SuiteOutcome[] = [];
  for (const script of longScripts) {
    const suite = chosen.find(({ name }) => name === script.suite);
    if (suite === undefined) continue;
    print(`\n== ${script.label}`);
    outcomes.push(isRoot ? await runLongScript(script) : skippedForRights(script.label));
  }
  return outcomes;
}

/** Once more on an older kernel; belongs to the suite of the programs. */
async function runOnOtherKernel(chosen: readonly Suite[], run: EmulatedRun): Promise<readonly SuiteOutcome[]> {
  if (!chosen.some(({ name }) => name === "bpf")) return [];
  print(`\n== ${run.label}`);
  return isRoot ? await runEmulated(run) : [skippedForRights(run.label)];
}

async function runAll(runs: readonly Run[], long: boolean): Promise<readonly SuiteOutcome[]> {
  const reportDir = mkdtempSync(join(tmpdir(), "cts-tests-"));
  const outcomes: SuiteOutcome[] = [];
  try {
    for (const { suite, node, label, seed, without } of runs) {
      print(`\n== suite ${label}`);
      if (suite.needsRoot && !isRoot) {
        outcomes.push(skippedForRights(label));
      } else {
        outcomes.push(await runSuite(suite.name, { node, long, reportDir, label, seed, without }));
      }
    }
  } finally {
    rmSync(reportDir, { recursive: true, force: true });
  }
  return outcomes;
}

function printSummary(outcomes: readonly SuiteOutcome[], seconds: number, long: boolean): void {
  print("");
  for (const line of describeFailures(outcomes.flatMap(({ failures }) => failures))) print(line);
  for (const { label, passed, failed, skipped } of outcomes) {
    print(`  ${label.padEnd(26)} ${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  }
  for (const test of outcomes.flatMap((outcome) => outcome.skipped)) print(`  skipped: ${test.name}: ${test.reason}`);
  for (const problem of outcomes.flatMap((outcome) => outcome.problems)) {
    const [first = "", ...others] = shorten(problem);
    print([`  problem: ${first}`, ...others].join("\n    "));
  }
  if (!long) {
    print("left to `npm run test:long`:");
    for (const line of leftToLong) print(`  - ${line}`);
  }
  print("not run anywhere here:");
  for (const line of neverRun) print(`  - ${line}`);
  print(`took ${seconds.toFixed(0)} s`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { long: { type: "boolean", default: false }, "also-on": { type: "string", multiple: true, default: [] } },
  });
  const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) throw new Error(`no such suite: ${unknown.join(", ")}`);
  const chosen = suites.filter((suite) => positionals.length === 0 || positionals.includes(suite.name));
  const startedMs = Date.now();
  const runs = planRuns(chosen.filter(hasTests), { otherNodes: values["also-on"], long: values.long });
  const outcomes = [
    ...(values.long ? await runLongScripts(chosen) : []),
    ...(await runAll(runs, values.long)),
    ...(await runOnOtherKernel(chosen, smokeRun)),
  ];
  printSummary(outcomes, (Date.now() - startedMs) / 1000, values.long);

  const sum = (count: (outcome: SuiteOutcome) => number): number => outcomes.reduce((all, one) => all + count(one), 0);
  const passed = sum((outcome) => outcome.passed);
  const failed = sum((outcome) => outcome.failed);
  print(`tests: ${passed} passed, ${failed} failed, ${sum((outcome) => outcome.skipped.length)} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

await main();

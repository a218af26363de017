import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SuiteFailure } from "./failures.js";
import type { SkippedTest, SuiteReport } from "./reporter.js";
import { unjustifiedSkips } from "./skips.js";

const root = join(import.meta.dirname, "../..");

/** No suite is allowed to hang the run: vitest's own time-outs do not catch a blocked event loop. */
const suiteTimeoutMs = { normal: 30 * 60_000, long: 3 * 3_600_000 } as const;

export interface RunOptions {
  /** The runtime's binary. */
  readonly node: string;
  /** Full samples instead of fixed-seed ones (`CTS_TEST_LONG=1`). */
  readonly long: boolean;
  readonly reportDir: string;
  /** Seed of the property suite's samples; undefined: the fixed one. */
  readonly seed?: number | undefined;
  /** A kernel feature that the suite does without. */
  readonly without?: string | undefined;
  /** How the summary names the run. */
  readonly label: string;
}

export interface SuiteOutcome {
  readonly label: string;
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly SuiteFailure[];
  /** Skips with a reason that the kernel probe confirms; the others count as failed. */
  readonly skipped: readonly SkippedTest[];
  /** What counts as failed beside failed tests, a line each. */
  readonly problems: readonly string[];
}

/** Asks the product's probe, and only when a test was skipped: it loads the addon. */
async function missingKernelFeatures(disabled: string): Promise<readonly string[]> {
  const { probeKernelFeatures } = await import("../../src/kernel/features.js");
  const { disabledFeatures } = await import("../../src/kernel/feature-mask.js");
  return probeKernelFeatures({ disabled: disabledFeatures({ CTS_DISABLE_FEATURES: disabled }) })
    .filter((feature) => !feature.available)
    .map((feature) => feature.name);
}

async function runVitest(suite: string, options: RunOptions, reportPath: string): Promise<string | undefined> {
  const child = spawn(
    options.node,
    [
      join(root, "node_modules/vitest/vitest.mjs"),
      "run",
      "--project",
      suite,
      "--reporter=default",
      `--reporter=${join(root, "scripts/tests/reporter.ts")}`,
    ],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        CTS_TEST_REPORT: reportPath,
        ...(options.long ? { CTS_TEST_LONG: "1" } : {}),
        ...(options.without === undefined ? {} : { CTS_DISABLE_FEATURES: options.without }),
        ...(options.seed === undefined ? {} : { CTS_PROPERTY_SEED: `${options.seed}` }),
      },
    },
  );
  const timeoutMs = options.long ? suiteTimeoutMs.long : suiteTimeoutMs.normal;
  const timer = setTimeout(() => child.kill("SIGTERM"), timeoutMs);
  const end = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(timer);
  if (end.code === 0) return undefined;
  return end.signal === null ? `vitest ended with ${end.code}` : `vitest was ended by ${end.signal}`;
}

/** Runs one suite in a vitest process of its own and judges its skips. */
export async function runSuite(suite: string, options: RunOptions): Promise<SuiteOutcome> {
  const { label } = options;
  const reportPath = join(options.reportDir, `${label.replaceAll(" ", "-")}.json`);
  const ending = await runVitest(suite, options, reportPath);
  if (!existsSync(reportPath)) {
    const problems = [`${label}: no report; ${ending ?? "vitest ended"}`];
    return { label, passed: 0, failed: 1, failures: [], skipped: [], problems };
  }
  const report = JSON.parse(readFileSync(reportPath, "utf8")) as SuiteReport;
  const disabled = options.without ?? "";
  const missing = report.skipped.length > 0 ? await missingKernelFeatures(disabled) : [];
  return judgeReport(report, { label, missing, ending });
}

export interface Judgement {
  readonly label: string;
  /** Kernel features that were missing where the tests ran. */
  readonly missing: readonly string[];
  /** How vitest ended, when it did not end well. */
  readonly ending?: string | undefined;
}

/** What counts as failed: failed tests, errors outside of tests, skips that no missing kernel feature excuses. */
export function judgeReport(report: SuiteReport, { label, missing, ending }: Judgement): SuiteOutcome {
  const unjustified = unjustifiedSkips(report.skipped, missing);
  const problems = [
    ...report.errors.map((error) => `${label}: ${error}`),
    ...unjustified.map(({ name, why }) => `${name}: ${why}`),
  ];
  // vitest ends with 1 for a reason that no test shows: an empty file, a threshold.
  if (ending !== undefined && report.failures.length === 0 && problems.length === 0)
    problems.push(`${label}: ${ending}`);
  const names = new Set(unjustified.map(({ name }) => name));
  return {
    label,
    passed: report.passed,
    failed: report.failures.length + problems.length,
    failures: report.failures.map((failure) => ({ suite: label, ...failure })),
    skipped: report.skipped.filter((test) => !names.has(test.name)),
    problems,
  };
}

import type { FailedTest, SuiteReport } from "../../scripts/tests/reporter.js";

export interface Check {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

/** Runs checks one after the other and tells the host what became of them: these run where vitest would take minutes to start. */
export async function runChecks(label: string, checks: readonly Check[]): Promise<void> {
  const failures: FailedTest[] = [];
  for (const { name, run } of checks) {
    const startedMs = performance.now();
    try {
      await run();
      print(`ok ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      print(`FAILED ${name}: ${message}`);
      failures.push({ place: label, name, message });
    }
  }
  const report: SuiteReport = { passed: checks.length - failures.length, failures, skipped: [], errors: [] };
  print(`CTS-REPORT ${label} ${JSON.stringify(report)}`);
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

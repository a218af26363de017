import { writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** What one vitest run leaves for `scripts/run-tests.ts`, at the path in `CTS_TEST_REPORT`. */
export interface SuiteReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly SkippedTest[];
  /** Errors outside of any test: a module that does not load, an unhandled rejection. */
  readonly errors: readonly string[];
}

export interface SkippedTest {
  readonly name: string;
  /** What the test gave to `skip()`; vitest's own json reporter leaves this out. */
  readonly reason: string | undefined;
}

function fullName(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}

/** Counts tests and keeps each skip's reason. */
class SuiteReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    const path = process.env.CTS_TEST_REPORT;
    if (path === undefined) return;
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const skipped = tests
      .map((test) => ({ test, result: test.result() }))
      .filter(({ result }) => result.state === "skipped" || result.state === "pending")
      .map(({ test, result }) => ({ name: fullName(test), reason: "note" in result ? result.note : undefined }));
    const report: SuiteReport = {
      passed: tests.filter((test) => test.result().state === "passed").length,
      failed: tests.filter((test) => test.result().state === "failed").length,
      skipped,
      errors: [
        ...modules.flatMap((module) => module.errors().map((error) => `${module.relativeModuleId}: ${error.message}`)),
        ...unhandled.map((error) => error.message),
      ],
    };
    writeFileSync(path, JSON.stringify(report));
  }
}

export default SuiteReporter;

import { writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

/** What one vitest run leaves for `scripts/run-tests.ts`, at the path in `CTS_TEST_REPORT`. */
export interface SuiteReport {
  readonly passed: number;
  readonly failures: readonly FailedTest[];
  readonly skipped: readonly SkippedTest[];
  /** Errors outside of any test: a module that does not load, a hook that fails, an unhandled rejection. */
  readonly errors: readonly string[];
}

export interface FailedTest {
  /** File, with the line that failed when it lies in there. */
  readonly place: string;
  readonly name: string;
  /** Messages of all its errors, each with its difference between expected and received; may hold colours. */
  readonly message: string;
}

export interface SkippedTest {
  readonly name: string;
  /** What the test gave to `skip()`; vitest's own json reporter leaves this out. */
  readonly reason: string | undefined;
}

function fullName(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}

type ReportedError = ReturnType<TestSuite["errors"]>[number];

function describeError({ name, message, diff }: ReportedError): string {
  const text = name === undefined || name === "Error" ? message : `${name}: ${message}`;
  return diff === undefined ? text : `${text}\n${diff}`;
}

function describeFailure(test: TestCase): FailedTest {
  const errors = test.result().errors ?? [];
  const { moduleId, relativeModuleId } = test.module;
  const line = errors.flatMap(({ stacks = [] }) => stacks).find(({ file }) => file === moduleId)?.line;
  return {
    place: line === undefined ? relativeModuleId : `${relativeModuleId}:${line}`,
    name: test.fullName,
    message: errors.map(describeError).join("\n"),
  };
}

/** What went wrong in a module and in the hooks of its `describe`s: their tests count as skipped. */
function errorsOutsideTests(module: TestModule): readonly string[] {
  const describeAll = (place: string, errors: readonly ReportedError[]): readonly string[] =>
    errors.map((error) => `${place}: ${describeError(error)}`);
  const suites = [...module.children.allSuites()];
  return [
    ...describeAll(module.relativeModuleId, module.errors()),
    ...suites.flatMap((suite) => describeAll(`${module.relativeModuleId} > ${suite.fullName}`, suite.errors())),
  ];
}

/** Counts tests and keeps each failure's error and each skip's reason. */
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
      failures: tests.filter((test) => test.result().state === "failed").map(describeFailure),
      skipped,
      errors: [...modules.flatMap(errorsOutsideTests), ...unhandled.map((error) => error.message)],
    };
    writeFileSync(path, JSON.stringify(report));
  }
}

export default SuiteReporter;

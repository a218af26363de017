import { describe, expect, test } from "vitest";
import { findErrorTarget, reportError } from "../../src/commands/error-report.js";
import { KernelError, NotFoundError, UsageError } from "../../src/lib/errors.js";

const context = { commandLine: "kubectl cilium-ts bpf ct list", isVerbose: false };

describe("reportError", () => {
  test("what happened, what causes it, what to do", () => {
    const error = new KernelError("map-open", "cannot open it: EPERM", {
      hint: "The process has no right to.",
      nextSteps: ["run it as root", "or elsewhere"],
    });
    expect(reportError(error, context)).toEqual({
      text: "Error: cannot open it: EPERM\nHint: The process has no right to.\nNext:\n  run it as root\n  or elsewhere",
      exitCode: 6,
    });
  });

  test("misuse without a next step points to the help", () => {
    expect(reportError(new UsageError("x", "no"), context).text).toBe(
      "Error: no\nNext: kubectl cilium-ts bpf ct list --help",
    );
  });

  test("causes are named once", () => {
    const cause = new Error("disk full");
    const said = reportError(new NotFoundError("x", "cannot write: disk full", { cause }), context).text;
    expect(said).not.toContain("Cause:");
    expect(reportError(new NotFoundError("x", "cannot write", { cause }), context).text).toContain("Cause: disk full");
  });

  test("verbose adds code, details and stack; 64-bit numbers print", () => {
    const error = new KernelError("map-open", "no", { details: { errno: "EPERM", count: 5n, list: [1n] } });
    const { text } = reportError(error, { ...context, isVerbose: true });
    expect(text).toMatch(/Code: map-open\nDetails:\n {2}errno: EPERM\n {2}count: "?5"?\n {2}list: \["1"\]/);
    expect(text).toContain("    at ");
  });

  test("what the parser refused exits 2, without the parser's frame", () => {
    const error = Object.assign(new Error("Parsing --limit \n\tno number\nSee more help with --help"), {
      oclif: { exit: 2 },
    });
    expect(reportError(error, context)).toEqual({
      text: "Error: --limit: no number\nNext: kubectl cilium-ts bpf ct list --help",
      exitCode: 2,
    });
  });

  test("anything else is a bug, exits 70 and says so", () => {
    const { text, exitCode } = reportError(new TypeError("x is not a function"), context);
    expect(exitCode).toBe(70);
    expect(text).toMatch(/^Unexpected error: x is not a function\n {4}at /);
    expect(text).toContain("This is a bug");
    expect(reportError("thrown text", context).text).toContain("thrown text");
  });
});

describe("next steps that are commands of ours", () => {
  const error = new NotFoundError("x", "no", {
    nextSteps: [
      "kubectl cilium-ts bpf metrics list --drops   (was it dropped?)",
      "kubectl cilium-ts lab status",
      "kubectl cilium-ts status --lab other",
      "run the command as root",
    ],
  });
  const stepsFor = (...words: readonly string[]) =>
    reportError(error, { ...context, target: findErrorTarget(words) })
      .text.split("\n  ")
      .slice(1);

  test("look where the command was told to look, so that they can be typed as they stand", () => {
    expect(stepsFor("which", "shop/web", "--lab", "blue")).toEqual([
      "kubectl cilium-ts bpf metrics list --drops --lab blue   (was it dropped?)",
      "kubectl cilium-ts lab status --name blue",
      "kubectl cilium-ts status --lab other",
      "run the command as root",
    ]);
    expect(stepsFor("lab", "exec", "--name=blue")[1]).toBe("kubectl cilium-ts lab status --name blue");
    expect(stepsFor("--local").slice(0, 2)).toEqual([
      "kubectl cilium-ts bpf metrics list --drops --local   (was it dropped?)",
      "kubectl cilium-ts lab status",
    ]);
  });

  test("stay as they are when nothing was said, or only to the command that is run inside a pod", () => {
    expect(stepsFor("which", "shop/web")).toEqual(error.nextSteps);
    expect(stepsFor("lab", "exec", "web", "--", "tool", "--lab", "x")).toEqual(error.nextSteps);
  });
});

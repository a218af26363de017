import { describe, expect, test } from "vitest";
import { cliPath, completionPath, runCli } from "../support/run-cli.js";

describe("output to a full disk", () => {
  test.each([
    [cliPath, "--help"],
    [cliPath, "bpf", "ct", "--help"],
    [cliPath, "help", "bpf", "ct", "list"],
    [cliPath, "version"],
    [cliPath, "version", "-o", "json"],
    // Ends with a code of its own otherwise.
    [cliPath, "status", "--local"],
    [completionPath, "bpf", ""],
  ])("%s %s: one line on stderr, exit code 1, no stack trace", async (...words) => {
    const script = 'exec "$@" > /dev/full';
    const { exitCode, stderr } = await runCli(["-c", script, "sh", process.execPath, ...words], { program: "sh" });
    expect(stderr).toMatch(/^Error: .*no space left on device.*\n$/);
    expect(exitCode).toBe(1);
  });
});

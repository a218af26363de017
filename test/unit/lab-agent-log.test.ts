import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastAgentMessage, lastAgentMessages } from "../../src/lab/agent-log.js";

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-log-"));
  log = join(folder, "agent.log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("what an agent said last", () => {
  it("is the first line of its error report, and the messages of its lines of JSON", () => {
    writeFileSync(
      log,
      '{"level":"info","msg":"agent listens"}\n{"level":"error","msg":"the agent cannot start","err":{"message":"mtu 12"}}\nError: mtu must be at least 1280\nNext: change it\n',
    );
    expect(lastAgentMessage(log)).toBe("Error: mtu must be at least 1280");
    expect(lastAgentMessages(log, 3)).toEqual([
      "the agent cannot start: mtu 12",
      "Error: mtu must be at least 1280",
      "Next: change it",
    ]);
  });

  it("is nothing before it said anything", () => {
    expect(lastAgentMessages(log, 3)).toEqual([]);
    writeFileSync(log, "");
    expect(lastAgentMessage(log)).toBe("");
  });
});

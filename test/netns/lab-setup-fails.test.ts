import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { awaitLab } from "../../src/lab/await-lab.js";
import { TimeoutError } from "../../src/lib/errors.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { eventually, TestLab } from "./support/lab-fixture.js";

const signal = new AbortController().signal;

/** An `ip` of another age: it answers with its usage, on several lines. */
const oldTool = `#!/bin/sh
echo "Usage: ip [ OPTIONS ] OBJECT" >&2
echo "where OBJECT := { link | address }" >&2
exit 2
`;

function readyMessages(lab: TestLab): Promise<readonly (string | undefined)[]> {
  return lab
    .list(resourceTypes.nodes)
    .then((nodes) => nodes.map((node) => node.status?.conditions?.find(({ type }) => type === "Ready")?.message));
}

describe("a lab whose nodes cannot be set up", () => {
  let lab: TestLab;
  const tools = mkdtempSync(join(tmpdir(), "cts-t-tools-"));
  const ip = join(tools, "ip");
  const realIp = execFileSync("sh", ["-c", "command -v ip"], { encoding: "utf8" }).trim();
  const setTool = (text: string): void => {
    writeFileSync(ip, text);
    chmodSync(ip, 0o755);
  };

  beforeAll(async () => {
    const path = process.env.PATH ?? "";
    setTool(oldTool);
    process.env.PATH = `${tools}:${path}`; // the supervisor's
    try {
      lab = await TestLab.start({ wait: false });
    } finally {
      process.env.PATH = path;
    }
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    rmSync(tools, { recursive: true });
  });

  it("says why, in one line, and where the whole reason is", async () => {
    await eventually(
      () => readyMessages(lab),
      (messages) => messages.length === 2 && messages.every((message) => message !== undefined),
    );
    const waiting = awaitLab(lab.paths, { timeoutMs: 0, signal, onProgress: () => undefined });
    const error = await waiting.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TimeoutError);
    const { message } = error as TimeoutError;
    const why = /Node node-1: cannot be set up: ip .* ended with 2: Usage: ip \[ OPTIONS \] OBJECT; (\S+) tells more$/m;
    expect(why.exec(message)?.[1]).toBe(lab.paths.supervisorLog);
    expect(message).not.toContain("where OBJECT");
  });

  it("says so in lab status, and holds all of what was said in the log", () => {
    const status = lab.cli("status", "-o", "wide");
    expect(status.status).toBe(3);
    expect(status.stdout).toContain("Usage: ip [ OPTIONS ] OBJECT");
    expect(lab.cli("logs", "supervisor").stdout).toContain("where OBJECT");
  });

  it("comes up once they can", async () => {
    setTool(`#!/bin/sh\nexec ${realIp} "$@"\n`);
    const ready = await awaitLab(lab.paths, { timeoutMs: 120_000, signal, onProgress: () => undefined });
    expect(ready.nodes).toEqual({ ready: 2, all: 2 });
  });
});

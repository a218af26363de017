import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MapNode } from "../support/map-node.js";
import { cliPath, finishCli, runCli, startCli } from "../support/run-cli.js";

const entries = 60_000;
let node: MapNode;

beforeAll(async () => {
  node = await MapNode.start();
  const map = node.pin("cilium_ct4_global", {
    type: "lru_hash",
    keySizeBytes: 14,
    valueSizeBytes: 56,
    maxEntries: 131_072,
  });
  const keys = Buffer.alloc(14 * entries);
  for (let i = 0; i < entries; i++) {
    keys.writeUInt32BE(0x0af40000 + i, i * 14);
    keys.writeUInt16BE(80, i * 14 + 8);
    keys[i * 14 + 12] = 6;
  }
  map.updateBatch(keys, Buffer.alloc(56 * entries), entries);
});
afterAll(() => node[Symbol.dispose]());

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(10);
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

describe("how a command ends", () => {
  test("a reader that goes away ends it quietly with 0", async () => {
    const child = startCli(["bpf", "ct", "list", "--lab", node.lab, "-o", "jsonl"]);
    const ended = finishCli(child);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { exitCode, stderr } = await ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  });

  test("`| head -1` in a shell: one row, no noise", async () => {
    const line = `"${cliPath}" bpf ct list --lab ${node.lab} --no-headers | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await runCli(["-c", line], { program: "bash" });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^node-1 +TCP .*\n0\n$/);
  });

  test("a full disk ends a list with one line and 1", async () => {
    const line = `exec "${cliPath}" bpf ct list --lab ${node.lab} -o jsonl > /dev/full`;
    const { exitCode, stderr } = await runCli(["-c", line], { program: "sh" });
    expect(stderr).toMatch(/^Error: .*no space left on device.*\n$/);
    expect(exitCode).toBe(1);
  });

  test("the first Ctrl-C ends a watch cleanly with 130", async () => {
    const child = startCli(["bpf", "ct", "list", "--lab", node.lab, "--limit", "2", "--watch"]);
    const ended = finishCli(child);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    const { exitCode, signal, stderr } = await ended;
    expect({ exitCode, signal, stderr }).toEqual({ exitCode: 130, signal: null, stderr: "" });
  });

  test("Ctrl-C in the middle of a list leaves whole JSON that says it is partial", async () => {
    const child = startCli(["bpf", "ct", "list", "--lab", node.lab, "-o", "json"]);
    const ended = finishCli(child);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    const { exitCode, stdout } = await ended;
    const list = JSON.parse(stdout);
    expect(exitCode).toBe(130);
    expect(list.status).toMatchObject({ state: "partial", reason: "node-1: interrupted" });
    expect(list.items.length).toBeLessThan(entries);
  });

  test("the second Ctrl-C quits at once", async () => {
    const child = startCli(["bpf", "ct", "list", "--lab", node.lab, "-o", "jsonl"]);
    // Nobody reads: the process is stuck in a full pipe when the signals come.
    await until("the process to fill the pipe", () => (child.stdout?.readableLength ?? 0) > 0);
    const ended = once(child, "exit");
    child.kill("SIGINT");
    child.stdout?.resume();
    child.kill("SIGINT");
    const [exitCode] = await ended;
    expect(exitCode).toBe(130);
  });

  test("a terminal that goes away ends it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cts-t-terminal-"));
    try {
      const pidFile = join(folder, "pid");
      const command = `echo $$ > ${pidFile}; exec ${cliPath} bpf ct list --lab ${node.lab} --limit 2 --watch`;
      const terminal = spawn("script", ["-qfc", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
      await once(terminal.stdout, "data");
      await until("the command's pid", () => existsSync(pidFile) && readFileSync(pidFile, "utf8").trim() !== "");
      const pid = Number(readFileSync(pidFile, "utf8"));
      terminal.kill("SIGKILL");
      await until("the command to end", () => !isAlive(pid));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

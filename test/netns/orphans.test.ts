import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findCgroupMount } from "../../src/lab/cgroup.js";
import { surveyLabs } from "../../src/lab/lab-survey.js";
import { listNetns } from "../../src/lab/network.js";
import { parseMounts } from "../../src/model/mounts.js";
import { sweepOrphans } from "../support/sweep-orphans.js";

/** A process that made what tests make, and may be killed. */
interface Maker {
  readonly child: ChildProcess;
  readonly prefix: string;
  readonly lab: string;
}

async function startMaker(): Promise<Maker> {
  const script = join(import.meta.dirname, "support/orphan.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface(child.stdout!)) return { child, ...JSON.parse(line) };
  throw new Error("the maker ended before it was ready");
}

async function kill({ child }: Maker): Promise<void> {
  const ended = once(child, "exit");
  if (child.kill("SIGKILL")) await ended;
}

function commandLines(): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : [];
    } catch {
      return []; // ended while we looked
    }
  });
}

/** What there is of a maker, besides itself. */
function traces({ prefix, lab }: Maker) {
  const isIts = (text: string): boolean => text.includes(prefix);
  return {
    folders: readdirSync(tmpdir()).filter(isIts).sort(),
    namespaces: listNetns().filter(isIts).sort(),
    mounts: parseMounts(readFileSync("/proc/self/mountinfo", "utf8"))
      .map(({ mountPoint }) => mountPoint)
      .filter(isIts)
      .sort(),
    cgroups: readdirSync(findCgroupMount()).filter(isIts),
    agents: commandLines().filter(isIts),
    labs: surveyLabs(findCgroupMount()).filter((name) => name === lab),
  };
}

const nothing = { folders: [], namespaces: [], mounts: [], cgroups: [], agents: [], labs: [] };

let killed: Maker;
let alive: Maker;
beforeAll(async () => {
  killed = await startMaker();
  alive = await startMaker();
});
afterAll(async () => {
  for (const maker of [killed, alive]) await kill(maker);
  await sweepOrphans();
});

it("what a killed test left goes, what a living one made stays", async () => {
  const whole = traces(alive);
  expect(Object.values(whole).every((names) => names.length > 0)).toBe(true);
  await kill(killed);
  expect(Object.values(traces(killed)).every((names) => names.length > 0)).toBe(true);
  await sweepOrphans();
  expect(traces(killed)).toEqual(nothing);
  expect(traces(alive)).toEqual(whole);
});

it("the same pid with another start time is another process; what is called otherwise is nobody's orphan", async () => {
  const folders = [`cts-t-${process.pid}s1-earlier`, `cts-t-${process.pid}-1`].map((name) => join(tmpdir(), name));
  for (const folder of folders) mkdirSync(folder);
  try {
    await sweepOrphans();
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, true]);
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
});

import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ownPrefix } from "../support/own-names.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson } from "./kernel-fixture.js";

const isLong = process.env.CTS_TEST_LONG === "1";

/**
 * Rounds of each kind: a sample, and all. Rounds that read the kernel's BTF or wait for the kernel take 10 to 30 ms, the
 * others less than half of one: with these numbers all of them together take 5 minutes.
 */
const plan: Readonly<Record<string, readonly [sample: number, all: number]>> = {
  map: [2000, 100_000],
  program: [2000, 100_000],
  "test-run": [2000, 100_000],
  link: [2000, 100_000],
  object: [500, 100_000],
  "ring-buffer": [1000, 100_000],
  "perf-buffer": [200, 100_000],
  "run-stats": [2000, 100_000],
  load: [30, 10_000],
  tracepoint: [20, 1000],
  "map-iterator": [20, 1000],
  "bucket-walk": [20, 1000],
  btf: [20, 1000],
  probes: [10, 1000],
};

/**
 * What V8 grows its heap by while it finds its size. A leak of 250 bytes a round shows in 100,000 of them, one of 25 KB in
 * 1,000: less than a tenth of what libbpf allocates for one object, or for the kernel's BTF.
 */
const noiseBytes = 24 * 1024 * 1024;

interface Growth {
  readonly rounds: number;
  readonly descriptors: number;
  readonly bytes: number;
}

let folder: TestFolder;
const cgroupRoot = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1] ?? "";
const cgroup = `${cgroupRoot}/${ownPrefix}-rounds`;

beforeAll(() => {
  folder = new TestFolder();
  mkdirSync(cgroup);
});
afterAll(() => {
  rmdirSync(cgroup);
  folder[Symbol.dispose]();
});

it(
  "opening and closing leaves no descriptor and no memory behind",
  () => {
    const rounds = Object.fromEntries(
      Object.entries(plan).map(([kind, [sample, all]]) => [kind, isLong ? all : sample]),
    );
    const growth = runChildForJson<Readonly<Record<string, Growth>>>("rounds", {
      args: [compileFixture("kinds", folder.path), cgroup, JSON.stringify(rounds)],
      nodeFlags: ["--expose-gc", "--max-semi-space-size=2"],
      timeoutMs: isLong ? 3 * 3_600_000 : 240_000,
    });
    expect(Object.keys(growth)).toEqual(Object.keys(plan));
    for (const [kind, { descriptors, bytes }] of Object.entries(growth)) {
      expect(descriptors, kind).toBe(0);
      expect(bytes, kind).toBeLessThan(noiseBytes);
    }
  },
  isLong ? 3 * 3_600_000 : undefined,
);

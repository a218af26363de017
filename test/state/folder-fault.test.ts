import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { createInformer } from "../../src/state/watch-cache.js";
import { bundleProgram } from "./child-bundle.js";

const WRITERS = 20;
const KILLS = 40;
const counters = ["one", "two", "three"];

/** Keeps twenty writers running; each killed one is replaced by a new one with a name of its own. */
class WriterCrowd {
  readonly #program: string;
  readonly #dir: string;
  readonly #ackDir: string;
  readonly #running = new Map<string, ChildProcess>();
  readonly failures: string[] = [];
  /** Rejects when a writer found its own acknowledged update gone. */
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => {};
  #started = 0;
  #paused: ChildProcess | undefined;

  constructor(program: string, dir: string, ackDir: string) {
    this.#program = program;
    this.#dir = dir;
    this.#ackDir = ackDir;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  start(): void {
    const name = `w${++this.#started}`;
    const child = spawn(process.execPath, [this.#program, this.#dir, name, join(this.#ackDir, name)], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.on("data", (text) => {
      this.failures.push(String(text));
      this.#fail(new Error(`${name}: ${text}`));
    });
    this.#running.set(name, child);
  }

  /** Stops a running writer wherever it is, and lets the one go on that was stopped before: it comes too late with what it read. */
  pauseAnother(index: number): void {
    this.#paused?.kill("SIGCONT");
    this.#paused = [...this.#running.values()][index % this.#running.size];
    this.#paused?.kill("SIGSTOP");
  }

  /** Kills a running writer; resolves when it is gone. */
  async kill(index: number): Promise<void> {
    const names = [...this.#running.keys()];
    const name = names[index % names.length]!;
    const child = this.#running.get(name)!;
    this.#running.delete(name);
    if (child.exitCode !== null) return;
    const isGone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await isGone;
  }

  async killAll(): Promise<void> {
    while (this.#running.size > 0) await this.kill(0);
  }

  /** Highest acknowledged share of each writer in each counter, as `counter writer`. */
  async acknowledged(): Promise<Map<string, number>> {
    const shares = new Map<string, number>();
    for (const file of await readdir(this.#ackDir)) {
      const lines = (await readFile(join(this.#ackDir, file), "utf8")).trim().split("\n");
      for (const line of lines) {
        const [counter, writer, share] = line.split(" ");
        shares.set(`${counter} ${writer}`, Number(share));
      }
    }
    return shares;
  }
}

describe("20 writers of one state folder under kill -9", () => {
  let dir: string;
  let program: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "cts-t-fault-"));
    program = await bundleProgram(fileURLToPath(new URL("./counter-writer.ts", import.meta.url)), join(dir, "program"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it("lose no update, and a watch ends at the last state", async () => {
    const stateDir = join(dir, "state");
    const source = await FolderStateSource.open(stateDir);
    const abort = new AbortController();
    const informer = createInformer(source, resourceTypes.configMaps, { signal: abort.signal });
    const totalOf = (name: string) => Number(informer.get(`test/${name}`)?.data?.total ?? 0);
    const seen = new Map<string, number>();
    const backward: string[] = [];
    informer.onChange(({ key, after }) => {
      const total = Number(after?.data?.total);
      if (total < (seen.get(key) ?? 0)) backward.push(`${key} ${seen.get(key)} → ${total}`);
      seen.set(key, total);
    });
    const ackDir = await mkdtemp(join(dir, "acks-"));
    const crowd = new WriterCrowd(program, stateDir, ackDir);
    try {
      for (let count = 0; count < WRITERS; count++) crowd.start();
      // A kill for every few updates: some hit a writer between link and confirmation, most between read and link.
      for (let kill = 0; kill < KILLS; kill++) {
        const progress = counters.reduce((sum, name) => sum + totalOf(name), 0) + 5;
        const isFurther = () => counters.reduce((sum, name) => sum + totalOf(name), 0) >= progress;
        await Promise.race([changeUntil(informer, isFurther), crowd.failed]);
        await crowd.kill(kill * 7);
        crowd.pauseAnother(kill * 3);
        crowd.start();
      }
    } finally {
      await crowd.killAll();
    }
    expect(crowd.failures).toEqual([]);
    expect(backward).toEqual([]);
    const acknowledged = await crowd.acknowledged();
    expect(acknowledged.size).toBeGreaterThan(WRITERS / 2);
    for (const name of counters) {
      const { total, ...shares } = (await source.get(resourceTypes.configMaps, { namespace: "test", name }))!.data!;
      const sum = Object.values(shares).reduce((all, share) => all + Number(share), 0);
      expect(Number(total), `${name}: the total is the sum of all shares`).toBe(sum);
      for (const [key, share] of acknowledged) {
        const [counter, writer] = key.split(" ");
        // One more than acknowledged: killed between the update and its note.
        if (counter === name) expect([share, share + 1], key).toContain(Number(shares[writer!]));
      }
      await changeUntil(informer, () => totalOf(name) === Number(total));
    }
    abort.abort();
    await source[Symbol.asyncDispose]();
  }, 60_000);
});

/** Resolves when `condition` holds, looked at after each change that the informer tells. */
async function changeUntil(informer: ReturnType<typeof createInformer>, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const stop = informer.onChange(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });
}

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeFileAtomic, writeFileAtomicSync } from "../../src/lib/atomic-file.js";
import { createLogger } from "../../src/lib/log.js";
import { didYouMean, editDistance, nearestName } from "../../src/lib/nearest-name.js";
import { exponentialBackoff, retry } from "../../src/lib/retry.js";
import { formatAge, formatDurationMs, formatTimestamp, parseDurationMs, sleep } from "../../src/lib/time.js";
import { Turns } from "../../src/lib/turns.js";
import { waitForAll } from "../../src/lib/wait-for-all.js";

describe("the nearest name", () => {
  it("is the one with the fewest slips", () => {
    const known = ["containers", "initContainers", "nodeName", "hostNetwork"];
    expect(nearestName("contaners", known)).toBe("containers");
    expect(nearestName("nodename", known)).toBe("nodeName");
    expect(nearestName("hostNetwrok", known)).toBe("hostNetwork");
    expect(nearestName("volumes", known)).toBeUndefined();
    expect(nearestName("x", ["y", "abc"])).toBe("y");
  });

  it("counts inserts, deletes, replacements and swaps as one slip each", () => {
    expect(editDistance("abc", "abc")).toBe(0);
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("abc", "acb")).toBe(1);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });

  it("is put into words only when there is one", () => {
    expect(didYouMean("tabel", ["table", "wide"])).toBe(': did you mean "table"?');
    expect(didYouMean("json", ["table", "wide"])).toBe("");
  });
});

describe("durations and times", () => {
  it("are read in Go's syntax", () => {
    expect(["8000s", "2h13m20s", "1.5m", "20ms", "0", "1us"].map(parseDurationMs)).toEqual([
      8_000_000, 8_000_000, 90_000, 20, 0, 0.001,
    ]);
    expect(["", "5", "s", "-5s", "5 s", "1d", "5s,"].map(parseDurationMs)).toEqual(Array(7).fill(undefined));
  });

  it("are written as Go writes them", () => {
    expect([0, 20, 1500, 60_000, 8_000_000, 3_600_000].map(formatDurationMs)).toEqual([
      "0s",
      "20ms",
      "1.5s",
      "1m0s",
      "2h13m20s",
      "1h0m0s",
    ]);
  });

  it("are ages as kubectl prints them", () => {
    const second = 1000;
    const minute = 60 * second;
    const hour = 60 * minute;
    const ages = [
      -5,
      42 * second,
      119 * second,
      2 * minute,
      5 * minute + 10 * second,
      30 * minute,
      3 * hour,
      7 * hour + 20 * minute,
      30 * hour,
      49 * hour,
      200 * hour,
    ];
    expect(ages.map(formatAge)).toEqual([
      "0s",
      "42s",
      "119s",
      "2m",
      "5m10s",
      "30m",
      "3h",
      "7h20m",
      "30h",
      "2d1h",
      "8d",
    ]);
    expect(formatTimestamp(new Date(Date.UTC(2026, 10, 21, 5, 35, 39, 999)))).toBe("2026-11-21T05:35:39Z");
  });

  it("end early with the signal's reason", async () => {
    const reason = new Error("enough");
    await expect(sleep(3_600_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe("retry", () => {
  it("waits longer after each failure, up to a limit", () => {
    const backoff = exponentialBackoff({ firstMs: 50, maxMs: 300 });
    expect([1, 2, 3, 4, 1000].map(backoff)).toEqual([50, 100, 200, 300, 300]);
    const spread = exponentialBackoff({ firstMs: 100, maxMs: 100, jitter: 0.5, random: () => 0.5 });
    expect(spread(1)).toBe(75);
  });

  it("ends at success, at the last attempt, and at an error that is not worth another", async () => {
    const backoff = () => 0;
    const failUntil = (count: number) => async (attempt: number) => {
      if (attempt < count) throw new Error(`failed ${attempt}`);
      return attempt;
    };
    expect(await retry(failUntil(3), { backoff })).toBe(3);
    await expect(retry(failUntil(3), { backoff, attempts: 2 })).rejects.toThrow("failed 2");
    await expect(retry(failUntil(3), { backoff, isRetryable: () => false })).rejects.toThrow("failed 1");
    await expect(retry(failUntil(3), { backoff, signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow(
      "stop",
    );
  });
});

describe("files and logs", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "cts-t-lib-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("replace a file as a whole and leave nothing beside it, also after a failure", async () => {
    const path = join(dir, "a.json");
    await writeFileAtomic(path, "1");
    writeFileAtomicSync(path, "2", { mode: 0o600 });
    expect(readFileSync(path, "utf8")).toBe("2");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(writeFileAtomic(join(dir, "missing", "a"), "1")).rejects.toMatchObject({ code: "ENOENT" });
    expect(() => writeFileAtomicSync(dir, "1")).toThrow(expect.objectContaining({ code: "EISDIR" }));
    expect(readdirSync(dir)).toEqual(["a.json"]);
  });

  it("log one JSON object a line, at once", () => {
    const path = join(dir, "logs", "agent.log");
    const log = createLogger({ name: "agent", level: "info", destination: path });
    log.debug("not written");
    log.info({ endpointId: 7 }, "ready");
    log.child({ node: "n1" }).error({ err: new Error("boom") }, "failed");
    const lines = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ name: "agent", level: "info", endpointId: 7, msg: "ready" });
    expect(lines[1]).toMatchObject({ node: "n1", level: "error", err: { message: "boom" } });
  });
});

describe("turns", () => {
  it("lets so many work at a time, in the order of asking, and goes on after a failure", async () => {
    const turns = new Turns(2);
    const started: number[] = [];
    const ends: ((error?: Error) => void)[] = [];
    const works = [0, 1, 2, 3, 4].map((index) => {
      const end = new Promise<void>((resolve, reject) => {
        ends.push((error) => (error === undefined ? resolve() : reject(error)));
      });
      return turns.run(async () => {
        started.push(index);
        await end;
        return index;
      });
    });
    expect(started).toEqual([0, 1]);
    ends[1]!(new Error("no"));
    await expect(works[1]).rejects.toThrow("no");
    expect(started).toEqual([0, 1, 2]);
    for (const end of ends) end();
    expect(await Promise.all([works[0], ...works.slice(2)])).toEqual([0, 2, 3, 4]);
    expect(started).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("waiting for all", () => {
  it("gives every result in its place", async () => {
    expect(await waitForAll([Promise.resolve(1), Promise.resolve("a")])).toEqual([1, "a"]);
  });

  it("fails with the first failure, but not before the last has ended", async () => {
    let end = (): void => {};
    let hasFailed = false;
    const slow = new Promise<void>((resolve) => {
      end = resolve;
    });
    const all = waitForAll([slow, Promise.reject(new Error("one")), Promise.reject(new Error("two"))]);
    all.catch(() => {
      hasFailed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasFailed).toBe(false);
    end();
    await expect(all).rejects.toThrow("one");
  });
});

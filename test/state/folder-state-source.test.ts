import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type KubeConfigMap, resourceTypes } from "../../src/model/kubernetes.js";
import { rescanIntervalMs } from "../../src/state/folder/type-folder.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { describeStateSource } from "./contract.js";

const { configMaps } = resourceTypes;

describeStateSource("FolderStateSource", async () => {
  const dir = await mkdtemp(join(tmpdir(), "cts-t-state-"));
  const first = await FolderStateSource.open(dir);
  const second = await FolderStateSource.open(dir);
  return {
    first,
    second,
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
});

describe("the next rescan", () => {
  it.each([
    { tookMs: 0, isPolling: false, expected: 5_000 },
    { tookMs: 400, isPolling: false, expected: 8_000 },
    { tookMs: 60_000, isPolling: false, expected: 30_000 },
    { tookMs: 0, isPolling: true, expected: 200 },
    { tookMs: 500, isPolling: true, expected: 1_000 },
  ])("after $tookMs ms, polling $isPolling: in $expected ms", ({ tookMs, isPolling, expected }) => {
    expect(rescanIntervalMs(tookMs, isPolling)).toBe(expected);
  });
});

describe("the files of a FolderStateSource", () => {
  let dir: string;
  let source: FolderStateSource;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "cts-t-state-"));
    source = await FolderStateSource.open(dir);
  });
  afterEach(async () => {
    await source[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const map = (name: string, value: string): KubeConfigMap => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "shop" },
    data: { value },
  });

  it("are one whole version an object, named after it", async () => {
    const created = await source.create(configMaps, map("v1.2", "1"));
    await source.update(configMaps, { ...created, data: { value: "2" } });
    expect(await readdir(join(dir, "configmaps", "shop"))).toEqual(["v1.2.2.json"]);
    expect(await readdir(join(dir, ".drafts"))).toEqual([]);
  });

  it("are read past a newer one that is not whole, and past strangers", async () => {
    await source.create(configMaps, map("a", "1"));
    await writeFile(join(dir, "configmaps", "shop", "a.2.json"), '{"object": {"apiVersion": "v1", "kind": "Conf');
    await writeFile(join(dir, "configmaps", "shop", "README"), "hello");
    await writeFile(join(dir, "configmaps", "notes.txt"), "hello");
    const other = await FolderStateSource.open(dir);
    expect((await other.get(configMaps, { namespace: "shop", name: "a" }))?.data).toEqual({ value: "1" });
    expect((await other.list(configMaps)).items).toHaveLength(1);
  });

  it("are listed anew for a watch that begins at another source's list", async () => {
    const other = await FolderStateSource.open(dir);
    const { resourceVersion: fromVersion } = await other.list(configMaps);
    const watch = source.watch(configMaps, { fromVersion, signal: new AbortController().signal });
    expect((await watch.next()).value).toEqual({ kind: "relist" });
  });

  it("are read once by lists that meet, each of which has them all", async () => {
    for (let count = 0; count < 200; count++) await source.create(configMaps, map(`m-${count}`, "1"));
    const other = await FolderStateSource.open(dir);
    const lists = await Promise.all([1, 2, 3].map(() => other.list(configMaps)));
    for (const { items } of lists) expect(items).toHaveLength(200);
    expect(lists[1]!.items[0]).toBe(lists[0]!.items[0]);
    expect(new Set(lists.map(({ resourceVersion }) => resourceVersion)).size).toBe(1);
  });

  it("number on after a deletion, so that no number is given out twice", async () => {
    await source.create(configMaps, map("a", "1"));
    await source.delete(configMaps, { namespace: "shop", name: "a" });
    expect((await source.create(configMaps, map("a", "2"))).metadata.resourceVersion).toBe("3");
  });

  it("that a stopped writer links too late do not count", async () => {
    const stale = await source.create(configMaps, map("a", "1"));
    const other = await FolderStateSource.open(dir);
    let object = stale;
    for (const value of ["2", "3", "4"]) object = await other.update(configMaps, { ...object, data: { value } });
    // Version 2 was taken and removed: its file name is free again, and still nobody gets it.
    await expect(source.update(configMaps, { ...stale, data: { value: "lost?" } })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(await readdir(join(dir, "configmaps", "shop"))).toEqual(["a.4.json"]);
  });
});

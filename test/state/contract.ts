import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StateError } from "../../src/lib/errors.js";
import { type KubeConfigMap, resourceTypes } from "../../src/model/kubernetes.js";
import type { StateEvent, StateSource } from "../../src/state/state-source.js";

/** One state seen through two sources, as two processes see it. */
export interface StateFixture extends AsyncDisposable {
  readonly first: StateSource;
  readonly second: StateSource;
}

const { configMaps, nodes } = resourceTypes;

function configMap(name: string, data: Record<string, string> = {}, namespace = "shop"): KubeConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof StateError) return error.code;
    throw error;
  }
  return "no error";
}

/** What a watch has told so far, and a way to wait for more. */
class WatchRecorder implements AsyncDisposable {
  readonly events: StateEvent<KubeConfigMap>[] = [];
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #wake = () => {};

  constructor(source: StateSource, fromVersion: string) {
    this.#done = this.#run(source, fromVersion);
  }

  async #run(source: StateSource, fromVersion: string): Promise<void> {
    for await (const event of source.watch(configMaps, { fromVersion, signal: this.#abort.signal })) {
      this.events.push(event);
      this.#wake();
    }
  }

  /** Resolves when `condition` holds for what was told; the test's own time-out is the limit. */
  async until(condition: (words: readonly string[]) => boolean): Promise<readonly string[]> {
    while (!condition(this.words())) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.words();
  }

  /** `upserted a=1`, `deleted a=1`, `relist`. */
  words(): readonly string[] {
    return this.events.map((event) => {
      if (event.kind === "relist") return "relist";
      return `${event.kind} ${event.object.metadata.name}=${event.object.data?.value ?? ""}`;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }
}

/** What every implementation of StateSource keeps. */
export function describeStateSource(name: string, open: () => Promise<StateFixture>): void {
  describe(`${name} as a StateSource`, () => {
    let fixture: StateFixture;
    beforeEach(async () => {
      fixture = await open();
    });
    afterEach(async () => {
      await fixture[Symbol.asyncDispose]();
    });

    it("gives a created object uid, version and time of birth, and everybody sees it", async () => {
      const created = await fixture.first.create(configMaps, configMap("a", { value: "1" }));
      expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(created.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(Number(created.metadata.resourceVersion)).toBeGreaterThan(0);
      expect(await fixture.second.get(configMaps, { name: "a", namespace: "shop" })).toEqual(created);
      expect((await fixture.second.list(configMaps)).items).toEqual([created]);
    });

    it("keeps kinds and namespaces apart", async () => {
      await fixture.first.create(configMaps, configMap("a", { value: "1" }, "shop"));
      await fixture.first.create(configMaps, configMap("a", { value: "2" }, "bank"));
      await fixture.first.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
      const values = (await fixture.first.list(configMaps)).items.map((item) => item.data?.value).sort();
      expect(values).toEqual(["1", "2"]);
      expect((await fixture.first.list(nodes)).items).toHaveLength(1);
      expect(await fixture.first.get(configMaps, { name: "a", namespace: "else" })).toBeUndefined();
    });

    it("refuses to create what exists", async () => {
      await fixture.first.create(configMaps, configMap("a"));
      expect(await codeOf(fixture.second.create(configMaps, configMap("a")))).toBe("already-exists");
    });

    it("lets exactly one of many creators win", async () => {
      const attempts = Array.from({ length: 20 }, (_, index) => {
        const source = index % 2 === 0 ? fixture.first : fixture.second;
        return codeOf(source.create(configMaps, configMap("a", { value: String(index) })));
      });
      const codes = (await Promise.all(attempts)).sort();
      expect(codes).toEqual([...Array(19).fill("already-exists"), "no error"]);
    });

    it("updates the version that was read and no other", async () => {
      const created = await fixture.first.create(configMaps, configMap("a", { value: "1" }));
      const updated = await fixture.second.update(configMaps, { ...created, data: { value: "2" } });
      expect(updated.metadata).toEqual({ ...created.metadata, resourceVersion: updated.metadata.resourceVersion });
      expect(updated.metadata.resourceVersion).not.toBe(created.metadata.resourceVersion);
      expect(await codeOf(fixture.first.update(configMaps, { ...created, data: { value: "3" } }))).toBe("conflict");
      expect((await fixture.first.get(configMaps, created.metadata))?.data).toEqual({ value: "2" });
    });

    it("makes no new version of an update that changes nothing", async () => {
      const created = await fixture.first.create(configMaps, configMap("a", { value: "1" }));
      expect(await fixture.first.update(configMaps, created)).toEqual(created);
    });

    it("does not update what does not exist or was created anew", async () => {
      const created = await fixture.first.create(configMaps, configMap("a", { value: "1" }));
      await fixture.first.delete(configMaps, created.metadata);
      expect(await codeOf(fixture.first.update(configMaps, created))).toBe("not-found");
      await fixture.second.create(configMaps, configMap("a", { value: "2" }));
      expect(await codeOf(fixture.first.update(configMaps, created))).toBe("conflict");
    });

    it("deletes, only the version named if one is named, and absence is no error", async () => {
      const created = await fixture.first.create(configMaps, configMap("a", { value: "1" }));
      const updated = await fixture.first.update(configMaps, { ...created, data: { value: "2" } });
      const old = { resourceVersion: created.metadata.resourceVersion! };
      expect(await codeOf(fixture.second.delete(configMaps, created.metadata, old))).toBe("conflict");
      const current = { resourceVersion: updated.metadata.resourceVersion! };
      await fixture.second.delete(configMaps, created.metadata, current);
      expect(await fixture.first.get(configMaps, created.metadata)).toBeUndefined();
      expect((await fixture.first.list(configMaps)).items).toEqual([]);
      await fixture.first.delete(configMaps, created.metadata);
    });

    it("tells a watch what came after the list, in order", async () => {
      const created = await fixture.first.create(configMaps, configMap("a", { value: "1" }));
      const { resourceVersion } = await fixture.first.list(configMaps);
      const updated = await fixture.second.update(configMaps, { ...created, data: { value: "2" } });
      await using watch = new WatchRecorder(fixture.first, resourceVersion);
      await watch.until((words) => words.includes("upserted a=2"));
      await fixture.second.create(configMaps, configMap("b", { value: "1" }));
      await watch.until((words) => words.includes("upserted b=1"));
      await fixture.second.delete(configMaps, updated.metadata);
      expect(await watch.until((words) => words.includes("deleted a=2"))).toEqual([
        "upserted a=2",
        "upserted b=1",
        "deleted a=2",
      ]);
    });

    it("misses nothing between list and watch: deletion, new namespace, creation anew", async () => {
      const gone = await fixture.first.create(configMaps, configMap("gone", { value: "1" }));
      const anew = await fixture.first.create(configMaps, configMap("anew", { value: "1" }));
      const { resourceVersion } = await fixture.first.list(configMaps);
      await fixture.second.delete(configMaps, gone.metadata);
      await fixture.second.delete(configMaps, anew.metadata);
      await fixture.second.create(configMaps, configMap("anew", { value: "2" }));
      await fixture.second.create(configMaps, configMap("other", { value: "1" }, "later"));
      await using watch = new WatchRecorder(fixture.first, resourceVersion);
      const words = await watch.until((told) => told.length >= 4);
      expect([...words].sort()).toEqual(["deleted anew=1", "deleted gone=1", "upserted anew=2", "upserted other=1"]);
      expect(words.indexOf("deleted anew=1")).toBeLessThan(words.indexOf("upserted anew=2"));
    });

    it("shows two watches the same", async () => {
      const { resourceVersion } = await fixture.first.list(configMaps);
      await using one = new WatchRecorder(fixture.first, resourceVersion);
      await using two = new WatchRecorder(fixture.first, resourceVersion);
      await fixture.second.create(configMaps, configMap("a", { value: "1" }));
      expect(await one.until((words) => words.length > 0)).toEqual(["upserted a=1"]);
      expect(await two.until((words) => words.length > 0)).toEqual(["upserted a=1"]);
    });

    it("asks for a new list when it does not know the version", async () => {
      await using watch = new WatchRecorder(fixture.first, "from-nowhere");
      expect(await watch.until((words) => words.length > 0)).toEqual(["relist"]);
    });

    it("comes to the last state under a storm of changes", async () => {
      const { resourceVersion } = await fixture.first.list(configMaps);
      await using watch = new WatchRecorder(fixture.first, resourceVersion);
      let object = await fixture.second.create(configMaps, configMap("a", { value: "0" }));
      for (let value = 1; value <= 100; value++) {
        object = await fixture.second.update(configMaps, { ...object, data: { value: String(value) } });
      }
      const words = await watch.until((told) => told.includes("upserted a=100"));
      const values = words.map((word) => Number(word.slice("upserted a=".length)));
      expect(values).toEqual([...values].sort((a, b) => a - b));
    });

    it("ends a watch when it is told to", async () => {
      const { resourceVersion } = await fixture.first.list(configMaps);
      const abort = new AbortController();
      const watch = fixture.first.watch(configMaps, { fromVersion: resourceVersion, signal: abort.signal });
      const next = watch[Symbol.asyncIterator]().next();
      abort.abort();
      expect((await next).done).toBe(true);
    });

    it("refuses names that are none", async () => {
      expect(await codeOf(fixture.first.create(configMaps, configMap("../../etc/passwd")))).toBe("invalid");
      expect(await codeOf(fixture.first.create(configMaps, configMap("a", {}, "")))).toBe("invalid");
      expect(await codeOf(fixture.first.get(nodes, { name: "a", namespace: "b" }))).toBe("invalid");
    });
  });
}

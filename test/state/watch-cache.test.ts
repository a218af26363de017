import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../src/model/kube-object.js";
import { type KubeConfigMap, resourceTypes } from "../../src/model/kubernetes.js";
import type { StateEvent, StateSource } from "../../src/state/state-source.js";
import { createInformer } from "../../src/state/watch-cache.js";

const configMap = (name: string, version: string, uid = name): KubeConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "shop", resourceVersion: version, uid },
});

type Script = {
  readonly list: readonly KubeConfigMap[] | Error;
  readonly events?: readonly StateEvent<KubeConfigMap>[];
};

/** A source that answers each list and the watch after it from a script; after the last one the watch waits. */
function scripted(script: readonly Script[]): StateSource {
  let turn = -1;
  const source: Pick<StateSource, "list" | "watch"> = {
    async list<T extends KubeObject>() {
      turn++;
      const { list } = script[turn]!;
      if (list instanceof Error) throw list;
      return { items: list as readonly KubeObject[] as readonly T[], resourceVersion: String(turn) };
    },
    async *watch<T extends KubeObject>(
      _type: unknown,
      options: { readonly fromVersion: string; readonly signal: AbortSignal },
    ) {
      expect(options.fromVersion).toBe(String(turn));
      yield* (script[turn]!.events ?? []) as readonly StateEvent<KubeObject>[] as readonly StateEvent<T>[];
      if (turn < script.length - 1) return;
      await new Promise((resolve) => options.signal.addEventListener("abort", resolve));
    },
  };
  return source as StateSource;
}

/** Follows a script until `last` was told, and returns all that was. */
async function told(script: readonly Script[], last: string): Promise<readonly string[]> {
  const abort = new AbortController();
  const words: string[] = [];
  await new Promise<void>((resolve) => {
    const say = (word: string) => {
      words.push(word);
      if (word === last) resolve();
    };
    const informer = createInformer(scripted(script), resourceTypes.configMaps, {
      signal: abort.signal,
      backoff: () => 0,
      onError: (error) => say(`error ${(error as Error).message}`),
    });
    informer.onChange(({ key, before, after }) => {
      const versions = [before, after].map((object) => object?.metadata.resourceVersion ?? "-");
      say(`${key} ${versions.join("→")}`);
      expect(informer.get(key)).toBe(after);
    });
  });
  abort.abort();
  return words;
}

describe("an informer", () => {
  it("tells what is there, and every change after", async () => {
    const events: StateEvent<KubeConfigMap>[] = [
      { kind: "upserted", object: configMap("a", "2") },
      { kind: "upserted", object: configMap("b", "1") },
      { kind: "deleted", object: configMap("a", "3") },
    ];
    expect(await told([{ list: [configMap("a", "1")], events }], "shop/a 2→-")).toEqual([
      "shop/a -→1",
      "shop/a 1→2",
      "shop/b -→1",
      "shop/a 2→-",
    ]);
  });

  it("lists anew when the watch lost something, and tells only the differences", async () => {
    const script: Script[] = [
      { list: [configMap("a", "1"), configMap("b", "1"), configMap("c", "1")], events: [{ kind: "relist" }] },
      { list: [configMap("a", "1"), configMap("c", "2"), configMap("d", "1")] },
    ];
    expect((await told(script, "shop/d -→1")).slice(3)).toEqual(["shop/b 1→-", "shop/c 1→2", "shop/d -→1"]);
  });

  it("goes on after failures of list and watch", async () => {
    const script: Script[] = [
      { list: new Error("down") },
      { list: [configMap("a", "1")] },
      { list: [configMap("a", "2")] },
    ];
    expect(await told(script, "shop/a 1→2")).toEqual(["error down", "shop/a -→1", "shop/a 1→2"]);
  });

  it("tells an object that was created anew as deleted and created", async () => {
    const script: Script[] = [
      { list: [configMap("a", "1", "first")], events: [{ kind: "relist" }] },
      { list: [configMap("a", "1", "second"), configMap("z", "1")] },
    ];
    expect(await told(script, "shop/z -→1")).toEqual(["shop/a -→1", "shop/a 1→-", "shop/a -→1", "shop/z -→1"]);
  });

  it("is ready after the first list, and rejects when it ends before", async () => {
    const abort = new AbortController();
    const informer = createInformer(scripted([{ list: [configMap("a", "1")] }]), resourceTypes.configMaps, {
      signal: abort.signal,
    });
    await informer.ready;
    expect([...informer.items().keys()]).toEqual(["shop/a"]);
    abort.abort();
    const never = createInformer(scripted([{ list: new Error("down") }]), resourceTypes.configMaps, {
      signal: AbortSignal.abort(new Error("over")),
    });
    await expect(never.ready).rejects.toThrow("over");
  });
});

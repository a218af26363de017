import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { readNodes } from "../../src/actions/read-nodes.js";
import { collectRows } from "../../src/actions/row-list.js";
import { AgentError, UsageError } from "../../src/lib/errors.js";
import type { Completeness } from "../../src/model/readers.js";
import type { FeatureRow } from "../../src/model/rows.js";
import type { Session, SessionNode } from "../../src/session/session.js";

const whole: Completeness = { state: "complete", rowsRead: 2, restarts: 0, mapsRead: 1 };

function row(node: string, name: string): FeatureRow {
  return { node, name, isAvailable: true, probed: "", costWhenMissing: "", since: "" };
}

interface Script {
  /** Says nothing more after the last batch, until the reading is aborted. */
  readonly isEndless?: boolean;
  readonly batches?: readonly (readonly string[])[];
  readonly end?: Completeness;
  readonly failure?: Error;
  readonly openFailure?: Error;
  /** Waits before each batch. */
  readonly gate?: () => Promise<void>;
}

/** A node behind the session's own interface that answers as told and notes whether it was closed. */
class ScriptedNode implements SessionNode {
  readonly name: string;
  readonly #script: Script;
  opened = 0;
  closed = 0;
  delivered = 0;

  constructor(name: string, script: Script) {
    this.name = name;
    this.#script = script;
  }

  async open(): Promise<Session> {
    if (this.#script.openFailure !== undefined) throw this.#script.openFailure;
    this.opened++;
    const { batches = [], end = whole, failure, gate, isEndless } = this.#script;
    const { name } = this;
    const note = () => this.delivered++;
    async function* read(_name: string, _request: unknown, options: { readonly signal: AbortSignal }) {
      for (const batch of batches) {
        await gate?.();
        note();
        yield batch.map((text) => row(name, text));
      }
      if (failure !== undefined) throw failure;
      if (isEndless === true) await once(options.signal, "abort");
      return end;
    }
    return {
      node: { name, kernelRelease: "6", bpffs: "/", clock: { nowSeconds: 0, jiffiesHz: undefined } },
      read: read as unknown as Session["read"],
      [Symbol.asyncDispose]: async () => {
        this.closed++;
      },
    };
  }
}

const signal = new AbortController().signal;
const read = (nodes: readonly SessionNode[]) => readNodes({ nodes }, "features", {}, { signal });

describe("readNodes", () => {
  test("who has enough ends readings too that wait for their node", async () => {
    const nodes = ["a", "b"].map((name) => new ScriptedNode(name, { batches: [["x"]], isEndless: true }));
    for await (const batch of read(nodes).rows) {
      expect(batch).toHaveLength(1);
      break;
    }
    expect(nodes.map(({ closed }) => closed)).toEqual([1, 1]);
  });

  test("readings that do not end by themselves are of all nodes at once, and failures are told at once", async () => {
    const names = Array.from({ length: 12 }, (_, i) => `n${i}`);
    const nodes = names.map((name) => new ScriptedNode(name, { batches: [["x"]], isEndless: true }));
    const gone = new ScriptedNode("gone", { openFailure: new AgentError("x", "it is gone") });
    const failed: string[] = [];
    const list = readNodes(
      { nodes: [gone, ...nodes] },
      "features",
      {},
      {
        signal,
        concurrency: 13,
        onFailure: (node, { message }) => failed.push(`${node}: ${message}`),
      },
    );
    const seen = new Set<string>();
    for await (const batch of list.rows) {
      for (const { node } of batch) seen.add(node ?? "");
      if (seen.size === 12) break;
    }
    expect(failed).toEqual(["gone: it is gone"]);
  });

  test("merges the nodes' rows as they come, and closes every session", async () => {
    let release = () => {};
    const late = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = new ScriptedNode("slow", { batches: [["a"], ["b"]], gate: () => late });
    const quick = new ScriptedNode("quick", { batches: [["c"], ["d"]] });
    const seen: string[] = [];
    const list = read([slow, quick]);
    for await (const batch of list.rows) {
      seen.push(...batch.map((item) => item.name));
      if (seen.length === 2) release();
    }
    expect(seen.slice(0, 2)).toEqual(["c", "d"]);
    expect([...seen].sort()).toEqual(["a", "b", "c", "d"]);
    expect([slow.closed, quick.closed]).toEqual([1, 1]);
    expect(list.status()).toMatchObject({ state: "complete", rowsRead: 4, mapsRead: 2 });
    expect(list.status().nodes.map((node) => node.name)).toEqual(["slow", "quick"]);
  });

  test("a node that cannot be opened is missing, the others are read", async () => {
    const list = read([
      new ScriptedNode("gone", { openFailure: new AgentError("lab-node-gone", "it has ended") }),
      new ScriptedNode("here", { batches: [["a"]] }),
    ]);
    expect(await collectRows(list)).toHaveLength(1);
    expect(list.status()).toMatchObject({ state: "partial", reason: "gone: it has ended" });
  });

  test("a node that fails half-way keeps its rows and is partial", async () => {
    const list = read([
      new ScriptedNode("half", { batches: [["a"]], failure: new AgentError("x", "cut") }),
      new ScriptedNode("here", { batches: [["b"]] }),
    ]);
    expect(await collectRows(list)).toHaveLength(2);
    expect(list.status().nodes[0]).toMatchObject({ state: "partial", reason: "cut", rowsRead: 1 });
  });

  test("when no node can be read, the first error is the answer", async () => {
    const failure = new AgentError("a", "first");
    const list = read([
      new ScriptedNode("a", { openFailure: failure }),
      new ScriptedNode("b", { openFailure: failure }),
    ]);
    await expect(collectRows(list)).rejects.toBe(failure);
  });

  test("misuse and bugs are not hidden as a missing node", async () => {
    for (const failure of [new UsageError("x", "bad filter"), new TypeError("bug")]) {
      const other = new ScriptedNode("b", { batches: [["a"], ["b"]] });
      const list = read([new ScriptedNode("a", { openFailure: failure }), other]);
      await expect(collectRows(list)).rejects.toBe(failure);
      expect(other.closed).toBe(other.opened);
    }
  });

  test("a reader that has enough ends every session", async () => {
    const nodes = ["a", "b"].map(
      (name) => new ScriptedNode(name, { batches: Array.from({ length: 100 }, () => ["x"]) }),
    );
    const list = read(nodes);
    for await (const _ of list.rows) break;
    expect(nodes.map((node) => node.closed)).toEqual([1, 1]);
    expect(nodes.every((node) => node.delivered < 5)).toBe(true);
    expect(list.status().nodes[0]?.reason).toContain("limit");
  });

  test("no more than eight sessions are open at a time", async () => {
    let open = 0;
    let most = 0;
    const nodes = Array.from({ length: 20 }, (_, index) => {
      const node = new ScriptedNode(`n${index}`, {
        batches: [["x"], ["y"]],
        gate: () => new Promise((resolve) => setImmediate(resolve)),
      });
      const { open: openNode } = node;
      node.open = async () => {
        most = Math.max(most, ++open);
        const session = await openNode.call(node);
        const close = session[Symbol.asyncDispose].bind(session);
        session[Symbol.asyncDispose] = async () => {
          open--;
          await close();
        };
        return session;
      };
      return node;
    });
    expect(await collectRows(read(nodes))).toHaveLength(40);
    expect(most).toBe(8);
  });

  test("notes and partial ends of the nodes come through", async () => {
    const end: Completeness = {
      state: "partial",
      reason: "map changed",
      rowsRead: 7,
      restarts: 2,
      mapsRead: 1,
      notes: ["n"],
    };
    const list = read([new ScriptedNode("a", { batches: [["x"]], end })]);
    await collectRows(list);
    expect(list.status()).toMatchObject({
      state: "partial",
      reason: "a: map changed",
      restarts: 2,
      rowsRead: 7,
      notes: ["n"],
    });
  });
});

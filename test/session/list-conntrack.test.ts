import { describe, expect, test } from "vitest";
import { listConntrack } from "../../src/actions/list-conntrack.js";
import { NameIndex } from "../../src/actions/names/name-index.js";
import type { Target } from "../../src/actions/open-target.js";
import type { RowSelection } from "../../src/actions/row-selection.js";
import { emptyNames } from "../../src/model/names-document.js";

/** A target without nodes that counts how often it is asked for names. */
class NamelessTarget implements Target {
  readonly description = "none";
  readonly resolved = { kind: "lab", description: "none", nodes: [], lab: { stateDir: "/nonexistent" } } as never;
  readonly nodes = [];
  readonly state = undefined;
  readonly notes = [];
  asked = 0;

  async names(): Promise<NameIndex> {
    this.asked++;
    return new NameIndex(emptyNames);
  }

  async learnServices(): Promise<void> {
    this.asked++;
  }

  async refreshNames(): Promise<void> {
    this.asked++;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function timesAsked(isNamed: boolean, selection: RowSelection): Promise<number> {
  const target = new NamelessTarget();
  await listConntrack(target, selection, { signal: new AbortController().signal, isNamed });
  return target.asked;
}

describe("names in a list of connections", () => {
  test("are not asked for when the output shows none", async () => {
    expect(await timesAsked(false, {})).toBe(0);
    expect(await timesAsked(false, { ports: [80] } as RowSelection)).toBe(0);
  });

  test("are asked for when the output shows them, or the selection speaks of them", async () => {
    expect(await timesAsked(true, {})).toBe(1);
    expect(await timesAsked(false, { namespace: "shop" } as RowSelection)).toBe(1);
  });
});

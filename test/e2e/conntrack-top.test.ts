import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCaptureNode } from "../support/capture-node.js";
import { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";

interface Entry {
  readonly [field: string]: unknown;
  readonly source: string;
  readonly destination: string;
  readonly direction: string;
}

interface Group {
  readonly [field: string]: unknown;
  readonly entries: number;
  readonly share: number;
}

let node: MapNode;
let entries: readonly Entry[];
const run = (...args: readonly string[]) => runCli([...args, "--lab", node.lab]);

async function listed(...args: readonly string[]): Promise<readonly Entry[]> {
  return JSON.parse((await run("bpf", "ct", "list", "-o", "json", ...args)).stdout).items;
}

async function top(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await run("bpf", "ct", "top", "-o", "json", ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const { items, status }: { readonly items: readonly Group[]; readonly status: { readonly notes?: string[] } } =
    JSON.parse(stdout);
  return { items, status };
}

function countBy(all: readonly Entry[], of: (entry: Entry) => unknown): ReadonlyMap<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const entry of all) counts.set(of(entry), (counts.get(of(entry)) ?? 0) + 1);
  return counts;
}

beforeAll(async () => {
  node = await startCaptureNode();
  entries = await listed();
});
afterAll(() => node[Symbol.dispose]());

/** What stands in the item → what it is of a listed entry. */
const dimensions: readonly (readonly [by: string, of: (entry: Entry) => unknown])[] = [
  ["proto", (entry) => entry.protocol],
  ["state", (entry) => entry.state],
  ["direction", (entry) => entry.direction],
  ["identity", (entry) => entry.sourceIdentity],
  ["node", (entry) => entry.node],
  ["pod", (entry) => (entry.direction === "in" ? entry.destination : entry.source)],
];

describe("bpf ct top", () => {
  test.each(dimensions)("--by %s counts what the list lists", async (by, of) => {
    const { items } = await top("--by", by);
    const expected = countBy(entries, of);
    const name = (group: Group) => {
      const named = entries.find((entry) => (entry.sourceName as { name?: string } | undefined)?.name === group[by]);
      return named === undefined ? group[by] : of(named);
    };
    expect(new Map(items.map((group) => [name(group), group.entries]))).toEqual(expected);
    expect(items.map((group) => group.entries)).toEqual([...expected.values()].sort((a, b) => b - a));
    expect(items.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 2);
  });

  test("--by service goes by the entry's service id, or else by the backend", async () => {
    const { items } = await top("--by", "service");
    const counts = new Map(items.map(({ service, entries: count }) => [service, count]));
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(entries.length);
    // The id of 10.89.0.11:30080, by which nothing but service entries and those of their backends is known.
    const ofNodePort = entries.filter(({ revNatId }) => revNatId === 8);
    expect(ofNodePort.length).toBeGreaterThan(1);
    expect(counts.get("10.89.0.11:30080/TCP")).toBe(ofNodePort.length);
    // Nobody has dialled it by its id here: its one backend has connections.
    expect([...counts.keys()]).toContain(null);
  });

  test("several dimensions count each combination, whether with commas or repeated", async () => {
    const both = await top("--by", "proto,direction");
    expect(await top("--by", "proto", "--by", "direction")).toMatchObject({ items: both.items });
    expect(new Map(both.items.map((group) => [`${group.proto} ${group.direction}`, group.entries]))).toEqual(
      countBy(entries, (entry) => `${entry.protocol} ${entry.direction}`),
    );
    const sum = (field: string): number => entries.reduce((all, entry) => all + Number(entry[field]), 0);
    for (const field of ["packets", "bytes"]) {
      expect(both.items.reduce((all, group) => all + Number(group[field]), 0)).toBe(sum(field));
    }
  });

  test("filters are those of the list", async () => {
    const filters = ["--proto", "tcp", "--state", "closed", "--direction", "out"];
    const { items } = await top("--by", "node", ...filters);
    expect(items.map((group) => group.entries)).toEqual([(await listed(...filters)).length]);
  });

  test("the table is sorted by entries, or as it is asked for, and cut", async () => {
    const all = (await run("bpf", "ct", "top", "--by", "state")).stdout.trimEnd().split("\n");
    expect(all[0]).toMatch(/^STATE +ENTRIES +SHARE +PACKETS +BYTES$/);
    const limited = (await run("bpf", "ct", "top", "--by", "state", "--limit", "2")).stdout.trimEnd().split("\n");
    expect(limited.map((line) => line.split(/ +/)[0])).toEqual(all.slice(0, 3).map((line) => line.split(/ +/)[0]));
    const sorted = (await run("bpf", "ct", "top", "--by", "state", "--sort", "STATE", "--no-headers")).stdout;
    const states = sorted
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(states).toEqual([...states].sort());
  });

  test("groups beyond --max-groups are one, and the status says so", async () => {
    const { items, status } = await top("--by", "pod", "--max-groups", "3");
    expect(items).toHaveLength(4);
    const rest = items.find((group) => group.other === true);
    expect(items.reduce((sum, group) => sum + group.entries, 0)).toBe(entries.length);
    expect(status.notes).toEqual([
      expect.stringContaining(`${rest?.entries} entries of those that came later are one`),
    ]);
    const table = await run("bpf", "ct", "top", "--by", "state", "--by", "pod", "--max-groups", "3");
    expect(table.stdout).toMatch(/^\(other\) +- +\d+/m);
    expect(table.stderr).toContain("note: there are more than 3 groups");
  });

  test("without an entry says so; upstream has no such list", async () => {
    const nothing = await run("bpf", "ct", "top", "--pod", "192.0.2.1");
    expect([nothing.exitCode, nothing.stderr]).toEqual([0, expect.stringMatching(/^no entry matches the filters\n/)]);
    expect((await run("bpf", "ct", "top", "-o", "cilium")).exitCode).toBe(2);
    expect((await run("bpf", "ct", "top", "--by", "color")).exitCode).toBe(2);
  });
});

describe("bpf ct top on other releases", () => {
  const shape = { type: "lru_hash", keySizeBytes: 14, valueSizeBytes: 56, maxEntries: 16 } as const;
  let old: MapNode;
  beforeAll(async () => {
    old = await MapNode.start();
    const map = old.pin("cilium_ct4_global", shape);
    const value = Buffer.alloc(56);
    [5n, 500n, 7n, 700n].forEach((count, index) => {
      value.writeBigUInt64LE(count, 8 * index);
    });
    map.update(Buffer.from("0a0000010a00000200509c400600", "hex"), value);
    // A service entry has its backend's id where others count the bytes of replies.
    map.update(Buffer.from("0a6000010a000002c35000500604", "hex"), value);
  });
  afterAll(() => old[Symbol.dispose]());

  const topOf = async (...args: readonly string[]) => {
    const { stdout } = await runCli(["bpf", "ct", "top", "--by", "direction", "--lab", old.lab, ...args]);
    return stdout;
  };

  test("up to 1.15 both directions are added", async () => {
    const { items } = JSON.parse(await topOf("-o", "json", "--release", "1.15"));
    expect(items).toMatchObject([
      { direction: "out", packets: 12, bytes: 1200 },
      { direction: "service", packets: 12, bytes: 700 },
    ]);
  });

  test("where that is undecided packets and bytes are unknown", async () => {
    expect(JSON.parse(await topOf("-o", "json")).items).toMatchObject([
      { direction: "out", entries: 1, packets: null, bytes: null },
      { direction: "service", entries: 1, packets: null, bytes: null },
    ]);
    expect(await topOf("--no-headers")).toMatch(/^out +1 +50\.0% +\? +\?\n/);
  });
});

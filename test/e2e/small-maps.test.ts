import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { releases } from "../../src/abi/release.js";
import { upstreamMap } from "../../src/abi/upstream-maps.js";
import type { MapSource, SmallMap, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { NodeReaders } from "../../src/node/node-readers.js";
import { MapNode } from "../support/map-node.js";
import { fillPin } from "../support/small-map-filling.js";

const { signal } = new AbortController();
type Source = MapSource<SmallMapRow>;

async function readRows(node: MapNode, map: SmallMap<SmallMapRow>, release: string): Promise<readonly SmallMapRow[]> {
  const rows: SmallMapRow[] = [];
  await using readers = NodeReaders.open({
    name: node.nodeName,
    root: `/proc/${node.pid}/root`,
    bpffs: node.bpffs,
    release,
  });
  for await (const batch of readers.read("small-map", { map: map.name }, { signal })) rows.push(...batch);
  return rows;
}

/** Rows as sorted texts, without what every row says of its reading. */
function comparable(rows: readonly object[]): readonly string[] {
  const stamps: ReadonlySet<string> = new Set(["node", "pin", "release", "clock"]);
  return rows
    .map((row) => Object.entries(row).filter(([name, value]) => !stamps.has(name) && value !== undefined))
    .map((fields) =>
      JSON.stringify(
        fields.sort(([a], [b]) => (a < b ? -1 : 1)),
        withBigints,
      ),
    )
    .sort();
}

function withBigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

describe.each(releases)("small maps in the layout of %s, read through the kernel", (release) => {
  let node: MapNode;
  const expected = new Map<Source, readonly object[]>();
  const present = smallMaps.filter(({ sources }) => sources.some(({ pin }) => upstreamMap(pin, release) !== undefined));

  beforeAll(async () => {
    node = await MapNode.start();
    const sources = present.flatMap((map) => map.sources).filter(({ pin }) => upstreamMap(pin, release) !== undefined);
    for (const pin of new Set(sources.map((source) => source.pin))) {
      const own = sources.filter((source) => source.pin === pin);
      for (const [source, rows] of await fillPin(node, own, release)) expected.set(source, rows);
    }
  });
  afterAll(() => node[Symbol.dispose]());

  test.each(present.map((map): [string, SmallMap<SmallMapRow>] => [map.name, map]))(
    "%s: every entry as it was put in",
    async (_, map) => {
      const pinned = node.pinNames();
      const sources = map.sources.filter(({ replacedBy }) => replacedBy === undefined || !pinned.includes(replacedBy));
      const rows = sources.flatMap((source) => expected.get(source) ?? []);
      expect(rows.length).toBeGreaterThan(0);
      expect(comparable(await readRows(node, map, release))).toEqual(comparable(rows));
    },
  );

  test("maps that the release does not have are missing, with the reason", async () => {
    for (const map of smallMaps.filter((candidate) => !present.includes(candidate))) {
      await expect(readRows(node, map, release)).rejects.toMatchObject({
        code: "map-missing",
        hint: `The agent makes it when ${map.madeWhen}.`,
      });
    }
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Release, releases } from "../../src/abi/release.js";
import { upstreamMap } from "../../src/abi/upstream-maps.js";
import { listSmallMap } from "../../src/actions/list-small-map.js";
import { openTarget } from "../../src/actions/open-target.js";
import type { MapSource, SmallMap, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { NodeReaders } from "../../src/node/node-readers.js";
import { smallMapList } from "../../src/output/lists/small-map-list.js";
import { parseOutput } from "../../src/output/output-format.js";
import { printList } from "../../src/output/printer.js";
import { MapNode } from "../support/map-node.js";
import { repositoryRoot, runCli } from "../support/run-cli.js";
import { fillPin, pinEmpty } from "../support/small-map-filling.js";
import { joinText } from "../unit/abi-capture-files.js";

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

/** When the maps were read: some lists show how long ago something was. */
const nowSeconds = 4711;

/** The words of each small map's command: it takes its summary from the declaration. */
function commandOf(map: SmallMap<SmallMapRow>): readonly string[] {
  if (map.name === "nat-cluster") return ["bpf", "nat", "list", "cluster"];
  const { commands } = JSON.parse(readFileSync(join(repositoryRoot, "oclif.manifest.json"), "utf8")) as {
    readonly commands: Readonly<Record<string, { readonly summary?: string }>>;
  };
  const [id] = Object.entries(commands).find(([, { summary }]) => summary === map.summary) ?? [];
  if (id === undefined) throw new Error(`no command has the summary of ${map.name}`);
  return id.split(":");
}

/** What the list of the node's entries is in upstream's form. */
async function upstreamText(node: MapNode, map: SmallMap<SmallMapRow>, release: Release): Promise<string> {
  await using target = await openTarget({ lab: node.lab, release, nowSeconds });
  const { rows, status } = await listSmallMap(target, map, {}, { signal, isNamed: false });
  return joinText(printList(smallMapList(map), rows, status, { output: parseOutput("cilium") }));
}

/** The newest release that has the map; every one but a few is in the newest of all. */
function newestWith({ sources }: SmallMap<SmallMapRow>): Release {
  return [...releases].reverse().find((release) => sources.some(({ pin }) => upstreamMap(pin, release) !== undefined))!;
}

const generations = [...new Set(smallMaps.map(newestWith))];

describe.each(generations)("the commands of the small maps of %s, as a user runs them, with -o cilium", (release) => {
  const maps = smallMaps.filter((map) => newestWith(map) === release);
  const nodes: Record<"filled" | "empty" | "bare", MapNode | undefined> = {
    filled: undefined,
    empty: undefined,
    bare: undefined,
  };

  beforeAll(async () => {
    for (const name of ["filled", "empty", "bare"] as const) nodes[name] = await MapNode.start();
    const sources = maps.flatMap((map) => map.sources).filter(({ pin }) => upstreamMap(pin, release) !== undefined);
    for (const pin of new Set(sources.map((source) => source.pin))) {
      const own = sources.filter((source) => source.pin === pin);
      await fillPin(nodes.filled!, own, release);
      pinEmpty(nodes.empty!, own, release);
    }
  });
  afterAll(() => {
    for (const node of Object.values(nodes)) node?.[Symbol.dispose]();
  });

  const run = (node: MapNode | undefined, map: SmallMap<SmallMapRow>) =>
    runCli([
      ...[...commandOf(map), "-o", "cilium", "--lab", node!.lab, "--release", release],
      ...(map.isTimed === true ? ["--now", String(nowSeconds)] : []),
    ]);

  const known = maps.filter(({ upstream }) => upstream !== undefined).map((map) => [map.name, map] as const);
  test.each(known)("%s: filled, empty and missing", async (_, map) => {
    const [filled, empty, bare] = await Promise.all([
      run(nodes.filled, map),
      run(nodes.empty, map),
      run(nodes.bare, map),
    ]);
    expect([filled.exitCode, filled.stdout]).toEqual([0, await upstreamText(nodes.filled!, map, release)]);
    expect(filled.stdout).not.toBe("");
    expect([empty.exitCode, empty.stdout]).toEqual([0, await upstreamText(nodes.empty!, map, release)]);
    const { whenMissing } = map.upstream!;
    if (whenMissing !== undefined) expect(bare).toMatchObject({ exitCode: 0, stdout: "", stderr: `${whenMissing}\n` });
    else expect([bare.exitCode, bare.stdout, bare.stderr]).toEqual([6, "", expect.stringContaining(map.madeWhen)]);
  });

  const unknown = maps.filter(({ upstream }) => upstream === undefined).map((map) => [map.name, map] as const);
  test.each(unknown)("%s: refused, because upstream's tool has no such list", async (_, map) => {
    const { exitCode, stderr } = await run(nodes.filled, map);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("upstream's tool has no such list, so there is no -o cilium of it");
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCtCodecs } from "../../src/abi/conntrack.js";
import { type Release, releases } from "../../src/abi/release.js";
import type { BpfMap } from "../../src/kernel/bpf-map.js";
import { IpAddress } from "../../src/lib/ip.js";
import { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";

const shape = { type: "lru_hash", keySizeBytes: 14, valueSizeBytes: 56, maxEntries: 1024 } as const;
const now = "1000";

/** An entry by its client port. */
function insert(map: BpfMap, release: Release, port: number, times: { expires: number; rx: number; tx: number }): void {
  const { tuple4, entry } = createCtCodecs([release]);
  const [daddr, saddr] = [IpAddress.parse("10.0.0.1"), IpAddress.parse("10.0.0.2")];
  const unused = { union0: 0n, backendId: 0n, packets: 0n, bytes: 0n, flags: 0x10, revNatId: 0 };
  map.update(
    tuple4.encode({ daddr, saddr, dport: 80, sport: port, protocol: 6, flags: 0 }),
    entry.encode({
      ...unused,
      natPort: 0,
      interfaceIndex: 0,
      txFlagsSeen: 0x1b,
      rxFlagsSeen: 0x1b,
      sourceIdentity: 2,
      lifetimeSeconds: times.expires,
      lastRxReportSeconds: times.rx,
      lastTxReportSeconds: times.tx,
    }),
  );
}

const portsOf = (text: string): readonly number[] =>
  [...text.matchAll(/10\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port)).sort();

describe.each(releases)("times of conntrack entries in the layout of %s", (release) => {
  let node: MapNode;
  beforeAll(async () => {
    node = await MapNode.start();
    const map = node.pin("cilium_ct4_global", shape);
    insert(map, release, 1001, { expires: 999, rx: 0, tx: 400 });
    insert(map, release, 1002, { expires: 1000, rx: 970, tx: 0 });
    insert(map, release, 1003, { expires: 1060, rx: 100, tx: 999 });
    insert(map, release, 1004, { expires: 0, rx: 0, tx: 0 });
  });
  afterAll(() => node[Symbol.dispose]());

  const list = async (...args: readonly string[]) => {
    const { exitCode, stdout } = await runCli([
      ...["bpf", "ct", "list", "--lab", node.lab, "--release", release, "--now", now],
      ...args,
    ]);
    expect(exitCode).toBe(0);
    return stdout;
  };

  test.each(["table", "cilium"])("--expired and --seen-since filter, -o %s", async (output) => {
    expect(portsOf(await list("--expired", "-o", output))).toEqual([1001, 1004]);
    expect(portsOf(await list("--seen-since", "30s", "-o", output))).toEqual([1002, 1003]);
  });

  test("filters by time are joined by and, on the node", async () => {
    const json = JSON.parse(await list("--expired", "--seen-since", "10m", "-o", "json"));
    expect(json.items.map((item: { sourcePort: number }) => item.sourcePort)).toEqual([1001]);
    expect(json.status.rowsRead).toBe(4);
  });

  test("--age shows when a packet was reported last", async () => {
    const lines = (await list("--age", "--sort-by", "LAST-SEEN")).trimEnd().split("\n");
    const column = lines[0]!.split(/ {2,}/).indexOf("LAST-SEEN");
    expect(lines.slice(1).map((line) => line.split(/ {2,}/)[column])).toEqual(["-", "10m", "30s", "1s"]);
    const { items } = JSON.parse(await list("--age", "--sort-by", "source", "-o", "json"));
    expect(new Map(items.map((item: Record<string, number>) => [item.sourcePort, item.lastSeenSecondsAgo]))).toEqual(
      new Map<number, number | undefined>([
        [1001, 600],
        [1002, 30],
        [1003, 1],
        [1004, undefined],
      ]),
    );
    expect(JSON.parse(await list("-o", "json")).items[0]).not.toHaveProperty("lastSeenSecondsAgo");
  });
});

describe("connections that are new", () => {
  let node: MapNode;
  let map: BpfMap;
  beforeAll(async () => {
    node = await MapNode.start();
    map = node.pin("cilium_ct4_global", shape);
    for (let port = 1; port <= 100; port++) insert(map, "1.20", port, { expires: 1e9, rx: 1, tx: 1 });
  });
  afterAll(() => node[Symbol.dispose]());

  const run = (...args: readonly string[]) => runCli(["bpf", "ct", ...args, "--lab", node.lab, "--release", "1.20"]);

  /** What a command finds while connections come. */
  async function whileTheyCome(firstPort: number, ...args: readonly string[]) {
    let port = firstPort;
    const coming = setInterval(() => insert(map, "1.20", port++, { expires: 1e9, rx: 1, tx: 1 }), 20);
    try {
      return await run(...args);
    } finally {
      clearInterval(coming);
    }
  }

  test("--new-since lists what came meanwhile and nothing that was there, and says why it waits", async () => {
    const { exitCode, stdout, stderr } = await whileTheyCome(200, "list", "--new-since", "1s", "-o", "cilium");
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: "maps hold no time of creation: what comes within 1s is listed then\n",
    });
    const ports = portsOf(stdout);
    expect(ports.length).toBeGreaterThan(0);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(200);
  });

  test("up to a moment, together with filters, and counted", async () => {
    const soon = new Date(Date.now() + 2_000).toISOString();
    const [none, counted] = await Promise.all([
      run("list", "--new-since", soon, "--port", "81", "-o", "json"),
      whileTheyCome(400, "top", "--by", "proto", "--new-since", "1s", "-o", "json"),
    ]);
    expect(JSON.parse(none.stdout)).toMatchObject({ items: [], status: { state: "complete" } });
    const [group] = JSON.parse(counted.stdout).items;
    expect(group.entries).toBeGreaterThan(0);
    expect(group.entries).toBeLessThan(100);
  });

  test("what cannot be told is refused", async () => {
    const past = await run("list", "--new-since", "2020-01-01T00:00:00Z");
    expect(past.exitCode).toBe(2);
    expect(past.stderr).toContain("The maps hold no time of creation");
    expect(past.stderr).toContain("--seen-since TIME");
    const refused = [
      ["--new-since", "1s", "--watch"],
      ["--new-since", "soon"],
      ["--seen-since", "2999-01-01T00:00:00Z"],
      ["--seen-since", "-5s"],
    ];
    const answers = await Promise.all(refused.map((args) => run("list", ...args)));
    expect(answers.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 2]);
  });
});

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BenchLab, cli } from "../bench-lab.js";
import { fillPods } from "../filler-objects.js";
import { fillConntrack, fillerPods, fillerServices } from "../full-conntrack.js";
import { describeCommit } from "../results.js";
import { measureRounds, type RoundSettings } from "../rounds.js";
import { run } from "../shell.js";
import type { Topology } from "../topology.js";
import { onCore, waitBeside, whileRunning } from "./beside.js";
import { entryFormats, entryMarks, type ListCase, measureCases } from "./lists.js";
import { PlacedMap } from "./placed-map.js";
import { profileLists, runStep } from "./profile.js";
import {
  type ChangingRead,
  computingWay,
  type ListCost,
  type ProfileColumn,
  type ReadingResults,
  type ScanCost,
  type Wait,
} from "./results.js";

/** The map that is read, on a node where nothing else happens; and the node where traffic uses it. */
const mapName = "cilium_ct4_global";
const [quietNode, busyNode] = ["bench-2", "bench-1"] as const;

const full = { entries: 500_000, slots: 1_048_576, map: "500,000 entries" } as const;
/** The map is an LRU: it needs room to spare, or entries push each other out while it is filled. */
const huge = { entries: 4_000_000, slots: 5_242_880, map: "4,000,000 entries" } as const;
const sparse = { entries: 10, slots: 16_777_216, map: "10 entries in 16,777,216 slots" } as const;
const changesPerSecond = 50_000;
const services = 10_000;

interface Reading {
  readonly lab: BenchLab;
  readonly folder: string;
  readonly settings: RoundSettings;
  readonly isQuick: boolean;
}

type Part = Partial<ReadingResults>;

/** What a list of a conntrack map costs, and whom it disturbs; see docs/benchmarks.md. */
export async function measureReading(
  settings: RoundSettings,
  options: { readonly isQuick: boolean; readonly print: (line: string) => void },
): Promise<ReadingResults> {
  const folder = mkdtempSync(join(tmpdir(), "cts-b-"));
  const origin = {
    startedAt: new Date().toISOString(),
    commit: describeCommit(),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
  };
  let lab: BenchLab | undefined;
  try {
    lab = await BenchLab.open("bench-read", "socket LB");
    await fillPods(lab.stateDir, fillerPods);
    await lab.growTo(fillerServices + 1);
    const reading: Reading = { lab, folder, settings, isQuick: options.isQuick };
    const parts: Part[] = [];
    for (const [what, measure] of Object.entries(stages)) {
      settings.signal.throwIfAborted();
      const startedMs = performance.now();
      parts.push(await measure(reading));
      options.print(`reading maps: ${what} measured in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
    }
    return { ...origin, ...joinParts(parts) };
  } finally {
    await lab?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

const stages: Readonly<Record<string, (reading: Reading) => Promise<Part>>> = {
  "500,000 entries": measureFull,
  "4,000,000 entries": measureHuge,
  "a nearly empty map": measureSparse,
  "a map that changes": measureChanging,
  "traffic meanwhile": measureTraffic,
  Services: measureServices,
};

function joinParts(parts: readonly Part[]): Omit<ReadingResults, "startedAt" | "commit" | "node" | "loadBefore"> {
  const all = <T>(pick: (part: Part) => readonly T[] | undefined): readonly T[] =>
    parts.flatMap((part) => pick(part) ?? []);
  return {
    lists: all(({ lists }) => lists),
    scans: all(({ scans }) => scans),
    changing: all(({ changing }) => changing),
    waits: all(({ waits }) => waits),
    traffic: parts.find(({ traffic }) => traffic !== undefined)?.traffic,
    profile: all(({ profile }) => profile),
    leftOut: all(({ leftOut }) => leftOut),
  };
}

/** A list is steadier than traffic, and takes longer. */
function listRounds({ settings, isQuick }: Reading): number {
  return isQuick ? 1 : Math.ceil(settings.rounds / 2);
}

function listCommand({ lab }: Reading, node: string, format: string): readonly string[] {
  return [cli, "bpf", "ct", "list", "--lab", lab.name, "--node", node, "-o", format];
}

/** One list in each of the four formats. */
function formatCases(
  reading: Reading,
  { map, entries }: { readonly map: string; readonly entries: number },
): ListCase[] {
  return entryFormats.map((format) => ({
    map,
    what: `bpf ct list -o ${format}`,
    command: listCommand(reading, quietNode, format),
    mark: entryMarks[format],
    entries,
  }));
}

/** A list that goes into a pipe: when does its first row come? */
function firstRowCase(reading: Reading, map: string): ListCase {
  return { map, what: "bpf ct list -o cilium | …", command: listCommand(reading, quietNode, "cilium"), isPiped: true };
}

async function hasBpftool(): Promise<boolean> {
  return run("bpftool", ["version"]).then(
    () => true,
    () => false,
  );
}

async function measureFull(reading: Reading): Promise<Part> {
  const { lab, folder, settings } = reading;
  const path = lab.pinPath(quietNode, mapName);
  using placed = new PlacedMap(path, full.slots);
  using _empty = new PlacedMap(lab.pinPath(busyNode, mapName), full.slots);
  fillConntrack(placed.map, full.entries);
  const dump = (...flags: readonly string[]): ListCase => ({
    map: full.map,
    what: ["bpftool map dump pinned", ...flags].join(" "),
    command: ["bpftool", ...flags, "map", "dump", "pinned", path],
  });
  const compares = await hasBpftool();
  const cases: readonly ListCase[] = [
    ...formatCases(reading, full),
    firstRowCase(reading, full.map),
    ...(compares ? [dump(), dump("-j")] : []),
    { map: "no entry", what: "bpf ct list -o cilium", command: listCommand(reading, busyNode, "cilium") },
    { map: "none", what: "node -e 0", command: ["node", "-e", "0"] },
  ];
  const lists = await measureCases(cases, { rounds: listRounds(reading), signal: settings.signal, folder });
  return {
    lists,
    scans: [{ map: full.map, scan: await runStep("scan", path) }],
    profile: await profileOf(reading, lists, path),
    waits: await waitsOf(reading, full.map),
    leftOut: compares ? [] : ["bpftool: it is not installed"],
  };
}

async function profileOf(
  { lab, folder, settings, isQuick }: Reading,
  lists: readonly ListCost[],
  pinPath: string,
): Promise<readonly ProfileColumn[]> {
  const find = (map: string, what: string): ListCost => {
    const found = lists.find((one) => one.map === map && one.what === what);
    if (found === undefined) throw new Error(`not measured: ${what}`);
    return found;
  };
  return profileLists({
    lab: lab.name,
    node: quietNode,
    emptyNode: busyNode,
    pinPath,
    outputPath: join(folder, "output"),
    rounds: isQuick ? 1 : 3,
    signal: settings.signal,
    emptyList: find("no entry", "bpf ct list -o cilium"),
    listOf: (format) => find(full.map, `bpf ct list -o ${format}`),
  });
}

/** What somebody else on the reader's core sees of it, beside a process that never calls the kernel. */
async function waitsOf(reading: Reading, map: string): Promise<readonly Wait[]> {
  const seconds = reading.isQuick ? 1 : 3;
  return [
    await waitBeside(`a loop that computes, instead of reading ${map}`, ["node", "-e", "for (;;);"], seconds),
    await waitBeside(map, listCommand(reading, quietNode, "cilium"), seconds),
  ];
}

/** An LRU's memory is taken when it is made: elements of 48 bytes, key and value; buckets of 16. linux/kernel/bpf/hashtab.c */
function whyNoRoom(slots: number): string | undefined {
  const needed = slots * (48 + 16 + 56) + 2 ** Math.ceil(Math.log2(slots)) * 16;
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * 1_024;
  // Half of it stays for the readers, the page cache and whoever else is there.
  if (available >= 2 * needed) return undefined;
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return `it takes ${gigabytes(needed)} of kernel memory, and ${gigabytes(available)} are available, not twice as much`;
}

async function measureHuge(reading: Reading): Promise<Part> {
  if (reading.isQuick) return { leftOut: [`${huge.map}: left out by --quick`] };
  const why = whyNoRoom(huge.slots);
  if (why !== undefined) return { leftOut: [`${huge.map}: ${why}`] };
  const path = reading.lab.pinPath(quietNode, mapName);
  using placed = new PlacedMap(path, huge.slots);
  fillConntrack(placed.map, huge.entries);
  const { folder, settings } = reading;
  const cases = formatCases(reading, huge);
  const lists = await measureCases(cases, { rounds: 1, signal: settings.signal, folder });
  return { lists, scans: [{ map: huge.map, scan: await runStep("scan", path) }] };
}

async function measureSparse(reading: Reading): Promise<Part> {
  const why = whyNoRoom(sparse.slots);
  if (why !== undefined) return { leftOut: [`${sparse.map}: ${why}`] };
  const path = reading.lab.pinPath(quietNode, mapName);
  using placed = new PlacedMap(path, sparse.slots);
  fillConntrack(placed.map, sparse.entries);
  const { folder, settings } = reading;
  const [text] = formatCases(reading, sparse) as [ListCase];
  const cases = [text, firstRowCase(reading, sparse.map)];
  const lists = await measureCases(cases, { rounds: listRounds(reading), signal: settings.signal, folder });
  const scan: ScanCost = { map: sparse.map, scan: await runStep("scan", path) };
  return { lists, scans: [scan], waits: (await waitsOf(reading, sparse.map)).slice(1) };
}

interface ChurnProcess extends AsyncDisposable {
  /** Ends it. How many changes a second it made. */
  stop(): Promise<number>;
}

async function startChurn(path: string): Promise<ChurnProcess> {
  const script = join(import.meta.dirname, "churn.ts");
  const [command = "", ...args] = onCore(1, [
    process.execPath,
    "--import",
    "tsx",
    script,
    path,
    `${changesPerSecond}`,
    `${full.entries}`,
  ]);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => lines.push(...chunk.toString().trim().split("\n")));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`churn.ts ended with ${code}`)));
  });
  const stop = async (): Promise<number> => {
    endProcess(child);
    await ended;
    return Number(lines.at(-1));
  };
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

function endProcess(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
}

interface StatusLine {
  readonly kind: string;
  readonly state: string;
  readonly rowsRead: number;
  readonly restarts: number;
  readonly nodes: readonly { readonly longestSliceMs?: number }[];
}

async function measureChanging(reading: Reading): Promise<Part> {
  const { lab, folder, settings } = reading;
  const path = lab.pinPath(quietNode, mapName);
  using placed = new PlacedMap(path, full.slots);
  fillConntrack(placed.map, full.entries);
  const reads: Omit<ChangingRead, "changesPerSecond">[] = [];
  await using churn = await startChurn(path);
  const output = join(folder, "output");
  for (let round = 0; round < listRounds(reading); round++) {
    settings.signal.throwIfAborted();
    const command = onCore(0, [...listCommand(reading, quietNode, "jsonl"), "--allow-partial"]);
    const [one] = await measureCases([{ map: full.map, what: "changing", command }], {
      ...settings,
      rounds: 1,
      folder,
    });
    const { stdout } = await run("tail", ["-n", "1", output]);
    const status = JSON.parse(stdout) as StatusLine;
    reads.push({
      seconds: one?.runs[0]?.seconds ?? 0,
      entries: status.rowsRead,
      state: status.state,
      restarts: status.restarts,
      longestSliceMs: Math.max(...status.nodes.map(({ longestSliceMs }) => longestSliceMs ?? 0)),
    });
  }
  const achieved = await churn.stop();
  return { changing: reads.map((read) => ({ ...read, changesPerSecond: achieved })) };
}

/** Connections between two pods whose conntrack map is read meanwhile, the reader on the core that they leave free. */
async function measureTraffic(reading: Reading): Promise<Part> {
  const { lab, settings } = reading;
  {
    using map = BpfMap.openPinned(lab.pinPath(busyNode, mapName));
    fillConntrack(map, full.entries);
  }
  const list = listCommand(reading, busyNode, "cilium");
  const way = (name: string, command?: readonly string[]): Topology => ({
    ...lab.sameNode,
    name,
    measure: (how) =>
      command === undefined ? lab.sameNode.measure(how) : whileRunning(command, () => lab.sameNode.measure(how)),
  });
  const ways = [
    way("nobody reads"),
    way("nobody reads (A/A)"),
    way(computingWay, onCore(0, ["node", "-e", "for (;;);"])),
    way("a list in a loop on the other core", onCore(0, list)),
    way("a list in a loop on the same core, nice 19", onCore(1, ["nice", "-n", "19", ...list])),
  ];
  const frame = { scope: "same node", services: fillerServices, mode: "TCP_CRR", cores: "one core" } as const;
  const rounds = { ...settings, seconds: Math.min(settings.seconds, 1.5) };
  return { traffic: await measureRounds(frame, ways, rounds) };
}

async function measureServices(reading: Reading): Promise<Part> {
  const { lab, folder, settings } = reading;
  await lab.growTo(services);
  const map = `${services.toLocaleString("en-US")} Services`;
  const cases = ["table", "cilium"].map((format): ListCase => {
    const command = [cli, "bpf", "lb", "list", "--lab", lab.name, "--node", busyNode, "-o", format];
    return { map, what: `bpf lb list -o ${format}`, command };
  });
  return { lists: await measureCases(cases, { rounds: listRounds(reading), signal: settings.signal, folder }) };
}

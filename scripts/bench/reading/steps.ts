/**
 * One part of `bpf ct list` by the command's own modules, in a process of its own, so that nothing is compiled or cached
 * from a part before. Prints a StepCost as JSON.
 *
 *   steps.ts scan PIN | decode LAB NODE | name LAB NODE | print LAB NODE FORMAT | write FILE BYTES
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { listConntrack } from "../../../src/actions/list-conntrack.js";
import { openTarget } from "../../../src/actions/open-target.js";
import type { RowList } from "../../../src/actions/row-list.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BucketWalk } from "../../../src/kernel/bucket-walk.js";
import type { CtRow } from "../../../src/model/rows.js";
import { scanMap } from "../../../src/node/scan/map-scan.js";
import type { MapBatch, ScannableMap } from "../../../src/node/scan/map-walk.js";
import { conntrackList } from "../../../src/output/lists/conntrack-list.js";
import { parseOutput } from "../../../src/output/output-format.js";
import { printList } from "../../../src/output/printer.js";
import type { SliceTimes, StepCost } from "./results.js";

const { signal } = new AbortController();
type StepResult = Omit<StepCost, "cpuSeconds" | "seconds">;

/** A map that notes how long each of its batch calls held a CPU. */
class TimedMap implements ScannableMap {
  readonly milliseconds: number[] = [];
  readonly info: BpfMap["info"];
  readonly valueStrideBytes: number;
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
    this.info = map.info;
    this.valueStrideBytes = map.valueStrideBytes;
  }

  lookup(key: Uint8Array): Buffer | undefined {
    return this.#map.lookup(key);
  }

  nextKey(key?: Uint8Array): Buffer | undefined {
    return this.#map.nextKey(key);
  }

  async lookupBatchAsync(cursor: Buffer | undefined, count: number, spent?: MapBatch): Promise<MapBatch> {
    const batch = await this.#map.lookupBatchAsync(cursor, count, spent);
    this.milliseconds.push(batch.kernelMs);
    return batch;
  }
}

function timesOf(milliseconds: readonly number[]): SliceTimes | undefined {
  if (milliseconds.length === 0) return undefined;
  const sorted = [...milliseconds].sort((a, b) => a - b);
  return {
    count: sorted.length,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    longestMs: sorted.at(-1) ?? 0,
    sumMs: sorted.reduce((sum, one) => sum + one, 0),
  };
}

async function scan(path: string): Promise<StepResult> {
  using map = BpfMap.openPinned(path, { readOnly: true });
  const timed = new TimedMap(map);
  let looksAtBuckets = false;
  const openKeyFinder = (): BucketWalk => {
    looksAtBuckets = true;
    return BucketWalk.open(map);
  };
  const slices = scanMap(timed, { signal, openKeyFinder });
  let slice = await slices.next();
  while (slice.done !== true) slice = await slices.next();
  const { entries, restarts, state } = slice.value;
  const times = timesOf(timed.milliseconds);
  return {
    entries,
    restarts,
    state,
    walk: looksAtBuckets && times === undefined ? "buckets" : "batches",
    slices: times,
  };
}

async function entriesOf(list: RowList<CtRow>): Promise<number> {
  let entries = 0;
  for await (const batch of list.rows) entries += batch.length;
  return entries;
}

async function list(lab: string, node: string, isNamed: boolean): Promise<StepResult> {
  await using target = await openTarget({ lab, nodes: [node] });
  return { entries: await entriesOf(await listConntrack(target, {}, { signal, isNamed })) };
}

async function print(lab: string, node: string, format: string): Promise<StepResult> {
  await using target = await openTarget({ lab, nodes: [node] });
  const output = parseOutput(format);
  const { rows, status } = await listConntrack(target, {}, { signal, isNamed: !output.kind.startsWith("cilium") });
  let bytes = 0;
  for await (const piece of printList(conntrackList, rows, status, { output })) bytes += piece.length;
  return { entries: status().rowsRead, bytes };
}

/** Writes as much as a list printed, in pieces of its size. */
async function write(path: string, bytes: number): Promise<StepResult> {
  const piece = Buffer.alloc(64 * 1024, "x");
  const file = openSync(path, "w");
  for (let left = bytes; left > 0; left -= piece.length) writeSync(file, piece, 0, Math.min(left, piece.length));
  closeSync(file);
  return { entries: 0, bytes };
}

const [name, ...rest] = process.argv.slice(2) as [string, ...string[]];
const [first = "", second = "", third = ""] = rest;
const steps: Readonly<Record<string, () => Promise<StepResult>>> = {
  scan: () => scan(first),
  decode: () => list(first, second, false),
  name: () => list(first, second, true),
  print: () => print(first, second, third),
  write: () => write(first, Number(second)),
};
const step = steps[name];
if (step === undefined) throw new Error(`no such step: ${name}`);
const startedMs = performance.now();
const before = process.cpuUsage();
const result = await step();
const { user, system } = process.cpuUsage(before);
const cost: StepCost = {
  ...result,
  cpuSeconds: (user + system) / 1e6,
  seconds: (performance.now() - startedMs) / 1_000,
};
process.stdout.write(`${JSON.stringify(cost)}\n`);

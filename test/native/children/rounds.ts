/**
 * Opens and closes handles of every kind, refusals included, and prints for each by how much descriptors and memory grew
 * after the first tenth of the rounds: `rounds <object file> <cgroup> {"<kind>": <rounds>, …}`. Needs --expose-gc.
 */
import { BpfLink } from "../../../src/kernel/bpf-link.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { BpfProgram } from "../../../src/kernel/bpf-program.js";
import { kernelEnumNames } from "../../../src/kernel/btf.js";
import { BucketWalk } from "../../../src/kernel/bucket-walk.js";
import { probeKernelFeatures } from "../../../src/kernel/features.js";
import { MapIterator } from "../../../src/kernel/map-iterator.js";
import { PerfBuffer } from "../../../src/kernel/perf-buffer.js";
import { RingBuffer } from "../../../src/kernel/ring-buffer.js";
import { RunStats } from "../../../src/kernel/run-stats.js";
import { openDescriptors } from "../open-descriptors.js";

const [objectPath = "", cgroupPath = "", plan = ""] = process.argv.slice(2);

const object = BpfObject.open(objectPath);
object.load();
const map = BpfMap.create({ type: "hash", name: "cts_t_rounds", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 8 });
const ring = BpfMap.create({ type: "ringbuf", name: "r", keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 });
const perf = object.map("samples");
const program = object.program("kinds_raw_tracepoint_program");
const connect4 = object.program("kinds_connect4");
const timed = { kind: "timed", intervalMs: 3_600_000 } as const;
const key = Buffer.alloc(4);

let calls = 0;

/** One call in eight: an error costs more than what is tried here, and the leaks of refusals show all the same. */
function expectRefusal(call: () => unknown): void {
  if (calls++ % 8 !== 0) return;
  try {
    call();
  } catch {
    return;
  }
  throw new Error("expected a refusal");
}

const kinds: Readonly<Record<string, () => void>> = {
  map() {
    const other = BpfMap.openById(map.info.id);
    other.update(key, Buffer.alloc(8));
    other.close();
    expectRefusal(() => BpfMap.openById(0xfffffff0));
  },
  program() {
    BpfProgram.openById(program.id).close();
    expectRefusal(() => BpfProgram.openById(0x7ffffff0));
  },
  "test-run"() {
    program.testRun({ context: Buffer.alloc(16) });
  },
  link() {
    BpfLink.attachCgroup({ program: connect4, cgroupPath, attachType: "inet4_connect" }).close();
    expectRefusal(() => BpfLink.attachCgroup({ program, cgroupPath, attachType: "inet4_connect" }));
  },
  tracepoint() {
    BpfLink.attachRawTracepoint({ program, tracepoint: "sys_enter" }).close();
    expectRefusal(() => BpfLink.attachRawTracepoint({ program, tracepoint: "cts_no_such" }));
  },
  object() {
    BpfObject.open(objectPath).close();
    expectRefusal(() => BpfObject.open(Buffer.alloc(100)));
  },
  load() {
    const other = BpfObject.open(objectPath);
    other.load();
    for (const handle of [other.map("seen"), other.program("kinds_xdp"), other]) handle.close();
  },
  "ring-buffer"() {
    new RingBuffer({ map: ring, mode: timed, onRecords: () => {} }).close();
    new RingBuffer({ map: ring, mode: { kind: "poll" }, onRecords: () => {} }).close();
    expectRefusal(() => new RingBuffer({ map, mode: timed, onRecords: () => {} }));
  },
  "perf-buffer"() {
    new PerfBuffer({ map: perf, mode: timed, pagesPerCpu: 1, onRecords: () => {} }).close();
    expectRefusal(() => new PerfBuffer({ map, mode: timed, onRecords: () => {} }));
  },
  "map-iterator"() {
    const iterator = MapIterator.open(map);
    iterator.read(Buffer.alloc(120));
    iterator.close();
    expectRefusal(() => MapIterator.open(ring));
  },
  "bucket-walk"() {
    const walk = BucketWalk.open(map);
    walk.walk(8);
    walk.close();
  },
  "run-stats"() {
    RunStats.open().close();
  },
  btf() {
    kernelEnumNames("skb_drop_reason");
  },
  probes() {
    probeKernelFeatures();
  },
};

/** Closing a reader takes a turn of the loop; the collector takes what the rounds left in JavaScript. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function run(round: () => void, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    round();
    if (index % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  await settle();
}

const measure = () => ({ descriptors: openDescriptors(/bpf|eventpoll|perf_event/), bytes: process.memoryUsage.rss() });

async function growthOf(kind: string, rounds: number): Promise<{ rounds: number; descriptors: number; bytes: number }> {
  const round = kinds[kind];
  if (round === undefined) throw new Error(`no kind ${kind}`);
  await run(round, Math.ceil(rounds / 10));
  const before = measure();
  await run(round, rounds);
  const after = measure();
  return { rounds, descriptors: after.descriptors - before.descriptors, bytes: after.bytes - before.bytes };
}

const report: Record<string, unknown> = {};
for (const [kind, rounds] of Object.entries(JSON.parse(plan) as Record<string, number>)) {
  report[kind] = await growthOf(kind, rounds);
}
process.stdout.write(JSON.stringify(report), () => process.exit(0));

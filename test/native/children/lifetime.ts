/**
 * Lifetimes of handles, each case named by the first argument; ends with exit code 0 and a JSON answer when all is well.
 * Needs --expose-gc for the cases that collect garbage.
 */
import { once } from "node:events";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { BpfLink } from "../../../src/kernel/bpf-link.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { BucketWalk } from "../../../src/kernel/bucket-walk.js";
import { probeKernelFeatures } from "../../../src/kernel/features.js";
import { MapIterator } from "../../../src/kernel/map-iterator.js";
import { possibleCpus } from "../../../src/kernel/net.js";
import { PerfBuffer } from "../../../src/kernel/perf-buffer.js";
import { RingBuffer } from "../../../src/kernel/ring-buffer.js";
import { RunStats } from "../../../src/kernel/run-stats.js";
import { openDescriptors } from "../open-descriptors.js";
import { startWorker } from "./start-worker.js";

const spec = { type: "hash", name: "cts_t_life", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 8 } as const;
const key = Buffer.from([1, 0, 0, 0]);

function load(objectPath: string): BpfObject {
  const object = BpfObject.open(objectPath);
  using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
  object.setInnerMap("policies", inner);
  object.load();
  return object;
}

/** Runs the collector until the finalizers have brought the descriptors back to `aim`. */
async function collectUntil(aim: number): Promise<number> {
  for (let round = 0; round < 50 && openDescriptors() > aim; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return openDescriptors();
}

const cases: Readonly<Record<string, (objectPath: string) => unknown>> = {
  /** Handles that nobody closes are closed by the collector. */
  async collected(objectPath) {
    load(objectPath).close();
    const before = openDescriptors();
    (() => {
      for (let index = 0; index < 100; index++) BpfMap.create(spec);
      const object = load(objectPath);
      object.program("sample_tc");
      BpfLink.attachRawTracepoint({ program: object.program("sample_raw_tp"), tracepoint: "sys_enter" });
      MapIterator.open(object.map("counters"));
      BucketWalk.open(object.map("sample_hash"));
      RunStats.open();
    })();
    const during = openDescriptors();
    return { grew: during - before > 100, left: (await collectUntil(before)) - before };
  },

  /** Collection while handles are in use takes nothing away from under them. */
  async collectedWhileOpen(objectPath) {
    const map = BpfMap.create(spec);
    const object = load(objectPath);
    const program = object.program("sample_tc");
    const events = object.map("events");
    let seen = 0;
    const done = new Promise<void>((resolve) => {
      // Nobody holds the reader: it must live on until it is closed or the process ends.
      new RingBuffer({
        map: events,
        mode: { kind: "poll" },
        holdsLoop: true,
        onRecords: (_buffer, records) => {
          seen += records.length / 2;
          if (seen === 300) resolve();
        },
      });
    });
    let read = 0;
    let walked = 0;
    for (let round = 0; round < 30; round++) {
      const iterator = MapIterator.open(map);
      const walk = BucketWalk.open(map);
      map.update(key, Buffer.alloc(8, round));
      globalThis.gc?.();
      read += iterator.read(Buffer.alloc(120));
      walked += walk.walk(8).count;
      program.testRun({ data: Buffer.alloc(64), repeat: 10 });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    const value = map.lookup(key)?.[0];
    process.stdout.write(JSON.stringify({ seen, value, read, walked }));
    process.exit(0);
  },

  /** The process ends by itself with everything open but nothing that holds the loop. */
  exitWithOpenHandles(objectPath) {
    BpfMap.create(spec);
    const object = load(objectPath);
    BpfLink.attachRawTracepoint({ program: object.program("sample_raw_tp"), tracepoint: "sys_enter" });
    const events = object.map("events");
    new RingBuffer({ map: events, mode: { kind: "poll" }, holdsLoop: false, onRecords: () => {} });
    new RingBuffer({ map: events, mode: { kind: "timed", intervalMs: 10 }, holdsLoop: false, onRecords: () => {} });
    new PerfBuffer({ map: createPerf(), mode: { kind: "poll" }, holdsLoop: false, onRecords: () => {} });
    MapIterator.open(object.map("counters")).read(Buffer.alloc(12));
    BucketWalk.open(object.map("sample_hash")).walk(8);
    RunStats.open();
    return { open: true };
  },

  /** process.exit() with readers that do hold the loop. */
  exitWhileReading(objectPath) {
    const object = load(objectPath);
    const events = object.map("events");
    new RingBuffer({ map: events, mode: { kind: "poll" }, onRecords: () => {} });
    new PerfBuffer({ map: createPerf(), mode: { kind: "timed", intervalMs: 5 }, onRecords: () => {} });
    process.stdout.write(JSON.stringify({ open: true }), () => process.exit(0));
    return undefined;
  },

  /** Worker threads use the addon side by side and end with handles open; the main thread's stay usable. */
  async workers() {
    const map = BpfMap.create({ ...spec, maxEntries: 4000 });
    const before = openDescriptors();
    for (let round = 0; round < 3; round++) {
      const workers = [0, 1, 2].map((index) => startWorker(import.meta.url, { mapId: map.info.id, index }));
      await Promise.all(workers.map((worker) => once(worker, "exit")));
    }
    let entries = 0;
    for (let at = map.nextKey(); at !== undefined; at = map.nextKey(at)) entries++;
    return { entries, left: openDescriptors() - before };
  },

  /** Worker threads are terminated in the middle of addon calls. */
  async terminated() {
    const map = BpfMap.create(spec);
    map.update(key, Buffer.alloc(8));
    const before = openDescriptors();
    for (let round = 0; round < 8; round++) {
      const worker = startWorker(import.meta.url, { mapId: map.info.id, index: -1 });
      await once(worker, "message");
      await worker.terminate();
    }
    return { left: openDescriptors() - before };
  },
};

function createPerf(): BpfMap {
  const type = "perf_event_array";
  return BpfMap.create({ type, name: "cts_t_perf", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: possibleCpus() });
}

/** Keeps the addon building objects until the thread is terminated in the middle of it. */
function workWithoutEnd(mapId: number): never {
  const map = BpfMap.openById(mapId);
  RunStats.open();
  new PerfBuffer({ map: createPerf(), mode: { kind: "poll" }, onRecords: () => {} });
  const walk = BucketWalk.open(map);
  parentPort?.postMessage("working");
  for (;;) {
    MapIterator.open(map).read(Buffer.alloc(120));
    walk.walk(8);
    BpfMap.openById(mapId);
    map.lookupBatch(undefined, 100);
    probeKernelFeatures();
  }
}

function workInThread(): void {
  const { mapId, index } = workerData as { mapId: number; index: number };
  if (index < 0) workWithoutEnd(mapId);
  const map = BpfMap.openById(mapId);
  for (let round = 0; round < 1000; round++) {
    const own = Buffer.alloc(4);
    own.writeUInt32LE(index * 1000 + round);
    map.update(own, Buffer.alloc(8));
  }
  BpfMap.create(spec); // left open
  parentPort?.postMessage("done");
}

if (isMainThread) {
  const [name = "", objectPath = ""] = process.argv.slice(2);
  const answer = await cases[name]?.(objectPath);
  if (answer !== undefined) process.stdout.write(JSON.stringify(answer));
} else {
  workInThread();
}

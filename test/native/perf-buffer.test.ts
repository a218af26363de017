import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { BpfProgram } from "../../src/kernel/bpf-program.js";
import { possibleCpus } from "../../src/kernel/net.js";
import { PerfBuffer, perfRecordWords } from "../../src/kernel/perf-buffer.js";
import type { ReaderMode } from "../../src/kernel/record-reader.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, thrownBy } from "./kernel-fixture.js";

const never: ReaderMode = { kind: "timed", intervalMs: 3_600_000 };

let folder: TestFolder;
let objectPath: string;
let object: BpfObject;
let program: BpfProgram;
let samples: BpfMap;

beforeAll(() => {
  folder = new TestFolder();
  objectPath = compileFixture("kinds", folder.path);
});
afterAll(() => folder[Symbol.dispose]());
beforeEach((context: TestContext) => {
  requireKernelFeature(context, "perf_buffer");
  object = BpfObject.open(objectPath);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(256);
  object.setRodata(bytes);
  object.load();
  program = object.program("kinds_perf");
  samples = object.map("samples");
});
afterEach(() => {
  for (const handle of [program, samples, object]) handle?.close();
});

/** Each record's first word is the mark that it is sent with. */
function emit(mark: number, count = 1): number {
  const context = Buffer.alloc(192);
  context.writeUInt32LE(mark, 8);
  return program.testRun({ data: Buffer.alloc(64), context, repeat: count }).retval;
}

class Collector {
  readonly marks: number[] = [];
  readonly lengths = new Set<number>();
  readonly cpus = new Set<number>();
  callbacks = 0;
  lost = 0;
  readonly onRecords = (buffer: Buffer, records: Uint32Array, lost: number): void => {
    this.callbacks++;
    this.lost += lost;
    for (let index = 0; index < records.length; index += perfRecordWords) {
      const [offset = -1, length = -1, cpu = -1] = records.subarray(index, index + perfRecordWords);
      expect(offset % 8).toBe(0);
      this.marks.push(buffer.readUInt32LE(offset));
      this.lengths.add(length);
      this.cpus.add(cpu);
    }
  };
  async waitFor(count: number): Promise<void> {
    await expect.poll(() => this.marks.length, { timeout: 10_000, interval: 5 }).toBe(count);
  }
}

it.each([{ kind: "poll" }, { kind: "timed", intervalMs: 2 }] as const)(
  "reads what programs write, with the CPU that wrote it: $kind",
  async (mode) => {
    const collector = new Collector();
    using _reader = new PerfBuffer({ map: samples, mode, onRecords: collector.onRecords });
    emit(7, 5);
    await collector.waitFor(5);
    emit(8, 2);
    await collector.waitFor(7);
    expect(collector.marks).toEqual([7, 7, 7, 7, 7, 8, 8]);
    expect([...collector.lengths]).toEqual([260]); // 256 and the kernel's padding: 4 + length is a multiple of 8
    for (const cpu of collector.cpus) expect(cpu).toBeLessThan(possibleCpus());
    expect(collector.lost).toBe(0);
  },
);

it("more records than one callback takes come in several, none twice", () => {
  const collector = new Collector();
  using reader = new PerfBuffer({ map: samples, mode: never, pagesPerCpu: 1024, onRecords: collector.onRecords });
  emit(1, 10_000); // 2.7 MB in one CPU's 4 MiB
  expect(reader.drain()).toBe(10_000);
  expect(collector.marks.length).toBe(10_000);
  expect(collector.callbacks).toBeGreaterThan(2);
  expect(reader.drain()).toBe(0);
});

it("what does not fit is lost, and told with the next record that does", () => {
  const collector = new Collector();
  using reader = new PerfBuffer({ map: samples, mode: never, pagesPerCpu: 1, onRecords: collector.onRecords });
  emit(1, 100); // a page holds fifteen
  const kept = reader.drain();
  expect(kept).toBeGreaterThan(10);
  expect(kept).toBeLessThan(16);
  emit(2, 2);
  emit(2, 2);
  reader.drain();
  // The CPU may have changed between the runs; the one that lost tells at its next record.
  for (let round = 0; reader.lost === 0 && round < 1000; round++) {
    emit(3);
    reader.drain();
  }
  expect(reader.lost).toBe(100 - kept);
  expect(collector.lost).toBe(reader.lost);
});

it("a promise holds the reader up until it settles", async () => {
  let settle = (): void => {};
  const counts: number[] = [];
  using _reader = new PerfBuffer({
    map: samples,
    mode: { kind: "poll" },
    onRecords: (_buffer, records) => {
      counts.push(records.length / perfRecordWords);
      return new Promise<void>((resolve) => {
        settle = resolve;
      });
    },
  });
  emit(1, 3);
  await expect.poll(() => counts).toEqual([3]);
  emit(2, 4);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(counts).toEqual([3]);
  settle();
  await expect.poll(() => counts).toEqual([3, 4]);
  settle();
});

describe("only maps of our own", () => {
  it("what a pin or an id led to is refused, and its reader goes on undisturbed", async () => {
    const collector = new Collector();
    using _owner = new PerfBuffer({ map: samples, mode: { kind: "poll" }, onRecords: collector.onRecords });
    samples.pin(`${folder.bpffs}/samples`);
    using byPath = BpfMap.openPinned(`${folder.bpffs}/samples`);
    using readOnly = BpfMap.openPinned(`${folder.bpffs}/samples`, { readOnly: true });
    using byId = BpfMap.openById(samples.info.id);
    for (const map of [byPath, readOnly, byId]) {
      expect(map.isOwn).toBe(false);
      expect(thrownBy(() => new PerfBuffer({ map, mode: never, onRecords: () => {} }))).toMatchObject({
        code: "invalid-argument",
        message: expect.stringContaining("a perf slot holds one reader"),
      });
    }
    emit(4, 3);
    await collector.waitFor(3);
  });

  it("also where an object was given a map that is not ours", () => {
    using byId = BpfMap.openById(samples.info.id);
    using second = BpfObject.open(objectPath);
    second.reuseMap("samples", byId);
    second.load();
    using reused = second.map("samples");
    using seen = second.map("seen");
    expect([reused.isOwn, seen.isOwn]).toEqual([false, true]);
    expect(thrownBy(() => new PerfBuffer({ map: reused, mode: never, onRecords: () => {} }))).toMatchObject({
      code: "invalid-argument",
    });
  });

  it("closing empties the slots: programs are refused, and the next reader gets what it is sent", () => {
    const first = new PerfBuffer({ map: samples, mode: never, onRecords: () => {} });
    expect(emit(1)).toBe(0);
    first.close();
    expect(emit(1)).toBe(2);
    const collector = new Collector();
    using second = new PerfBuffer({ map: samples, mode: never, onRecords: collector.onRecords });
    expect(emit(5)).toBe(0);
    expect(second.drain()).toBe(1);
    expect(collector.marks).toEqual([5]);
  });
});

it("misuse is refused", () => {
  const onRecords = () => {};
  using array = BpfMap.create({ type: "array", name: "x", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 });
  const calls: readonly (() => unknown)[] = [
    () => new PerfBuffer({ map: array, mode: never, onRecords }),
    () => new PerfBuffer({ map: {} as BpfMap, mode: never, onRecords }),
    () => new PerfBuffer({ map: samples, mode: never, onRecords, pagesPerCpu: 3 }),
    () => new PerfBuffer({ map: samples, mode: never, onRecords, pagesPerCpu: 0 }),
    () => new PerfBuffer({ map: samples, mode: undefined as unknown as ReaderMode, onRecords }),
    () => new PerfBuffer({ map: samples, mode: never, onRecords: "x" as unknown as () => void }),
  ];
  for (const call of calls) expect(thrownBy(call)).toMatchObject({ code: "invalid-argument" });
  const reader = new PerfBuffer({ map: samples, mode: never, onRecords });
  reader.close();
  reader.close();
  expect(thrownBy(() => reader.drain())).toMatchObject({ code: "handle-closed" });
});

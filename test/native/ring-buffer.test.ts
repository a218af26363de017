import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { BpfProgram } from "../../src/kernel/bpf-program.js";
import { LossCounter } from "../../src/kernel/loss-counter.js";
import { RingBuffer } from "../../src/kernel/ring-buffer.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChild, runChildForJson, thrownBy } from "./kernel-fixture.js";

/** `BPF_RB_NO_WAKEUP` */
const noWakeup = 1n;

let folder: TestFolder;
let objectPath: string;
let object: BpfObject;
let program: BpfProgram;
let events: BpfMap;

beforeAll(() => {
  folder = new TestFolder();
  objectPath = compileFixture("sample", folder.path);
});
afterAll(() => folder[Symbol.dispose]());

function load(options: { readonly wakeup: bigint }): void {
  object = BpfObject.open(objectPath);
  using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
  object.setInnerMap("policies", inner);
  const rodata = object.rodata ?? Buffer.alloc(0);
  rodata.writeBigUInt64LE(options.wakeup, 8);
  object.setRodata(rodata);
  object.load();
  program = object.program("sample_tc");
  events = object.map("events");
}

beforeEach(() => load({ wakeup: 0n }));
afterEach(() => {
  for (const handle of [program, events, object]) handle.close();
});

const emit = (count: number, length = 64) => program.testRun({ data: Buffer.alloc(length), repeat: count });

/** Gathers records and lets a test wait for a number of them. */
class Collector {
  readonly lengths: number[] = [];
  callbacks = 0;
  readonly onRecords = (buffer: Buffer, records: Uint32Array): void => {
    this.callbacks++;
    for (let index = 0; index < records.length; index += 2) {
      const offset = records[index] ?? -1;
      expect(records[index + 1]).toBe(8);
      expect(offset % 8).toBe(0);
      expect(buffer.readUInt32LE(offset)).toBe(7);
      this.lengths.push(buffer.readUInt32LE(offset + 4));
    }
  };
  async waitFor(count: number): Promise<void> {
    await expect.poll(() => this.lengths.length, { timeout: 10_000, interval: 5 }).toBe(count);
  }
}

describe("poll mode", () => {
  it("delivers what the kernel announces, many records in one callback, in order", async () => {
    const collector = new Collector();
    using _reader = new RingBuffer({ map: events, mode: { kind: "poll" }, onRecords: collector.onRecords });
    emit(3, 60);
    emit(2, 70);
    await collector.waitFor(5);
    expect(collector.lengths).toEqual([60, 60, 60, 70, 70]);
    expect(collector.callbacks).toBe(1);
  });

  it("a reader made after the records still gets them", async () => {
    emit(4);
    const collector = new Collector();
    using _reader = new RingBuffer({ map: events, mode: { kind: "poll" }, onRecords: collector.onRecords });
    await collector.waitFor(4);
  });
});

describe("timed mode", () => {
  beforeEach(() => {
    for (const handle of [program, events, object]) handle.close();
    load({ wakeup: noWakeup });
  });

  it("reads records that wake nobody", async () => {
    const collector = new Collector();
    using _reader = new RingBuffer({
      map: events,
      mode: { kind: "timed", intervalMs: 5 },
      onRecords: collector.onRecords,
    });
    emit(10);
    await collector.waitFor(10);
    emit(7);
    await collector.waitFor(17);
  });

  it("bounds one callback and still reads everything", async () => {
    const collector = new Collector();
    const sizes: number[] = [];
    using _reader = new RingBuffer({
      map: events,
      mode: { kind: "timed", intervalMs: 5 },
      onRecords: (buffer, records) => {
        sizes.push(records.length / 2);
        collector.onRecords(buffer, records);
      },
    });
    emit(16_384); // 16 bytes each with the header: the ring of 256 KiB is full
    await collector.waitFor(16_383);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16_384);
  });

  it("drain() reads at once, passes exceptions on, and loses only that callback's records", () => {
    let fails = true;
    let read = 0;
    using reader = new RingBuffer({
      map: events,
      mode: { kind: "timed", intervalMs: 3_600_000 },
      onRecords: (_buffer, records) => {
        if (fails) throw new Error("from the callback");
        read += records.length / 2;
      },
    });
    expect(reader.drain()).toBe(0);
    emit(3);
    expect(() => reader.drain()).toThrow("from the callback");
    fails = false;
    emit(5);
    expect(reader.drain()).toBe(5);
    expect(read).toBe(5);
  });
});

describe("a consumer that is slower than the programs", () => {
  beforeEach(() => {
    for (const handle of [program, events, object]) handle.close();
    load({ wakeup: noWakeup });
  });

  /** Callbacks that answer with promises, which the test settles. */
  class SlowConsumer {
    readonly counts: number[] = [];
    readonly lost: number[] = [];
    settle: () => void = () => {};
    readonly onRecords = (_buffer: Buffer, records: Uint32Array, lost: number): Promise<void> => {
      this.counts.push(records.length / 2);
      this.lost.push(lost);
      return new Promise((resolve) => {
        this.settle = resolve;
      });
    };
    async waitForCalls(count: number): Promise<void> {
      await expect.poll(() => this.counts.length, { timeout: 10_000, interval: 2 }).toBe(count);
    }
  }

  it.each([{ kind: "poll" }, { kind: "timed", intervalMs: 1 }] as const)(
    "a promise holds the reader up until it settles: $kind",
    async (mode) => {
      for (const handle of [program, events, object]) handle.close();
      load({ wakeup: 0n });
      const consumer = new SlowConsumer();
      using reader = new RingBuffer({ map: events, mode, onRecords: consumer.onRecords });
      emit(3);
      await consumer.waitForCalls(1);
      emit(4);
      // Many turns of the loop and many intervals: what else would read has had its chance.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(consumer.counts).toEqual([3]);
      consumer.settle();
      await consumer.waitForCalls(2);
      expect(consumer.counts).toEqual([3, 4]);
      emit(5);
      expect(reader.drain()).toBe(5); // asked for, it reads at once
      consumer.settle();
    },
  );

  it("what the ring cannot hold meanwhile is lost, counted, and told with the next records", async () => {
    using lostMap = object.map("lost");
    const lossCounter = new LossCounter(lostMap, Buffer.alloc(4));
    const consumer = new SlowConsumer();
    using reader = new RingBuffer({
      ...{ map: events, mode: { kind: "timed", intervalMs: 1 }, onRecords: consumer.onRecords, lossCounter },
    });
    emit(1);
    await consumer.waitForCalls(1);
    emit(20_000); // the ring of 256 KiB holds 16,383
    expect(lossCounter.total()).toBe(3617n);
    consumer.settle();
    await consumer.waitForCalls(2);
    expect(consumer.counts).toEqual([1, 16_383]);
    expect(consumer.lost).toEqual([0, 3617]);
    expect(reader.lost).toBe(3617);
    consumer.settle();
    emit(1);
    await consumer.waitForCalls(3);
    expect(consumer.lost).toEqual([0, 3617, 0]);
  });

  it("closing while a promise holds it up, which settles later", async () => {
    const consumer = new SlowConsumer();
    const reader = new RingBuffer({
      ...{ map: events, mode: { kind: "timed", intervalMs: 1 }, onRecords: consumer.onRecords },
    });
    emit(1);
    await consumer.waitForCalls(1);
    reader.close();
    emit(1);
    consumer.settle();
    await new Promise((resolve) => setImmediate(resolve));
    expect(consumer.counts).toEqual([1]);
  });

  it("counts of another shape are refused", () => {
    using lostMap = object.map("lost");
    using other = BpfMap.create({ type: "array", name: "x", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 });
    expect(thrownBy(() => new LossCounter(other, Buffer.alloc(4)))).toMatchObject({ code: "invalid-argument" });
    expect(thrownBy(() => new LossCounter(lostMap, Buffer.alloc(3)))).toMatchObject({ code: "invalid-argument" });
  });
});

describe("closing", () => {
  it("inside the callback: no further callback comes", async () => {
    let calls = 0;
    const closed = new Promise<void>((resolve) => {
      const reader = new RingBuffer({
        map: events,
        mode: { kind: "poll" },
        onRecords: () => {
          calls++;
          reader.close();
          reader.close();
          resolve();
        },
      });
    });
    emit(1);
    await closed;
    emit(5);
    const collector = new Collector();
    using _second = new RingBuffer({ map: events, mode: { kind: "poll" }, onRecords: collector.onRecords });
    await collector.waitFor(5);
    expect(calls).toBe(1);
  });

  it("inside a drain callback", () => {
    emit(3);
    const reader = new RingBuffer({
      map: events,
      mode: { kind: "timed", intervalMs: 3_600_000 },
      onRecords: () => {
        reader.close();
      },
    });
    expect(reader.drain()).toBe(3);
    expect(thrownBy(() => reader.drain())).toMatchObject({ code: "handle-closed" });
  });

  it("outlives the map handle that it was given", async () => {
    const collector = new Collector();
    using _reader = new RingBuffer({ map: events, mode: { kind: "poll" }, onRecords: collector.onRecords });
    events.close();
    emit(2);
    await collector.waitFor(2);
  });
});

it("misuse is refused", () => {
  using array = BpfMap.create({ type: "array", name: "x", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 });
  const onRecords = () => {};
  const calls: readonly (() => unknown)[] = [
    () => new RingBuffer({ map: array, mode: { kind: "poll" }, onRecords }),
    () => new RingBuffer({ map: {} as BpfMap, mode: { kind: "poll" }, onRecords }),
    () => new RingBuffer({ map: events, mode: { kind: "timed", intervalMs: 0 }, onRecords }),
    () => new RingBuffer({ map: events, mode: { kind: "often" as "poll" }, onRecords }),
    () => new RingBuffer({ map: events, mode: { kind: "poll" }, onRecords: 5 as unknown as () => void }),
  ];
  for (const call of calls) expect(thrownBy(call)).toMatchObject({ code: "invalid-argument" });
});

it.each([
  ["throws", "uncaughtException"],
  ["rejects", "unhandledRejection"],
] as const)("a callback that %s on the event loop is an %s; the reader goes on", (how, event) => {
  expect(runChildForJson("failing-callback", { args: [objectPath, how, event] })).toEqual({
    calls: 2,
    messages: ["from callback 1", "from callback 2"],
  });
  const unhandled = runChild("failing-callback", { args: [objectPath, how] });
  expect(unhandled.status).not.toBe(0);
  expect(unhandled.signal).toBeNull();
  expect(unhandled.stderr).toContain("from callback 1");
});

it("works in a worker thread, which may be terminated with the reader open", () => {
  expect(runChildForJson("ring-buffer-worker", { args: [objectPath] })).toEqual({ seen: 1000, exitCode: 1 });
});

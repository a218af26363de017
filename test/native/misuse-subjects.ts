/**
 * Every class of src/kernel that has a native side, with every method and what its parameters take. misuse.test.ts fails
 * when a public method is missing here.
 */
import { join } from "node:path";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { BpfProgram } from "../../src/kernel/bpf-program.js";
import { btfTypesByName, kernelEnumNames, mapBtf, programFunctionName } from "../../src/kernel/btf.js";
import { BucketWalk } from "../../src/kernel/bucket-walk.js";
import { isFeatureAvailable } from "../../src/kernel/features.js";
import { queryCgroup, queryTcx } from "../../src/kernel/hook-query.js";
import { LossCounter } from "../../src/kernel/loss-counter.js";
import { MapIterator } from "../../src/kernel/map-iterator.js";
import { interfaceIndex, interfaceMac, interfaceName } from "../../src/kernel/net.js";
import { PerfBuffer } from "../../src/kernel/perf-buffer.js";
import { RingBuffer } from "../../src/kernel/ring-buffer.js";
import { RunStats } from "../../src/kernel/run-stats.js";
import { attachClsact, detachClsact, listTcFilters, removeClsact } from "../../src/kernel/tc-filter.js";
import {
  anyBytes,
  bigInteger,
  boolean,
  bytes,
  callback,
  instance,
  integer,
  list,
  oneOf,
  optional,
  options,
  type Parameter,
  text,
} from "./misuse-parameters.js";

/** What the cases work on. Nothing of it is attached to a device of this machine. */
export interface MisuseWorld {
  /** test/native/fixtures/kinds.bpf.c, compiled. */
  readonly objectPath: string;
  readonly bpffs: string;
  readonly map: BpfMap;
  readonly ring: BpfMap;
  readonly perf: BpfMap;
  readonly program: BpfProgram;
}

export interface OpenHandle {
  close(): void;
}

export interface MisuseSubject {
  readonly type: { readonly name: string; readonly prototype: object };
  readonly open: (world: MisuseWorld) => OpenHandle;
  /** Methods, and getters without parameters, that need the handle open. */
  readonly methods: Readonly<Record<string, readonly Parameter[]>>;
  /** Public members that work on a closed handle, too. */
  readonly alwaysUsable?: readonly string[];
  /** Class methods, and `new`. */
  readonly statics: Readonly<Record<string, readonly Parameter[]>>;
}

/** No interface has this index. */
const ifindex = integer(0x7ffffff0, 1);
const direction = oneOf("ingress");

/** Opens a world; `dispose` closes all of it. */
export function openWorld(objectPath: string, bpffs: string): MisuseWorld & Disposable {
  const object = BpfObject.open(objectPath);
  object.load();
  const map = BpfMap.create({ type: "hash", name: "cts_t_m", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 8 });
  const ring = BpfMap.create({ type: "ringbuf", name: "r", keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 });
  const perf = object.map("samples");
  const program = object.program("kinds_raw_tracepoint_program");
  const close = () => {
    for (const handle of [object, map, ring, perf, program]) handle.close();
  };
  return { objectPath, bpffs, map, ring, perf, program, [Symbol.dispose]: close };
}

export function misuseSubjects(world: MisuseWorld): readonly MisuseSubject[] {
  const map = instance(() => world.map);
  const program = instance(() => world.program);
  const path = text(join(world.bpffs, "none", "here"));
  const key = bytes(4);
  const mode = options({ kind: oneOf("timed"), intervalMs: integer(3_600_000, 1) });
  const readerOptions = {
    mode,
    onRecords: callback,
    holdsLoop: optional(boolean),
    lossCounter: optional(instance(() => undefined)),
  };
  const timed = { kind: "timed", intervalMs: 3_600_000 } as const;
  const name = text("seen");
  const position = { ifindex, direction, priority: integer(1, 1, 65535), handle: integer(1, 1) };
  const neighbour = {
    ...optional(options({ programId: integer(0x7ffffff0, 1) })),
    accepts: (v: unknown) => v === undefined,
  };
  const tcx = { program, ifindex, direction, expectedRevision: optional(bigInteger(0n)) };
  const xdp = options({ program, ifindex, mode: optional(oneOf("generic")) });
  return [
    {
      type: BpfMap,
      open: () => BpfMap.openById(world.map.info.id),
      methods: {
        fd: [],
        lookup: [key],
        update: [key, bytes(8), optional(oneOf("any"))],
        delete: [key],
        updateInnerAsync: [key, map, optional(oneOf("any"))],
        updateInnersAsync: [bytes(0), list([])],
        deleteAsync: [key],
        nextKey: [optional(key)],
        lookupBatch: [optional(key), integer(2, 1, 1 << 24)],
        lookupBatchAsync: [optional(key), integer(2, 1, 1 << 24)],
        updateBatch: [bytes(8), bytes(16), integer(2, 2, 2)],
        deleteBatch: [bytes(8), integer(2, 2, 2)],
        pin: [path],
        freeze: [],
      },
      statics: {
        create: [
          options({
            type: oneOf("hash"),
            name: text("x"),
            keySizeBytes: integer(4),
            valueSizeBytes: integer(4),
            maxEntries: integer(1),
            flags: optional(integer(0)),
            innerMap: optional(map),
          }),
        ],
        openPinned: [path, optional(options({ readOnly: optional(boolean) }))],
        openById: [integer(0x7ffffff0), optional(options({ readOnly: optional(boolean) }))],
      },
    },
    {
      type: BpfProgram,
      open: () => BpfProgram.openById(world.program.id),
      methods: {
        fd: [],
        info: [],
        testRun: [
          options({
            data: optional(anyBytes(64)),
            context: optional(anyBytes(16)),
            repeat: optional(integer(1, 1, 1)),
            dataOutBytes: optional(integer(64, 0, 1 << 24)),
          }),
        ],
        pin: [path],
      },
      statics: { openPinned: [path], openById: [integer(0x7ffffff0)] },
    },
    {
      type: BpfLink,
      open: () => BpfLink.attachRawTracepoint({ program: world.program, tracepoint: "sys_enter" }),
      methods: {
        fd: [],
        info: [],
        update: [program],
        updateAsync: [program],
        pin: [path],
        unpin: [path],
        detach: [],
        detachAsync: [],
      },
      statics: {
        attachTcx: [options({ ...tcx, before: neighbour })],
        attachTcxAsync: [options({ ...tcx, after: neighbour })],
        attachXdp: [xdp],
        attachXdpAsync: [xdp],
        attachCgroup: [options({ program, cgroupPath: path, attachType: oneOf("inet4_connect") })],
        attachRawTracepoint: [options({ program, tracepoint: text("cts_no_such") })],
        attachTracing: [options({ program })],
        openPinned: [path],
        openPinnedAsync: [path],
        openById: [integer(0x7ffffff0)],
      },
    },
    {
      type: BpfObject,
      open: () => BpfObject.open(world.objectPath),
      methods: {
        mapTypes: [name],
        rodata: [],
        setRodata: [anyBytes(4)],
        setMapMaxEntries: [name, integer(1, 1)],
        setInnerMap: [name, map],
        reuseMap: [name, map, optional(options({ sizes: optional(oneOf("any")) }))],
        skipProgram: [text("kinds_xdp")],
        load: [],
        map: [name],
        program: [text("kinds_xdp")],
      },
      statics: {
        open: [{ ...anyBytes(4), valid: () => "/nonexistent.bpf.o" }, optional(options({ name: optional(text("x")) }))],
      },
    },
    {
      type: RingBuffer,
      open: () => new RingBuffer({ map: world.ring, mode: timed, onRecords: () => {} }),
      methods: { drain: [] },
      alwaysUsable: ["lost"],
      statics: {
        new: [options({ ...readerOptions, map: instance(() => world.ring) })],
      },
    },
    {
      type: PerfBuffer,
      open: () => new PerfBuffer({ map: world.perf, mode: timed, onRecords: () => {} }),
      methods: { drain: [] },
      alwaysUsable: ["lost"],
      statics: {
        new: [options({ ...readerOptions, map: instance(() => world.perf), pagesPerCpu: optional(integer(1, 1, 1)) })],
      },
    },
    {
      type: MapIterator,
      open: () => MapIterator.open(world.map),
      methods: { fd: [], read: [{ ...anyBytes(12), accepts: () => false }] },
      statics: { open: [map] },
    },
    {
      type: BucketWalk,
      open: () => BucketWalk.open(world.map),
      methods: { walk: [integer(1, 1, 1 << 30)] },
      alwaysUsable: ["bucketCount", "isDone", "cutChains"],
      statics: { open: [map] },
    },
    { type: RunStats, open: () => RunStats.open(), methods: { fd: [] }, statics: { open: [] } },
    {
      type: LossCounter,
      open: () => ({ close: () => {} }),
      methods: {},
      alwaysUsable: ["total", "take"],
      statics: { new: [map, key] },
    },
    {
      type: class FreeFunctions {},
      open: () => ({ close: () => {} }),
      methods: {},
      statics: {
        ...{ kernelEnumNames: [text("cts_no_enum")], mapBtf: [map], programFunctionName: [program] },
        ...{ btfTypesByName: [integer(0x7ffffff0, 1), list(["x"])] },
        ...{ interfaceIndex: [text("cts-none")], interfaceName: [ifindex], interfaceMac: [text("cts-none")] },
        ...{ queryTcx: [ifindex, direction], queryCgroup: [path, oneOf("inet4_connect")] },
        attachClsact: [options({ ...position, program, replace: optional(boolean) })],
        detachClsact: [options(position)],
        ...{ removeClsact: [ifindex], listTcFilters: [ifindex, direction] },
        isFeatureAvailable: [text("cts_none")],
      },
    },
  ];
}

/** The free functions, under the names that they have above. */
export const freeFunctions: Readonly<Record<string, (...parameters: never[]) => unknown>> = {
  ...{ kernelEnumNames, mapBtf, programFunctionName, btfTypesByName, interfaceIndex, interfaceName, interfaceMac },
  ...{ queryTcx, queryCgroup, attachClsact, detachClsact, removeClsact, listTcFilters },
  isFeatureAvailable,
};

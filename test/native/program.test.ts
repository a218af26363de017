import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { BpfProgram } from "../../src/kernel/bpf-program.js";
import { btfTypesByName, programFunctionName } from "../../src/kernel/btf.js";
import { bootNowNs } from "../../src/kernel/net.js";
import { RunStats } from "../../src/kernel/run-stats.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, thrownBy } from "./kernel-fixture.js";

let folder: TestFolder;
let samplePath: string;
let kinds: BpfObject;

beforeAll(() => {
  folder = new TestFolder();
  samplePath = compileFixture("sample", folder.path);
  kinds = BpfObject.open(compileFixture("kinds", folder.path));
  kinds.load();
});
afterAll(() => {
  kinds.close();
  folder[Symbol.dispose]();
});

const innerSpec = { type: "array", name: "cts_t_inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 } as const;
const packet = Buffer.alloc(64, 0xab);

function loadSample(): BpfObject {
  const object = BpfObject.open(samplePath);
  using inner = BpfMap.create(innerSpec);
  object.setInnerMap("policies", inner);
  object.load();
  return object;
}

function openSampleProgram(): BpfProgram {
  using object = loadSample();
  return object.program("sample_tc");
}

function noted(slot: number): bigint | undefined {
  using seen = kinds.map("seen");
  return seen.lookup(Buffer.from([slot, 0, 0, 0]))?.readBigUInt64LE();
}

describe("what a program tells of itself", () => {
  it("name, type, tag, maps, BTF, load time, owner", () => {
    const before = bootNowNs();
    using object = loadSample();
    using program = object.program("sample_tc");
    using counters = object.map("counters");
    const { info } = program;
    expect(info).toMatchObject({ id: program.id, name: "sample_tc", type: "sched_cls", createdByUid: 0 });
    expect(info.tag).toMatch(/^[0-9a-f]{16}$/);
    expect(info.mapIds).toContain(counters.info.id);
    expect(info.btfId).toBeGreaterThan(0);
    expect(info.xlatedBytes).toBeGreaterThan(0);
    expect(info.loadTimeNs >= before && info.loadTimeNs <= bootNowNs()).toBe(true);
  });

  it("pin, open by path and id", () => {
    using program = openSampleProgram();
    const path = `${folder.bpffs}/program`;
    program.pin(path);
    using byPath = BpfProgram.openPinned(path);
    using byId = BpfProgram.openById(program.id);
    expect([byPath.id, byId.id]).toEqual([program.id, program.id]);
    expect(byId.info.tag).toBe(program.info.tag);
    expect(thrownBy(() => program.pin(path))).toMatchObject({ code: "program-pin", details: { errno: "EEXIST" } });
    expect(thrownBy(() => BpfProgram.openById(0x7ffffff0))).toMatchObject({
      code: "program-open",
      details: { errno: "ENOENT" },
    });
  });

  it("its whole name from BTF, of which the kernel keeps 15 characters", () => {
    using program = kinds.program("kinds_raw_tracepoint_program");
    using byId = BpfProgram.openById(program.id);
    expect(byId.name).toBe("kinds_raw_trace");
    expect(programFunctionName(byId)).toBe("kinds_raw_tracepoint_program");
  });

  it("types by name from its BTF; names that are not there are left out", () => {
    using program = kinds.program("kinds_syscall");
    const types = btfTypesByName(program.info.btfId, ["doubled", "no_such_type", "__u32"]);
    expect([...types.keys()]).toEqual(["doubled", "__u32"]);
    expect(types.get("doubled")).toMatchObject({
      kind: "struct",
      sizeBytes: 8,
      members: [
        { name: "number", bitOffset: 0, bitSize: 32 },
        { name: "twice", bitOffset: 32, bitSize: 32 },
      ],
    });
    expect(types.get("__u32")).toMatchObject({ kind: "int", alias: "__u32", sizeBytes: 4 });
    expect(thrownBy(() => btfTypesByName(0x7ffffff0, ["x"]))).toMatchObject({
      code: "btf-read",
      details: { errno: "ENOENT" },
    });
  });

  it("opening a map's pin as a program fails", () => {
    using map = BpfMap.create(innerSpec);
    const path = `${folder.bpffs}/a-map`;
    map.pin(path);
    expect(thrownBy(() => BpfProgram.openPinned(path))).toMatchObject({
      code: "program-open",
      hint: expect.stringContaining("no program"),
    });
    expect(thrownBy(() => BpfLink.openPinned(path))).toMatchObject({ code: "link-open" });
    using program = openSampleProgram();
    program.pin(`${folder.bpffs}/a-program`);
    expect(thrownBy(() => BpfMap.openPinned(`${folder.bpffs}/a-program`))).toMatchObject({ code: "map-open" });
  });
});

describe("run statistics", () => {
  const sysctl = () => readFileSync("/proc/sys/kernel/bpf_stats_enabled", "utf8");

  it("count while the handle is open and not after it; the sysctl of others stays as it was", () => {
    using program = openSampleProgram();
    const before = sysctl();
    const runs = () => {
      const { runCount } = program.info;
      program.testRun({ data: packet, repeat: 1000 });
      return program.info.runCount - runCount;
    };
    const stats = RunStats.open();
    const second = RunStats.open();
    expect(runs()).toBe(1000n);
    expect(program.info.runTimeNs).toBeGreaterThan(0n);
    stats.close();
    expect(runs()).toBe(1000n); // somebody else still counts
    second.close();
    second.close();
    expect(runs()).toBe(sysctl().trim() === "0" ? 0n : 1000n);
    expect(sysctl()).toBe(before);
    expect(thrownBy(() => second.fd)).toMatchObject({ code: "handle-closed" });
  });
});

describe("test runs", () => {
  it("XDP: packet in, packet out, with a context", () => {
    using program = kinds.program("kinds_xdp");
    const { retval, data } = program.testRun({ data: packet });
    expect(retval).toBe(2);
    expect(data).toEqual(Buffer.concat([Buffer.from([0x5a]), packet.subarray(1)]));
    const context = Buffer.alloc(24); // struct xdp_md
    context.writeUInt32LE(packet.length, 4); // data_end
    const run = program.testRun({ data: packet, context, repeat: 3 });
    expect(run.retval).toBe(2);
    expect(run.context.readUInt32LE(4)).toBe(packet.length);
    expect(noted(0)).toBe(1n); // rx_queue_index 0
    context.writeUInt32LE(packet.length + 1, 4);
    expect(thrownBy(() => program.testRun({ data: packet, context }))).toMatchObject({
      code: "program-test-run",
      details: { errno: "EINVAL", programType: "xdp" },
    });
  });

  it("tc: the context goes in and comes back, also a shorter one", () => {
    using program = openSampleProgram();
    const context = Buffer.alloc(16); // up to queue_mapping of struct __sk_buff
    context.writeUInt32LE(4, 8); // mark
    const run = program.testRun({ data: packet, context, repeat: 2 });
    expect(run.context.length).toBeGreaterThanOrEqual(192);
    expect(run.context.readUInt32LE(8)).toBe(7);
    expect(context.readUInt32LE(8)).toBe(4);
    expect(run.durationNs).toBeGreaterThanOrEqual(0);
  });

  it("syscall programs: a context alone, which they write into; the caller's stays as it was", () => {
    using program = kinds.program("kinds_syscall");
    const context = Buffer.alloc(8);
    context.writeUInt32LE(21);
    const run = program.testRun({ context });
    expect([run.retval, run.context.readUInt32LE(0), run.context.readUInt32LE(4)]).toEqual([7, 21, 42]);
    expect(context.readUInt32LE(4)).toBe(0);
    expect(run.data.length).toBe(0);
  });

  it("raw tracepoints: their arguments as context", () => {
    using program = kinds.program("kinds_raw_tracepoint_program");
    const context = Buffer.alloc(16);
    context.writeBigUInt64LE(40n, 0);
    context.writeBigUInt64LE(2n, 8);
    expect(program.testRun({ context }).retval).toBe(3);
    expect(noted(1)).toBe(42n);
    expect(thrownBy(() => program.testRun({ context, repeat: 2 }))).toMatchObject({ code: "invalid-argument" });
    expect(thrownBy(() => program.testRun({ data: packet, context }))).toMatchObject({ code: "program-test-run" });
  });

  it("less room than the packet needs cuts the packet", () => {
    using program = openSampleProgram();
    expect(thrownBy(() => program.testRun({ data: packet, dataOutBytes: 10 }))).toMatchObject({
      code: "program-test-run",
      details: { errno: "ENOSPC" },
    });
    expect(program.testRun({ data: packet, dataOutBytes: 64 }).data).toEqual(packet);
  });

  it("refuses what cannot be a packet, and misuse", () => {
    using program = openSampleProgram();
    for (const data of [Buffer.alloc(1), undefined]) {
      expect(thrownBy(() => program.testRun(data === undefined ? {} : { data }))).toMatchObject({
        code: "program-test-run",
        details: { errno: "EINVAL" },
      });
    }
    const wrong = [
      { data: packet, repeat: 0 },
      { data: packet, repeat: 1.5 },
      { data: packet, dataOutBytes: -1 },
      { data: "x" as unknown as Buffer },
      { data: packet, context: [] as unknown as Buffer },
    ];
    for (const options of wrong) {
      expect(thrownBy(() => program.testRun(options))).toMatchObject({ code: "invalid-argument" });
    }
    program.close();
    expect(thrownBy(() => program.testRun({ data: packet }))).toMatchObject({ code: "handle-closed" });
    expect(thrownBy(() => program.info)).toMatchObject({ code: "handle-closed" });
  });
});

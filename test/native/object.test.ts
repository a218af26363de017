import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { mapBtf } from "../../src/kernel/btf.js";
import { listMapIds, listProgramIds } from "../../src/kernel/object-ids.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson, thrownBy } from "./kernel-fixture.js";
import { openDescriptors } from "./open-descriptors.js";

let folder: TestFolder;
let samplePath: string;
let refusedPath: string;

beforeAll(() => {
  folder = new TestFolder();
  samplePath = compileFixture("sample", folder.path);
  refusedPath = compileFixture("refused", folder.path);
});
afterAll(() => folder[Symbol.dispose]());

const innerSpec = { type: "array", name: "cts_t_inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 } as const;

/** The sample object, open, its map of maps given a template. */
function openSample(): BpfObject {
  const object = BpfObject.open(samplePath);
  using inner = BpfMap.create(innerSpec);
  object.setInnerMap("policies", inner);
  return object;
}

const packet = Buffer.alloc(64, 0xab);

describe("opening", () => {
  it("lists what the file declares, loading nothing", () => {
    const before = openDescriptors(/bpf-prog/);
    using object = BpfObject.open(samplePath);
    expect(object.name).toBe("sample");
    expect(object.maps).toContainEqual({
      ...{ name: "sample_hash", type: "hash", keySizeBytes: 8, valueSizeBytes: 16, maxEntries: 64 },
      ...{ flags: 0, isInternal: false },
    });
    expect(object.maps.find((map) => map.isInternal)?.name).toMatch(/\.rodata$/);
    expect(object.programs).toContainEqual({ name: "sample_next", section: "tcx/ingress", type: "sched_cls" });
    expect(object.programs).toContainEqual({
      ...{ name: "sample_connect4", section: "cgroup/connect4", type: "cgroup_sock_addr" },
    });
    expect(openDescriptors(/bpf-prog/)).toBe(before);
  });

  it("opens from bytes, which may be reused afterwards", () => {
    const bytes = Buffer.from(readFileSync(samplePath));
    using object = BpfObject.open(bytes, { name: "from_bytes" });
    bytes.fill(0xff);
    using inner = BpfMap.create(innerSpec);
    object.setInnerMap("policies", inner);
    object.load();
    using program = object.program("sample_tc");
    expect(program.testRun({ data: packet }).retval).toBe(0);
  });

  it("a file that is not there, or no object", () => {
    expect(thrownBy(() => BpfObject.open("/nonexistent.bpf.o"))).toMatchObject({
      code: "object-open",
      details: { errno: "ENOENT" },
    });
    expect(thrownBy(() => BpfObject.open(process.execPath))).toMatchObject({
      code: "object-open",
      message: expect.stringContaining("not a whole BPF object"),
    });
    expect(thrownBy(() => BpfObject.open(42 as unknown as string))).toMatchObject({ code: "invalid-argument" });
  });

  it("every truncation is refused", () => {
    const bytes = readFileSync(samplePath);
    const lengths = [
      0,
      1,
      63,
      64,
      65,
      ...Array.from({ length: 60 }, (_, i) => Math.floor((bytes.length * (i + 1)) / 62)),
    ];
    for (const length of lengths) {
      expect(thrownBy(() => BpfObject.open(bytes.subarray(0, length)))).toMatchObject({ code: "object-open" });
    }
  });

  it("random bytes behind a good magic are refused", () => {
    let seed = 20261121;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed >>> 16;
    };
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(Array.from({ length: 64 + (random() % 2000) }, () => random() & 0xff));
      readFileSync(samplePath).copy(bytes, 0, 0, 20);
      expect(thrownBy(() => BpfObject.open(bytes))).toMatchObject({ code: "object-open" });
    }
  });
});

it.each([1, 2])("an object with random bytes changed is refused or loaded, never a crash (seed %i)", (seed) => {
  const counts = runChildForJson<{ opened: number; loaded: number; refused: number }>("mutated-objects", {
    args: [samplePath, String(seed), "500"],
  });
  expect(counts.refused + counts.loaded).toBe(500);
  expect(counts.opened).toBeGreaterThan(counts.loaded);
});

describe("loading", () => {
  it("loads, hands out handles that outlive the object, and leaves nothing behind", async () => {
    const object = openSample();
    object.load();
    const program = object.program("sample_tc");
    const counters = object.map("counters");
    object.close();
    expect(program.testRun({ data: packet, repeat: 5 }).retval).toBe(0);
    expect(counters.lookup(Buffer.alloc(4))?.readBigUInt64LE()).toBe(5n);
    expect(program.info).toMatchObject({ name: "sample_tc", type: "sched_cls", id: program.id });
    expect(program.info.tag).toMatch(/^[0-9a-f]{16}$/);
    expect(program.info.verifiedInsns).toBeGreaterThan(10);
    expect(program.info.mapIds).toContain(counters.info.id);
    const { id } = counters.info;
    const programId = program.id;
    program.close();
    counters.close();
    // The kernel frees maps after a grace period.
    await expect.poll(() => listMapIds()).not.toContain(id);
    expect(listProgramIds()).not.toContain(programId);
  });

  it("constants of .rodata decide what the program does", () => {
    using object = openSample();
    const rodata = object.rodata;
    expect(rodata?.readUInt32LE(4)).toBe(7);
    rodata?.writeUInt32LE(2, 0); // TC_ACT_SHOT
    rodata?.writeUInt32LE(99, 4);
    object.setRodata(rodata ?? Buffer.alloc(0));
    object.load();
    using program = object.program("sample_tc");
    const { retval, context } = program.testRun({ data: packet });
    expect(retval).toBe(2);
    expect(context.length).toBe(192);
    expect(context.readUInt32LE(8)).toBe(99); // __sk_buff.mark
    expect(context.readUInt32LE(48)).toBe(64); // __sk_buff.cb[0]
  });

  it("max_entries, skipped programs, reused maps", () => {
    using own = BpfMap.create({
      type: "array",
      name: "cts_t_reused",
      keySizeBytes: 4,
      valueSizeBytes: 8,
      maxEntries: 4,
    });
    using object = openSample();
    object.setMapMaxEntries("sample_hash", 1234);
    object.reuseMap("counters", own);
    object.skipProgram("sample_raw_tp");
    object.load();
    using hash = object.map("sample_hash");
    expect(hash.info.maxEntries).toBe(1234);
    using program = object.program("sample_tc");
    program.testRun({ data: packet });
    expect(own.lookup(Buffer.alloc(4))?.readBigUInt64LE()).toBe(1n);
    expect(thrownBy(() => object.program("sample_raw_tp"))).toMatchObject({ hint: expect.stringContaining("skipped") });
  });

  it("a map of maps decides by its inner map, which can be exchanged", () => {
    using object = openSample();
    object.load();
    using program = object.program("sample_policy");
    using policies = object.map("policies");
    using allow = BpfMap.create(innerSpec);
    const value = Buffer.alloc(8);
    value[0] = 1;
    allow.update(Buffer.alloc(4), value);
    const key = Buffer.from([5, 0, 0, 0]);
    const descriptor = Buffer.alloc(4);
    descriptor.writeUInt32LE(allow.fd);
    const context = Buffer.alloc(192);
    context.writeUInt32LE(5, 8); // mark
    expect(program.testRun({ data: packet, context }).retval).toBe(2);
    policies.update(key, descriptor);
    expect(program.testRun({ data: packet, context }).retval).toBe(0);
    policies.delete(key);
    expect(program.testRun({ data: packet, context }).retval).toBe(2);
  });

  it("the maps carry the BTF of the source", () => {
    using object = openSample();
    object.load();
    using hash = object.map("sample_hash");
    const btf = mapBtf(hash);
    expect(btf?.key).toMatchObject({ kind: "struct", name: "sample_key", sizeBytes: 8 });
    const value = btf?.value;
    if (value?.kind !== "struct") throw new Error("the value is a struct");
    expect(value.members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize])).toEqual([
      ["packets", 0, 64],
      ["", 64, 32],
      ["flag_a", 96, 1],
      ["flag_b", 97, 3],
    ]);
    expect(value.members[0]?.type).toMatchObject({ kind: "int", alias: "__u64", isSigned: false, sizeBytes: 8 });
    expect(value.members[1]?.type).toMatchObject({ kind: "union" });
  });

  it("a verifier refusal carries the program and the lines that tell why", () => {
    const error = thrownBy(() => BpfObject.open(refusedPath).load());
    expect(error).toMatchObject({
      code: "object-load",
      exitCode: 6,
      message: expect.stringContaining("reads_beyond"),
      details: { errno: expect.stringMatching(/EACCES|EINVAL/), program: "reads_beyond" },
      hint: expect.stringMatching(/says: .*(packet|pkt)/),
    });
    const { verifierLog } = (error as { details: { verifierLog: string } }).details;
    expect(verifierLog).toMatch(/invalid|R\d+/);
    expect(verifierLog).not.toMatch(/^processed \d+ insns/m);
    expect(verifierLog.split("\n").length).toBeLessThanOrEqual(41);
  });

  it("CTS_DISABLE_FEATURES=ringbuf refuses new ring buffers as an older kernel does, and names the feature", () => {
    process.env.CTS_DISABLE_FEATURES = "ringbuf";
    try {
      const refusal = { details: { errno: "EINVAL" }, hint: expect.stringContaining("ringbuf (since 5.8)") };
      expect(thrownBy(() => openSample().load())).toMatchObject({ code: "object-load", ...refusal });
      const ring = { type: "ringbuf", name: "x", keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 65536 } as const;
      expect(thrownBy(() => BpfMap.create(ring))).toMatchObject({ code: "map-create", details: { errno: "EINVAL" } });
    } finally {
      delete process.env.CTS_DISABLE_FEATURES;
    }
  });

  it("says which map does not fit", () => {
    using object = BpfObject.open(samplePath);
    using wrong = BpfMap.create({
      type: "array",
      name: "cts_t_wrong",
      keySizeBytes: 4,
      valueSizeBytes: 4,
      maxEntries: 4,
    });
    expect(thrownBy(() => object.reuseMap("counters", wrong))).toMatchObject({
      code: "object-configure",
      message: expect.stringContaining("valueSizeBytes is 4, the program needs 8"),
    });
  });

  it("misuse: unknown names, wrong order, use after close", () => {
    const object = openSample();
    expect(thrownBy(() => object.map("counters"))).toMatchObject({ code: "object-configure" });
    expect(thrownBy(() => object.setMapMaxEntries("nothing", 1))).toMatchObject({
      code: "object-not-found",
      hint: expect.stringContaining("counters"),
    });
    expect(thrownBy(() => object.setRodata(Buffer.alloc(3)))).toMatchObject({ code: "object-configure" });
    expect(thrownBy(() => object.reuseMap("counters", {} as BpfMap))).toMatchObject({ code: "invalid-argument" });
    object.load();
    expect(thrownBy(() => object.load())).toMatchObject({ code: "object-configure" });
    expect(thrownBy(() => object.setMapMaxEntries("counters", 1))).toMatchObject({ code: "object-configure" });
    expect(thrownBy(() => object.program("nothing"))).toMatchObject({ code: "object-not-found" });
    object.close();
    object.close();
    for (const call of [() => object.load(), () => object.map("counters"), () => object.rodata]) {
      expect(thrownBy(call)).toMatchObject({ code: "handle-closed" });
    }
  });
});

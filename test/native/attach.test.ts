import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LinkInfo } from "../../src/kernel/bpf-link.js";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { AttachedProgram } from "../../src/kernel/hook-query.js";
import { queryCgroup } from "../../src/kernel/hook-query.js";
import { listLinkIds } from "../../src/kernel/object-ids.js";
import type { TcFilter } from "../../src/kernel/tc-filter.js";
import { ownPrefix } from "../support/own-names.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson, TestNetns, thrownBy } from "./kernel-fixture.js";

let folder: TestFolder;
let objectPath: string;

beforeAll(() => {
  folder = new TestFolder();
  objectPath = compileFixture("sample", folder.path);
});
afterAll(() => folder[Symbol.dispose]());

function loadSample(): BpfObject {
  const object = BpfObject.open(objectPath);
  using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
  object.setInnerMap("policies", inner);
  object.load();
  return object;
}

function counterOf(object: BpfObject, slot: number): bigint {
  using counters = object.map("counters");
  return counters.lookup(Buffer.from([slot, 0, 0, 0]))?.readBigUInt64LE() ?? -1n;
}

interface Hits {
  readonly foreign: number;
  readonly ours: number;
  readonly newer: number;
}
interface TcxReport {
  readonly ids: Readonly<Record<"foreign" | "ours" | "newer" | "link" | "foreignLink", number>>;
  readonly mac: string;
  readonly leftMac: string;
  readonly noMac: boolean;
  readonly name: string;
  readonly ifindex: number;
  readonly stale: string;
  readonly order: readonly AttachedProgram[];
  readonly info: LinkInfo;
  readonly reopenedInfo: LinkInfo;
  readonly left: readonly AttachedProgram[];
  readonly headOrder: readonly boolean[];
  readonly detachedIfindex: number;
  readonly missing: string;
  readonly wrongType: string;
  readonly bothRun: Hits;
  readonly afterUpdate: Hits;
  readonly whilePinned: Hits;
  readonly afterReopen: Hits;
  readonly afterClose: Hits;
}

it("tcx: ours beside a foreign program, replaced, pinned, opened again, gone; the foreign one runs on", (context) => {
  requireKernelFeature(context, "tcx");
  using netns = new TestNetns();
  const report = runChildForJson<TcxReport>("tcx-beside-foreign", {
    prefix: ["ip", "netns", "exec", netns.name],
    args: [objectPath, folder.bpffs],
  });
  const { ids } = report;
  expect(report.order).toEqual([
    { programId: ids.ours, linkId: ids.link },
    { programId: ids.foreign, linkId: ids.foreignLink },
  ]);
  expect(report.stale).toBe("ESTALE");
  expect(report.bothRun).toEqual({ foreign: 1, ours: 1, newer: 0 });
  expect(report.afterUpdate).toEqual({ foreign: 1, ours: 0, newer: 1 });
  expect(report.info).toEqual({
    ...{ id: ids.link, type: "tcx", programId: ids.newer },
    ...{ ifindex: report.ifindex, attachType: "tcx_ingress" },
  });
  expect(report.whilePinned).toEqual({ foreign: 1, ours: 0, newer: 1 });
  expect(report.reopenedInfo).toEqual(report.info);
  expect(report.afterReopen).toEqual({ foreign: 1, ours: 1, newer: 0 });
  expect(report.afterClose).toEqual({ foreign: 1, ours: 0, newer: 0 });
  expect(report.left).toEqual([{ programId: ids.foreign, linkId: ids.foreignLink }]);
  expect(report.headOrder).toEqual([true, false]);
  expect(report.detachedIfindex).toBe(0);
  expect([report.missing, report.wrongType]).toEqual(["ENODEV", "EINVAL"]);
  expect([report.name, report.leftMac, report.noMac]).toEqual(["left", "020000000001", true]);
  expect(report.mac).toMatch(/^[0-9a-f]{12}$/);
});

it("clsact: attach, refuse a taken position, replace, list beside a foreign filter, detach", () => {
  using netns = new TestNetns();
  interface Report {
    readonly ids: { readonly program: number; readonly other: number };
    readonly ifindex: number;
    readonly filters: readonly TcFilter[];
    readonly left: readonly TcFilter[];
  }
  const report = runChildForJson<Report>("clsact", {
    prefix: ["ip", "netns", "exec", netns.name],
    args: [objectPath],
  });
  expect(report).toMatchObject({
    beforeQdisc: [],
    detachedNothing: false,
    first: { createdQdisc: true },
    taken: "EEXIST",
    second: { createdQdisc: false },
    egress: [],
    detached: true,
    detachedAgain: false,
    removed: true,
    removedAgain: false,
  });
  expect(report.filters.filter((filter) => filter.kind === "bpf")).toEqual([
    {
      ...{ ifindex: report.ifindex, direction: "ingress", priority: 7, handle: 3, protocol: 3, kind: "bpf" },
      ...{ name: `sample_next:[${report.ids.other}]`, programId: report.ids.other, directAction: true },
    },
  ]);
  expect(report.left.length).toBeGreaterThan(0);
  expect(new Set(report.left.map((filter) => filter.kind))).toEqual(new Set(["u32"]));
});

describe("cgroup links", () => {
  const cgroupRoot = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1] ?? "";
  const cgroup = `${cgroupRoot}/${ownPrefix}-native`;
  beforeAll(() => {
    expect(cgroupRoot).not.toBe("");
    mkdirSync(cgroup);
  });
  afterAll(() => rmdirSync(cgroup));

  it("attaches, is seen, counts connects of the group only, is replaced and goes away with its handle", () => {
    using object = loadSample();
    using program = object.program("sample_connect4");
    const link = BpfLink.attachCgroup({ program, cgroupPath: cgroup, attachType: "inet4_connect" });
    expect(link.info).toMatchObject({ type: "cgroup", attachType: "inet4_connect", programId: program.id });
    expect(queryCgroup(cgroup, "inet4_connect")).toEqual([{ programId: program.id, linkId: undefined }]);
    connectInside();
    expect(counterOf(object, 2)).toBe(1n);
    using newer = loadSample();
    using newerProgram = newer.program("sample_connect4");
    link.update(newerProgram);
    connectInside();
    expect([counterOf(object, 2), counterOf(newer, 2)]).toEqual([1n, 1n]);
    const { id } = link;
    using byId = BpfLink.openById(id);
    expect(byId.info.programId).toBe(newerProgram.id);
    byId.close();
    link.close();
    expect(listLinkIds()).not.toContain(id);
    expect(queryCgroup(cgroup, "inet4_connect")).toEqual([]);
  });

  it("refuses a folder that is no cgroup, another hook, and a wrong update", () => {
    using object = loadSample();
    using program = object.program("sample_connect4");
    using tc = object.program("sample_tc");
    expect(
      thrownBy(() => BpfLink.attachCgroup({ program, cgroupPath: folder.path, attachType: "inet4_connect" })),
    ).toMatchObject({ code: "link-attach", details: { errno: "EBADF" }, hint: expect.stringContaining("cgroup2") });
    expect(
      thrownBy(() => BpfLink.attachCgroup({ program, cgroupPath: "/nonexistent", attachType: "inet4_connect" })),
    ).toMatchObject({ details: { errno: "ENOENT" } });
    expect(
      thrownBy(() => BpfLink.attachCgroup({ program, cgroupPath: cgroup, attachType: "udp4_sendmsg" })),
    ).toMatchObject({ details: { errno: "EINVAL" } });
    using link = BpfLink.attachCgroup({ program, cgroupPath: cgroup, attachType: "inet4_connect" });
    expect(thrownBy(() => link.update(tc))).toMatchObject({ code: "link-update", details: { errno: "EINVAL" } });
    expect(thrownBy(() => link.update({} as typeof tc))).toMatchObject({ code: "invalid-argument" });
  });

  /** A connect() from a process inside the group; nobody listens, which is as good. */
  function connectInside(): void {
    const connect = "(exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null";
    execFileSync("bash", ["-c", `echo $$ > ${cgroup}/cgroup.procs && { ${connect} || true; }`]);
  }
});

it("raw tracepoint: attaches, counts, tells its name; an unknown one is named in the error", () => {
  using object = loadSample();
  using program = object.program("sample_raw_tp");
  const link = BpfLink.attachRawTracepoint({ program, tracepoint: "sys_enter" });
  expect(link.info).toMatchObject({ type: "raw_tracepoint", tracepoint: "sys_enter", programId: program.id });
  expect(counterOf(object, 3)).toBeGreaterThan(0n);
  link.close();
  const stopped = counterOf(object, 3);
  expect(counterOf(object, 3)).toBe(stopped);
  expect(thrownBy(() => BpfLink.attachRawTracepoint({ program, tracepoint: "cts_no_such" }))).toMatchObject({
    code: "link-attach",
    details: { errno: "ENOENT", tracepoint: "cts_no_such" },
  });
});

it("use after close, and links by id that are gone", () => {
  using object = loadSample();
  using program = object.program("sample_raw_tp");
  const link = BpfLink.attachRawTracepoint({ program, tracepoint: "sys_enter" });
  const { id } = link;
  link.close();
  for (const call of [
    () => link.info,
    () => link.update(program),
    () => link.pin("/x"),
    () => link.detach(),
    () => link.unpin("/x"),
  ]) {
    expect(thrownBy(call)).toMatchObject({ code: "handle-closed" });
  }
  expect(thrownBy(() => BpfLink.openById(id))).toMatchObject({ code: "link-open", details: { errno: "ENOENT" } });
});

it("CTS_DISABLE_FEATURES=tcx makes attachTcx fail as on an older kernel", () => {
  using object = loadSample();
  using program = object.program("sample_tc");
  process.env.CTS_DISABLE_FEATURES = "tcx";
  try {
    expect(thrownBy(() => BpfLink.attachTcx({ program, ifindex: 1, direction: "ingress" }))).toMatchObject({
      code: "link-attach",
      details: { errno: "EINVAL" },
      hint: expect.stringContaining("clsact"),
    });
  } finally {
    delete process.env.CTS_DISABLE_FEATURES;
  }
});

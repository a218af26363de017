import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { kernelEnumNames } from "../../src/kernel/btf.js";
import { hintForFailure, isOnBpffs, missingBpfCapabilities } from "../../src/kernel/failure-hint.js";
import { disabledFeatures } from "../../src/kernel/feature-mask.js";
import { probeKernelFeatures } from "../../src/kernel/features.js";
import { bootNowNs, interfaceIndex, interfaceName, monotonicNowNs, possibleCpus } from "../../src/kernel/net.js";
import { listMapIds, listProgramIds } from "../../src/kernel/object-ids.js";
import { parseLoadLog } from "../../src/kernel/verifier-log.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson } from "./kernel-fixture.js";

describe("feature probes", () => {
  it("find on a 6.x kernel what is older than it, each with its cost", () => {
    const features = probeKernelFeatures({ disabled: new Set() });
    const available = features.filter((feature) => feature.available).map((feature) => feature.name);
    expect(available).toEqual(
      expect.arrayContaining(["batch", "ringbuf", "lru", "lpm", "map_in_map", "cgroup_sock_addr", "redirect_peer"]),
    );
    for (const feature of features) {
      expect(feature.costWhenMissing.length).toBeGreaterThan(10);
      expect(feature.since).toMatch(/^\d\.\d+/);
      expect(feature.masked).toBe(false);
    }
    expect(new Set(features.map((feature) => feature.name)).size).toBe(features.length);
  });

  it("leave no map and no program behind", async () => {
    const programs = new Set(listProgramIds());
    const maps = new Set(listMapIds());
    for (let round = 0; round < 5; round++) probeKernelFeatures();
    await expect.poll(() => listProgramIds().filter((id) => !programs.has(id)).length).toBe(0);
    await expect.poll(() => listMapIds().filter((id) => !maps.has(id)).length).toBe(0);
  });

  it("honour the mask", () => {
    expect(disabledFeatures({ CTS_DISABLE_FEATURES: " tcx, batch,," })).toEqual(new Set(["tcx", "batch"]));
    expect(disabledFeatures({})).toEqual(new Set());
    const masked = probeKernelFeatures({ disabled: new Set(["tcx"]) }).find((feature) => feature.name === "tcx");
    expect(masked).toMatchObject({ available: false, masked: true });
  });
});

describe("without rights", () => {
  let folder: TestFolder;
  beforeAll(() => {
    folder = new TestFolder();
  });
  afterAll(() => folder[Symbol.dispose]());

  it("every refusal names the missing capabilities", () => {
    const objectPath = compileFixture("sample", folder.path);
    using map = BpfMap.create({ type: "hash", name: "x", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 });
    map.pin(`${folder.bpffs}/map`);
    const answers = runChildForJson<Record<string, { code: string; hint: string; errno: string; exitCode: number }>>(
      "without-rights",
      {
        prefix: ["setpriv", "--inh-caps=-all", "--bounding-set=-all"],
        args: [objectPath, `${folder.bpffs}/map`],
      },
    );
    expect(Object.keys(answers)).toEqual(["create", "open", "load", "list", "probe"]);
    for (const [name, answer] of Object.entries(answers)) {
      if (name === "open" && answer.code === "no error") continue; // the kernel lets the owner of the pin open it
      expect(answer.hint, name).toContain("CAP_BPF");
      expect(answer.hint, name).toMatch(/root/);
      expect(answer.exitCode, name).toBe(6);
      expect(answer.errno, name).toBe("EPERM");
    }
  });

  it("reads capabilities from the effective set; CAP_SYS_ADMIN stands for all", () => {
    expect(missingBpfCapabilities("CapEff:\t0000000000000000\n")).toEqual(["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
    expect(missingBpfCapabilities("CapEff:\t0000000000200000\n")).toEqual([]);
    expect(missingBpfCapabilities("CapEff:\t000000c000001000\n")).toEqual([]);
    expect(missingBpfCapabilities("CapEff:\t0000008000000000\n")).toEqual(["CAP_NET_ADMIN", "CAP_PERFMON"]);
  });

  it("tells a BPF file system from another", () => {
    expect(isOnBpffs(`${folder.bpffs}/new`)).toBe(true);
    expect(isOnBpffs(`${folder.path}/new`)).toBe(false);
    expect(hintForFailure({ code: "map-pin", errno: 1, path: `${folder.path}/new` })).toContain("mount -t bpf");
  });
});

describe("BTF of the kernel", () => {
  it("names the values of an enum by number", () => {
    const reasons = kernelEnumNames("skb_drop_reason");
    expect(reasons?.get(2)).toBe("SKB_DROP_REASON_NOT_SPECIFIED");
    expect(reasons?.size).toBeGreaterThan(20);
    expect(kernelEnumNames("bpf_map_type")?.get(1)).toBe("BPF_MAP_TYPE_HASH");
  });

  it("is undefined for an unknown enum, and when BTF is masked", () => {
    expect(kernelEnumNames("no_such_enum")).toBeUndefined();
    process.env.CTS_DISABLE_FEATURES = "btf";
    try {
      expect(kernelEnumNames("bpf_map_type")).toBeUndefined();
    } finally {
      delete process.env.CTS_DISABLE_FEATURES;
    }
  });

  it("does not keep the parsed BTF in memory", () => {
    kernelEnumNames("bpf_map_type");
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 20; round++) kernelEnumNames("bpf_map_type");
    expect(process.memoryUsage.rss() - before).toBeLessThan(30 * 1024 * 1024);
  });
});

describe("small questions", () => {
  it("interfaces, clocks, CPUs", () => {
    expect(interfaceIndex("lo")).toBe(1);
    expect(interfaceName(1)).toBe("lo");
    expect(interfaceIndex("cts-no-such")).toBeUndefined();
    expect(interfaceName(0x7ffffff0)).toBeUndefined();
    expect(possibleCpus()).toBeGreaterThan(0);
    const first = monotonicNowNs();
    expect(monotonicNowNs()).toBeGreaterThanOrEqual(first);
    expect(bootNowNs()).toBeGreaterThanOrEqual(first);
  });
});

describe("the log of a refused load", () => {
  it("keeps the end of a long verifier log and drops its statistics", () => {
    const lines = Array.from({ length: 500 }, (_, index) => `${index}: (b7) r0 = ${index}`);
    const text = [
      "libbpf: prog 'first': BPF program load failed: Permission denied",
      "libbpf: prog 'first': -- BEGIN PROG LOAD LOG --",
      ...lines,
      "R2 offset is outside of the packet",
      "processed 500 insns (limit 1000000) max_states_per_insn 0",
      "-- END PROG LOAD LOG --",
      "libbpf: prog 'first': failed to load: -13",
      "libbpf: failed to load object 'x'",
    ].join("\n");
    const log = parseLoadLog(text);
    expect(log.program).toBe("first");
    expect(log.reason).toBe("R2 offset is outside of the packet");
    expect(log.verifierLog?.split("\n").length).toBe(41);
    expect(log.verifierLog?.split("\n")[0]).toBe("… 461 lines before");
    expect(log.verifierLog).toContain("499: (b7) r0 = 499");
  });

  it("without a verifier log takes libbpf's first complaint", () => {
    const text = "libbpf: map 'x': failed to create: Invalid argument(-22)\nlibbpf: failed to load object 'y'\n";
    expect(parseLoadLog(text)).toEqual({
      program: undefined,
      verifierLog: undefined,
      reason: "map 'x': failed to create: Invalid argument(-22)",
    });
    expect(parseLoadLog("")).toEqual({ program: undefined, verifierLog: undefined, reason: undefined });
  });
});

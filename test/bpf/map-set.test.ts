import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prepareBpfFolder } from "../../src/datapath/bpf-folder.js";
import { MapSet } from "../../src/datapath/map-set.js";
import { PolicyMaps } from "../../src/datapath/policy-maps.js";
import { readEntries } from "../../src/datapath/table.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { KernelError } from "../../src/lib/errors.js";
import { TestFolder } from "../support/test-folder.js";
import { allowAll } from "./harness.js";

const objectPath = fileURLToPath(new URL("../../bpf/build/maps.bpf.o", import.meta.url));
const installId = "11111111-2222-4333-8444-555555555555";
const small = new Map([
  ["cilium_ct4_global", 1024],
  ["cilium_ct_any4_global", 1024],
  ["cilium_lb4_reverse_sk", 1024],
]);

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const open = (options: Partial<Parameters<typeof MapSet.open>[0]> = {}) =>
  MapSet.open({ folder: folder.maps, objectPath, installId, maxEntries: small, adopt: false, ...options });
const pinId = (name: string): number => {
  using map = BpfMap.openPinned(join(folder.maps, name), { readOnly: true });
  return map.info.id;
};
const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof KernelError ? error.code : String(error);
  }
};
const ctKey = (last: number): Buffer => Buffer.concat([Buffer.alloc(13, 1), Buffer.of(last)]);

describe("pinned maps", () => {
  it("pins every map and records it before anything else can happen", () => {
    using maps = open();
    for (const name of maps.names) {
      expect(existsSync(join(folder.maps, name)), name).toBe(true);
      if (name !== "cts_owner") expect(maps.ownership.owns("map", name, pinId(name)), name).toBe(true);
    }
    expect(maps.ownership.installId).toBe(installId);
  });

  it("keeps maps, content and the first install id over a restart", () => {
    const before = open();
    before.get("cilium_ct4_global").update(ctKey(1), Buffer.alloc(56, 7));
    const ids = new Map(before.names.map((name) => [name, pinId(name)]));
    before[Symbol.dispose]();
    using after = open({ installId: "99999999-9999-4999-8999-999999999999" });
    expect(new Map(after.names.map((name) => [name, pinId(name)]))).toEqual(ids);
    expect(after.get("cilium_ct4_global").lookup(ctKey(1))).toEqual(Buffer.alloc(56, 7));
    expect(after.ownership.installId).toBe(installId);
  });

  it("carries connections over when a size changes", () => {
    const before = open();
    for (let i = 0; i < 100; i++) before.get("cilium_ct4_global").update(ctKey(i), Buffer.alloc(56, i));
    const oldId = pinId("cilium_ct4_global");
    before[Symbol.dispose]();
    using after = open({ maxEntries: new Map([...small, ["cilium_ct4_global", 4096]]) });
    expect(pinId("cilium_ct4_global")).not.toBe(oldId);
    expect([...readEntries(after.get("cilium_ct4_global"))]).toHaveLength(100);
    expect(readdirSync(folder.maps).filter((name) => name.endsWith("__next"))).toEqual([]);
  });

  it("keeps connections that the old programs accept while a size changes", () => {
    const before = open();
    before.get("cilium_ct4_global").update(ctKey(1), Buffer.alloc(56, 1));
    using after = open({ maxEntries: new Map([...small, ["cilium_ct4_global", 4096]]) });
    after.get("cilium_ct4_global").update(ctKey(1), Buffer.alloc(56, 9));
    before.get("cilium_ct4_global").update(ctKey(2), Buffer.alloc(56, 2));
    after.takeLateEntries();
    expect(after.get("cilium_ct4_global").lookup(ctKey(2))).toEqual(Buffer.alloc(56, 2));
    expect(after.get("cilium_ct4_global").lookup(ctKey(1))).toEqual(Buffer.alloc(56, 9));
    before[Symbol.dispose]();
  });

  it("goes on after a crash in the middle of a replacement", () => {
    const before = open();
    using next = BpfMap.create({
      type: "lru_hash",
      name: "half",
      keySizeBytes: 14,
      valueSizeBytes: 56,
      maxEntries: 64,
    });
    before.ownership.record("map", "cilium_ct4_global__next", next.info.id);
    next.pin(join(folder.maps, "cilium_ct4_global__next"));
    before[Symbol.dispose]();
    using after = open();
    expect(after.has("cilium_ct4_global")).toBe(true);
    expect(existsSync(join(folder.maps, "cilium_ct4_global__next"))).toBe(false);
  });

  it("refuses a bpffs that is none, and says how to mount one", () => {
    const code = codeOf(() => prepareBpfFolder("/tmp"));
    expect(code).toBe("bpffs-missing");
  });
});

describe("pins of others", () => {
  const foreign = (name: string, valueSizeBytes = 56): BpfMap => {
    const map = BpfMap.create({
      type: "lru_hash",
      name: "foreign",
      keySizeBytes: 14,
      valueSizeBytes,
      maxEntries: 1024,
    });
    map.pin(join(folder.maps, name));
    return map;
  };

  it.each(["cilium_ct4_global", "cilium_signals"])(
    "refuses to start beside a foreign %s and touches nothing",
    (name) => {
      using map = foreign(name);
      map.update(ctKey(1), Buffer.alloc(56, 9));
      expect(codeOf(() => open())).toBe("foreign-pin");
      expect(readdirSync(folder.maps)).toEqual([name]);
      expect([...readEntries(map)]).toHaveLength(1);
      expect(pinId(name)).toBe(map.info.id);
    },
  );

  it("names the command that adopts and the one that moves away", () => {
    using _ = foreign("cilium_ct4_global");
    try {
      open();
      expect.unreachable();
    } catch (error) {
      expect((error as KernelError).nextSteps.join("\n")).toMatch(/--adopt[\s\S]*mv /);
    }
  });

  it("adopts a map of our layout when told to, with its content", () => {
    using map = foreign("cilium_ct4_global");
    map.update(ctKey(1), Buffer.alloc(56, 9));
    using maps = open({ adopt: true });
    expect(pinId("cilium_ct4_global")).toBe(map.info.id);
    expect(maps.ownership.owns("map", "cilium_ct4_global", map.info.id)).toBe(true);
  });

  it("an adoption lasts: the next start without the flag takes what the one before adopted, also pins we have no use for", () => {
    using map = foreign("cilium_signals");
    open({ adopt: true })[Symbol.dispose]();
    using maps = open();
    expect(maps.ownership.owns("map", "cilium_signals", map.info.id)).toBe(true);
    expect(maps.has("cilium_signals")).toBe(false);
    expect(pinId("cilium_signals")).toBe(map.info.id);
  });

  it("an adoption is of one map: another one that takes its pin is foreign again", () => {
    foreign("cilium_signals").close();
    open({ adopt: true })[Symbol.dispose]();
    rmSync(join(folder.maps, "cilium_signals"));
    using _ = foreign("cilium_signals");
    expect(codeOf(() => open())).toBe("foreign-pin");
  });

  it("an adoption that meets a pin it cannot take records none of the others", () => {
    using signals = foreign("cilium_signals");
    using _ = foreign("cilium_ct4_global", 48);
    expect(codeOf(() => open({ adopt: true }))).toBe("foreign-pin");
    expect(readdirSync(folder.maps).sort()).toEqual(["cilium_ct4_global", "cilium_signals"]);
    expect(pinId("cilium_signals")).toBe(signals.info.id);
  });

  it("never takes a foreign pin where a replacement of ours would be for one", () => {
    open()[Symbol.dispose]();
    const id = pinId("cilium_ct4_global");
    using next = foreign("cilium_ct4_global__next");
    for (const adopt of [false, true]) expect(codeOf(() => open({ adopt }))).toBe("foreign-pin");
    expect(pinId("cilium_ct4_global")).toBe(id);
    expect(pinId("cilium_ct4_global__next")).toBe(next.info.id);
  });

  it("does not adopt a map of another layout", () => {
    using map = foreign("cilium_ct4_global", 48);
    expect(codeOf(() => open({ adopt: true }))).toBe("foreign-pin");
    expect(pinId("cilium_ct4_global")).toBe(map.info.id);
  });

  it("takes a pin that was exchanged behind our back for foreign", () => {
    open()[Symbol.dispose]();
    rmSync(join(folder.maps, "cilium_ct4_global"));
    using _ = foreign("cilium_ct4_global");
    expect(codeOf(() => open())).toBe("foreign-pin");
  });

  it("refuses a cts_owner that is not ours", () => {
    using map = BpfMap.create({ type: "hash", name: "odd", keySizeBytes: 8, valueSizeBytes: 8, maxEntries: 8 });
    map.pin(join(folder.maps, "cts_owner"));
    expect(codeOf(() => open())).toBe("owner-layout");
  });
});

describe("policy maps", () => {
  it("pins one an endpoint, finds it again and removes it", async () => {
    using maps = open();
    const policies = new PolicyMaps({ folder: folder.maps, maps, maxEntries: 256 });
    await policies.write(7, allowAll);
    await policies.write(65_535, allowAll);
    const id = pinId("cilium_policy_v2_00007");
    await policies.write(7, allowAll);
    expect(pinId("cilium_policy_v2_00007")).toBe(id);
    expect(policies.endpointIds()).toEqual([7, 65_535]);
    await policies.remove(7);
    await policies.remove(7);
    expect(policies.endpointIds()).toEqual([65_535]);
  });

  it("survives a restart of its owner", async () => {
    const before = open();
    await new PolicyMaps({ folder: folder.maps, maps: before, maxEntries: 256 }).write(7, allowAll);
    before[Symbol.dispose]();
    using after = open();
    expect(new PolicyMaps({ folder: folder.maps, maps: after, maxEntries: 256 }).endpointIds()).toEqual([7]);
  });
});

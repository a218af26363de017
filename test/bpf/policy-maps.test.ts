import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodePolicyEntry } from "../../src/datapath/entries.js";
import { Ownership } from "../../src/datapath/ownership.js";
import { PolicyMaps } from "../../src/datapath/policy-maps.js";
import { readEntries } from "../../src/datapath/table.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { TestFolder } from "../support/test-folder.js";
import { allowAll, objectsDir } from "./harness.js";
import { u32 } from "./u32.js";

const installId = "11111111-2222-4333-8444-555555555555";
const web: PolicyEntry = {
  ...{ direction: "ingress", identity: 7, protocol: 6, port: 80, portPrefixLength: 16, verdict: "allow" },
};
const dns: PolicyEntry = { ...web, protocol: 17, port: 53 };

let folder: TestFolder;
let maps: ReadonlyMap<string, BpfMap>;
let policies: PolicyMaps;

beforeEach(() => {
  folder = new TestFolder();
  using object = BpfObject.open(join(objectsDir, "maps.bpf.o"), { name: "cts_test" });
  for (const map of object.maps) if (map.maxEntries > 65_536) object.setMapMaxEntries(map.name, 1024);
  object.load();
  maps = new Map(object.maps.filter((map) => !map.isInternal).map((map) => [map.name, object.map(map.name)]));
  policies = open();
});
afterEach(() => {
  for (const map of maps.values()) map.close();
  folder[Symbol.dispose]();
});

/** As a new agent would. */
function open(maxEntries = 256): PolicyMaps {
  const get = (name: string): BpfMap => maps.get(name)!;
  const ownership = new Ownership(get("cts_owner"), installId);
  return new PolicyMaps({ folder: folder.maps, maps: { get, ownership }, maxEntries });
}

const pinPath = (endpointId: number, suffix = "") =>
  join(folder.maps, `cilium_policy_v2_${String(endpointId).padStart(5, "0")}${suffix}`);
const pinId = (endpointId: number): number => {
  using map = BpfMap.openPinned(pinPath(endpointId), { readOnly: true });
  return map.info.id;
};
const indexedId = (endpointId: number) => maps.get("cts_policy_maps")!.lookup(u32(endpointId))?.readUInt32LE();
const epoch = () => maps.get("cts_policy_epoch")!.lookup(u32(0))!.readUInt32LE();
const contentOf = (endpointId: number): readonly string[] => {
  using map = BpfMap.openPinned(pinPath(endpointId), { readOnly: true });
  return [...readEntries(map)].map(({ key, value }) => key.toString("hex") + value.toString("hex")).sort();
};
const encoded = (entries: readonly PolicyEntry[]): readonly string[] =>
  entries
    .map(encodePolicyEntry)
    .map(({ key, value }) => key.toString("hex") + value.toString("hex"))
    .sort();

describe("a policy map", () => {
  it("is found by programs and by path once it is written", async () => {
    await policies.write(7, allowAll);
    expect(indexedId(7)).toBe(pinId(7));
    expect(contentOf(7)).toEqual(encoded(allowAll));
    expect(policies.endpointIds()).toEqual([7]);
  });

  it("is edited where it is when no packet can see half of the change", async () => {
    await policies.write(7, [web]);
    const id = pinId(7);
    const before = epoch();
    await policies.write(7, [web, dns]);
    await policies.write(7, [{ ...web, verdict: "deny" }, dns]);
    await policies.write(7, []);
    expect([pinId(7), indexedId(7)]).toEqual([id, id]);
    expect(contentOf(7)).toEqual([]);
    expect(epoch()).toBe(before + 6);
  });

  it("is replaced by another one when a packet could see half of the change", async () => {
    await policies.write(7, [web]);
    const id = pinId(7);
    await policies.write(7, allowAll);
    expect(pinId(7)).not.toBe(id);
    expect(indexedId(7)).toBe(pinId(7));
    expect(contentOf(7)).toEqual(encoded(allowAll));
    expect(existsSync(pinPath(7, "__next"))).toBe(false);
  });

  it("is not touched by what it holds already", async () => {
    await policies.write(7, [web, dns]);
    const before = [pinId(7), epoch()];
    await policies.write(7, [dns, web]);
    await open().write(7, [dns, web]);
    expect(pinId(7)).toBe(before[0]);
    // The new agent's own beginning.
    expect(epoch()).toBe(before[1]! + 2);
  });

  it("has another size after the setting changed", async () => {
    await policies.write(7, [web]);
    await open(512).write(7, [web]);
    using map = BpfMap.openPinned(pinPath(7), { readOnly: true });
    expect(map.info.maxEntries).toBe(512);
    expect(indexedId(7)).toBe(map.info.id);
  });

  it("takes a full map's worth of other entries", async () => {
    const full = (first: number) => Array.from({ length: 256 }, (_, index) => ({ ...web, identity: first + index }));
    await policies.write(7, full(1000));
    await policies.write(7, full(2000));
    expect(contentOf(7)).toEqual(encoded(full(2000)));
  });

  it("keeps the old policy, and says so, when the new one does not fit", async () => {
    await policies.write(7, [web]);
    const tooMany = Array.from({ length: 257 }, (_, index) => ({ ...web, identity: 1000 + index }));
    await expect(policies.write(7, tooMany)).rejects.toMatchObject({ code: "map-update-batch" });
    expect(contentOf(7)).toEqual(encoded([web]));
    await policies.write(7, [dns]);
    expect(contentOf(7)).toEqual(encoded([dns]));
  });

  it("goes with its endpoint, and may come again", async () => {
    await policies.write(7, [web]);
    await Promise.all([policies.write(7, [dns]), policies.remove(7)]);
    expect([indexedId(7), policies.endpointIds()]).toEqual([undefined, []]);
    const removal = policies.remove(7);
    await policies.write(7, [web]);
    await removal;
    expect(indexedId(7)).toBe(pinId(7));
  });

  it("gets what was asked last", async () => {
    await Promise.all([policies.write(7, [web]), policies.write(7, [dns]), policies.write(7, allowAll)]);
    expect(contentOf(7)).toEqual(encoded(allowAll));
  });

  it("of hundreds of endpoints is replaced in a few batches", async () => {
    const ids = Array.from({ length: 300 }, (_, index) => 100 + index);
    await Promise.all(ids.map((id) => policies.write(id, allowAll)));
    const before = epoch();
    await Promise.all(ids.map((id) => policies.write(id, [web])));
    // Two steps of the epoch a batch.
    expect(epoch() - before).toBe(2 * Math.ceil(300 / 128));
    for (const id of ids) expect(indexedId(id)).toBe(pinId(id));
  });
});

describe("a policy map after a kill", () => {
  it("that came before the exchange: the next write begins again", async () => {
    await policies.write(7, [web]);
    using staged = BpfMap.create({
      ...{ type: "lpm_trie", name: "staged", keySizeBytes: 12, valueSizeBytes: 12, maxEntries: 256, flags: 0x81 },
    });
    staged.pin(pinPath(7, "__next"));
    await open().write(7, allowAll);
    expect(contentOf(7)).toEqual(encoded(allowAll));
    expect(indexedId(7)).toBe(pinId(7));
    expect(existsSync(pinPath(7, "__next"))).toBe(false);
  });

  it("that came between exchange and name: programs keep the new policy until the next write is in place", async () => {
    await policies.write(7, [web]);
    await policies.write(8, allowAll);
    // As if the map of 8 had been put into the slot of 7, and not got its name.
    using newer = BpfMap.openPinned(pinPath(8));
    await maps.get("cts_policy_maps")!.updateInnersAsync(u32(7), [newer]);
    renameSync(pinPath(8), pinPath(7, "__next"));
    const restarted = open();
    await restarted.indexPinned();
    expect(indexedId(7)).toBe(newer.info.id);
    await restarted.write(7, allowAll);
    expect(indexedId(7)).toBe(pinId(7));
    expect(contentOf(7)).toEqual(encoded(allowAll));
  });

  it("that took the index: what is pinned is found again before anything is written", async () => {
    await policies.write(7, [web]);
    maps.get("cts_policy_maps")!.delete(u32(7));
    await open().indexPinned();
    expect(indexedId(7)).toBe(pinId(7));
  });
});

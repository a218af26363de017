import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PolicyEpoch } from "../../src/datapath/policy-epoch.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { u32 } from "./u32.js";

let map: BpfMap;
beforeEach(() => {
  map = BpfMap.create({ type: "array", name: "cts_epoch", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 });
});
afterEach(() => map.close());

const value = () => map.lookup(u32(0))!.readUInt32LE();

describe("the epoch of the policies", () => {
  it("is odd during a change and another one after it", () => {
    const epoch = new PolicyEpoch(map);
    const before = value();
    const change = epoch.change();
    expect(value()).toBe(before + 1);
    change[Symbol.dispose]();
    expect(value()).toBe(before + 2);
  });

  it("stays odd until the last of several changes has ended", () => {
    const epoch = new PolicyEpoch(map);
    const before = value();
    const changes = [epoch.change(), epoch.change()];
    changes[0]![Symbol.dispose]();
    expect(value()).toBe(before + 1);
    changes[1]![Symbol.dispose]();
    expect(value()).toBe(before + 2);
  });

  it.each([
    [0, 2],
    [6, 8],
    [7, 8],
    [0xfffffffe, 0],
    [0xffffffff, 0],
  ])("begins a new, even epoch with each agent: %i → %i", (found, expected) => {
    map.update(u32(0), u32(found));
    new PolicyEpoch(map);
    expect(value()).toBe(expected);
  });

  it("never lies after a write that failed: a change is odd, its end even, or the error is told", () => {
    let failures = 0;
    const failing = {
      lookup: (key: Buffer) => map.lookup(key),
      update: (key: Buffer, bytes: Buffer) => {
        if (failures-- > 0) throw new Error("no memory");
        map.update(key, bytes);
      },
    };
    const epoch = new PolicyEpoch(failing);
    const before = value();
    failures = 1;
    expect(() => epoch.change()).toThrow("no memory");
    const first = epoch.change();
    expect(value()).toBe(before + 1);
    failures = 1;
    expect(() => first[Symbol.dispose]()).toThrow("no memory");
    expect(value()).toBe(before + 1);
    epoch.change()[Symbol.dispose]();
    expect(value()).toBe(before + 2);
  });
});

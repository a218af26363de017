import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PolicyEpoch } from "../../src/datapath/policy-epoch.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { u32 } from "./harness.js";

let map: BpfMap;
beforeEach(() => {
  map = BpfMap.create({ type: "array", name: "cts_epoch", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 });
});
afterEach(() => map.close());

const value = () => map.lookup(u32(0))!.readUInt32LE();

describe("the epoch of the policies", () => {
  it("is odd during a change and another one after it", () => {
    const epoch = new PolicyEpoch(map);
    const change = epoch.change();
    expect(value()).toBe(1);
    change[Symbol.dispose]();
    expect(value()).toBe(2);
  });

  it("stays odd until the last of several changes has ended", () => {
    const epoch = new PolicyEpoch(map);
    const changes = [epoch.change(), epoch.change()];
    changes[0]![Symbol.dispose]();
    expect(value()).toBe(1);
    changes[1]![Symbol.dispose]();
    expect(value()).toBe(2);
  });

  it("ends the change in which an agent was killed, and is left alone otherwise", () => {
    map.update(u32(0), u32(7));
    new PolicyEpoch(map);
    expect(value()).toBe(8);
    new PolicyEpoch(map);
    expect(value()).toBe(8);
  });

  it("wraps around", () => {
    map.update(u32(0), u32(0xffffffff));
    new PolicyEpoch(map);
    expect(value()).toBe(0);
  });
});

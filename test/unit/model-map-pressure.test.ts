import { describe, expect, it } from "vitest";
import { describePressure, pressureOf } from "../../src/model/map-pressure.js";

const map = (name: string, entries: number, maxEntries = 1000) => ({ name, entries, maxEntries });

describe("the pressure on a map", () => {
  it.each([
    [0, "low"],
    [799, "low"],
    [800, "high"],
    [949, "high"],
    [950, "full"],
    [1000, "full"],
  ])("of 1000 entries with %d in use is %s", (entries, pressure) => {
    expect(pressureOf(map("cilium_ct4_global", entries))).toBe(pressure);
  });

  it("is told in words, with what is lost when it is full", () => {
    expect(describePressure({ ...map("cilium_ct4_global", 850), isEstimate: true })).toBe(
      "conntrack 85 %: cilium_ct4_global has some 850 of 1000 entries",
    );
    expect(describePressure(map("cilium_policy_v2_17", 1000))).toBe(
      "policy 100 %: cilium_policy_v2_17 has 1000 of 1000 entries: a larger policy denies everything",
    );
  });

  it.each([
    "cilium_ct_any6_global",
    "cilium_snat_v6_external",
    "cilium_lb4_services_v2",
    "cilium_lb6_backends_v3",
    "cilium_lb4_reverse_nat",
  ])("is watched on %s", (name) => expect(describePressure(map(name, 900))).toContain(`${name} has 900 of 1000`));

  it("is nothing to worry about where the oldest entry may go", () => {
    expect(describePressure(map("cilium_lb4_reverse_sk", 1000))).toBe(undefined);
  });
});

import { describe, expect, test } from "vitest";
import { type Release, releases } from "../../src/abi/release.js";
import { type UpstreamMap, upstreamMap, upstreamMaps, upstreamMapsOf } from "../../src/abi/upstream-maps.js";
import { decideRelease, objectionTo, type PinnedMapShape, releasesOfMap } from "../../src/node/release.js";

const pinOf = (map: UpstreamMap): PinnedMapShape => ({
  name: map.name.replace("NNNNN", "00042").replace(/_N$/, "_2"),
  type: map.type,
  keySizeBytes: map.keySizeBytes,
  valueSizeBytes: map.valueSizeBytes,
  maxEntries: map.maxEntries,
  flags: map.flags,
});
const setOf = (release: Release): readonly PinnedMapShape[] => upstreamMapsOf(release).map(pinOf);
const some = (release: Release, ...names: readonly string[]) =>
  setOf(release).filter(({ name }) => names.includes(name.replace("00042", "NNNNN")));

describe("a node's release", () => {
  test.each(releases)("the whole map set of %s is told from all others", (release) => {
    expect(decideRelease({ maps: setOf(release) }).candidates).toEqual([release]);
  });

  test.each(releases)("of %s the maps that every agent makes are enough", (release) => {
    const basic = some(
      release,
      "cilium_lxc",
      "cilium_metrics",
      "cilium_events",
      "cilium_ct4_global",
      "cilium_policy_NNNNN",
      "cilium_policy_v2_NNNNN",
      "cilium_ipcache",
      "cilium_ipcache_v2",
      "cilium_node_map",
      "cilium_node_map_v2",
      "cilium_policystats",
      "cilium_devices",
      "cilium_ratelimit",
    );
    expect(decideRelease({ maps: basic }).candidates).toEqual([release]);
  });

  test("capacities are settings and say nothing", () => {
    const maps = setOf("1.16").map((map) => ({ ...map, maxEntries: 77 }));
    expect(decideRelease({ maps }).candidates).toEqual(["1.16"]);
  });

  test("maps that an older agent left writable for programs do not refute the release that keeps them", () => {
    const maps = setOf("1.20").map((map) => ({ ...map, flags: map.flags & 0x7f }));
    expect(decideRelease({ maps }).candidates).toEqual(["1.20"]);
  });

  test("a map that programs cannot write refutes the releases that write it", () => {
    const maps = some("1.20", "cilium_lxc");
    expect(decideRelease({ maps }).candidates).toEqual(["1.20"]);
    expect(decideRelease({ maps }).evidence).toEqual([
      "cilium_lxc is a hash of 20 and 48 bytes, read-only for programs: 1.20",
    ]);
  });

  test("several releases remain where nothing tells them apart", () => {
    const { candidates } = decideRelease({ maps: some("1.16", "cilium_ct4_global", "cilium_lxc") });
    expect(candidates).toEqual(releases);
  });

  test("further evidence narrows what the maps leave open, unless it contradicts them", () => {
    const maps = some("1.16", "cilium_ct4_global");
    const by = (release: Release) => ({ text: "the agent says so", releases: [release] });
    expect(decideRelease({ maps, others: [by("1.17")] }).candidates).toEqual(["1.17"]);
    expect(decideRelease({ maps: setOf("1.16"), others: [by("1.20")] }).candidates).toEqual(["1.16"]);
  });

  test("what the user or our own record says is taken", () => {
    const decided = { text: "--release was given", releases: ["1.15"] as const };
    expect(decideRelease({ maps: setOf("1.20"), decided }).candidates).toEqual(["1.15"]);
  });

  test("a release that was given reads maps of its sizes, though their flags are of another release", () => {
    const decided = { text: "--release was given", releases: ["1.19"] as const };
    const decision = decideRelease({ maps: setOf("1.20"), decided });
    expect(objectionTo(decision, "cilium_lb4_services_v2")).toBeUndefined();
    expect(releasesOfMap(decision, "cilium_lb4_services_v2")).toEqual(["1.19"]);
  });
});

describe("maps that fit no release", () => {
  const lxc = pinOf(upstreamMap("cilium_lxc", "1.20")!);

  test("another size refutes all, and the objection names map and sizes", () => {
    const { candidates, objections } = decideRelease({ maps: [{ ...lxc, valueSizeBytes: 40 }] });
    expect(candidates).toEqual([]);
    expect(objections).toEqual([{ map: "cilium_lxc", text: "has values of 40 bytes instead of 48" }]);
  });

  test("maps that upstream does not pin say nothing", () => {
    const { candidates } = decideRelease({ maps: [lxc, { ...lxc, name: "something_else", valueSizeBytes: 3 }] });
    expect(candidates).toEqual(["1.20"]);
  });

  test("a map that the decided release does not have in this shape is objected to", () => {
    const decided = { text: "--release was given", releases: ["1.16"] as const };
    const decision = decideRelease({ maps: setOf("1.18"), decided });
    expect(objectionTo(decision, "cilium_ipcache_v2")?.text).toBe("is no map of that release");
    expect(objectionTo(decision, "cilium_ct4_global")).toBeUndefined();
  });
});

describe("in the middle of an upgrade", () => {
  const names = [...new Set(upstreamMaps.map(({ name }) => name))];

  test.each(releases.slice(1).map((to, i) => [releases[i]!, to] as const))("from %s to %s", (from, to) => {
    // Maps that the new agent has made again, and maps of the old one that it has not reached yet.
    const renewed = setOf(to).filter((_, i) => i % 2 === 0);
    const old = setOf(from).filter(({ name }) => !renewed.some((map) => map.name === name));
    const decision = decideRelease({ maps: [...renewed, ...old] });
    expect(decision.objections).toEqual([]);
    for (const map of [...renewed, ...old]) {
      expect(releasesOfMap(decision, map.name).some((release) => release === from || release === to)).toBe(true);
    }
    expect(decision.candidates.some((release) => release === from || release === to)).toBe(true);
  });

  test("policy maps of both releases are each read as their own", () => {
    const older = some("1.18", "cilium_policy_v2_NNNNN", "cilium_ipcache_v2");
    const newer = some("1.19", "cilium_policy_v2_NNNNN").map((map) => ({ ...map, name: "cilium_policy_v2_00043" }));
    const decision = decideRelease({ maps: [...older, ...newer] });
    expect(decision).toMatchObject({ isMixed: true, candidates: ["1.18", "1.19"] });
    expect(releasesOfMap(decision, "cilium_policy_v2_00042")).toEqual(["1.18"]);
    expect(releasesOfMap(decision, "cilium_policy_v2_00043")).toEqual(["1.19"]);
  });

  test("maps of three releases are no upgrade", () => {
    const maps = [
      ...some("1.14", "cilium_policy_NNNNN"),
      ...some("1.17", "cilium_policy_v2_NNNNN").map((map) => ({ ...map, name: "cilium_policy_v2_00001" })),
      ...some("1.20", "cilium_devices"),
    ];
    const { candidates, objections } = decideRelease({ maps });
    expect(candidates).toEqual([]);
    expect(objections.map(({ map }) => map)).toContain("cilium_devices");
  });

  test("every map of the table is told by its name", () => {
    expect(names.length).toBeGreaterThan(60);
  });
});

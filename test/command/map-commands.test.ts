import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { releases } from "../../src/abi/release.js";
import { upstreamMapsOf } from "../../src/abi/upstream-maps.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { commandOfMap } from "../../src/node/map-commands.js";

const commands = Object.keys(JSON.parse(readFileSync("oclif.manifest.json", "utf8")).commands);
const pins = [...new Set(releases.flatMap((release) => upstreamMapsOf(release).map(({ name }) => name)))].map((name) =>
  name.replace("NNNNN", "00042").replace(/_N$/, "_2"),
);

describe("the command that prints a map better", () => {
  test("is one that there is", () => {
    const named = new Set([...pins, "cts_policy_maps"].map(commandOfMap));
    expect(named.size).toBeGreaterThan(25);
    for (const command of named) {
      if (command === undefined) continue;
      const id = command.replace(/ (--.*|cluster)$/, "").replaceAll(" ", ":");
      expect(commands).toContain(id);
    }
  });

  test("is told of every map that a list of its own is declared for", () => {
    const declared = smallMaps.flatMap(({ sources }) => sources.map(({ pin }) => pin));
    for (const pin of declared) expect([pin, commandOfMap(pin)]).toEqual([pin, expect.any(String)]);
  });

  test("maps of others have none", () => {
    expect(commandOfMap("any_map")).toBeUndefined();
    expect(commandOfMap("cilium_calls_00042")).toBeUndefined();
  });
});

import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import type { ListStatus } from "../../src/model/list-status.js";
import { authMap } from "../../src/model/small-maps/auth.js";
import { fragmentMap } from "../../src/model/small-maps/fragment.js";
import { natMap } from "../../src/model/small-maps/nat.js";
import { natRetriesMap } from "../../src/model/small-maps/nat-retries.js";
import { nodeIdMap } from "../../src/model/small-maps/node-id.js";
import { runtimeConfigMap } from "../../src/model/small-maps/runtime-config.js";
import type { SmallMap, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { smallMapList } from "../../src/output/lists/small-map-list.js";
import { parseOutput } from "../../src/output/output-format.js";
import { printList } from "../../src/output/printer.js";
import { capturedRowsOf } from "../support/small-map-samples.js";
import { inBatches, joinText, readCapture } from "./abi-capture-files.js";

async function print<Row extends SmallMapRow>(
  map: SmallMap<Row>,
  rows: readonly Row[],
  output: string,
): Promise<string> {
  const status: ListStatus = { state: "complete", rowsRead: 0, restarts: 0, nodes: [], mapsRead: map.sources.length };
  return joinText(printList(smallMapList(map), inBatches(rows), () => status, { output: parseOutput(output) }));
}

const sortedLines = (text: string): readonly string[] => text.split("\n").sort();
const sortedItems = (text: string): readonly string[] =>
  (JSON.parse(text) as readonly unknown[] | null)?.map((item) => JSON.stringify(item)).sort() ?? ["none"];

describe("upstream's own output from the small maps of a real node", () => {
  /** When upstream's tool printed its text: the clock stood there. */
  const natPrintedAt = 2709;

  const captures: readonly (readonly [file: string, map: SmallMap<never>, readAtSeconds: number])[] = [
    ["bpf-nat-list", natMap as SmallMap<never>, natPrintedAt],
    ["bpf-frag-list", fragmentMap as SmallMap<never>, 0],
    ["bpf-auth-list", authMap as SmallMap<never>, 0],
    ["bpf-nodeid-list", nodeIdMap as SmallMap<never>, 0],
  ];

  it.each(captures)("%s: text, blanks included", async (file, map, readAtSeconds) => {
    const text = await print(map, capturedRowsOf(map, readAtSeconds), "cilium");
    expect(sortedLines(text)).toEqual(sortedLines(readCapture(`out/${file}.txt`)));
  });

  it.each(captures)("%s: json", async (file, map) => {
    const text = await print(map, capturedRowsOf(map), "cilium-json");
    expect(sortedLines(text)).toEqual(sortedLines(readCapture(`out/${file}.json`)));
    expect(sortedItems(text)).toEqual(sortedItems(readCapture(`out/${file}.json`)));
  });

  it("bpf config list, but for the time of the agent's latest sign of life", async () => {
    const withoutTime = (text: string): string => text.replaceAll(/\b2\d{12}\b/g, "(time)");
    const rows = [...capturedRowsOf(runtimeConfigMap)].reverse();
    expect(withoutTime(await print(runtimeConfigMap, rows, "cilium"))).toBe(
      withoutTime(readCapture("out/bpf-config-list.txt")),
    );
    expect(withoutTime(await print(runtimeConfigMap, rows, "cilium-json"))).toBe(
      withoutTime(readCapture("out/bpf-config-list.json")),
    );
  });

  it("bpf nat retries list adds what the CPUs counted", async () => {
    expect(await print(natRetriesMap, capturedRowsOf(natRetriesMap), "cilium")).toBe("0:\t29\n");
  });

  it.each([
    ["1.19", "TCP OUT [10.0.9.1]:4000 -> [10.96.9.1]:80 XLATE_SRC [10.0.9.1]:99 "],
    ["1.20", "TCP OUT [::ffff:10.0.9.1]:4000 -> [::ffff:10.96.9.1]:80 XLATE_SRC [::ffff:10.0.9.1]:99 "],
  ] as const)("bpf nat list of %s: IPv4 addresses in IPv6's form", async (release, start) => {
    const row = {
      ...capturedRowsOf(natMap)[0]!,
      release,
      protocol: 6,
      flags: 0,
      source: IpAddress.parse("::ffff:10.0.9.1"),
      sourcePort: 4000,
      destination: IpAddress.parse("::ffff:10.96.9.1"),
      destinationPort: 80,
      translated: IpAddress.parse("::ffff:10.0.9.1"),
      translatedPort: 99,
    };
    expect(await print(natMap, [row], "cilium")).toMatch(start);
  });

  it("without an entry upstream's text is on stderr alone", async () => {
    const format = smallMapList(fragmentMap).cilium;
    expect(`${format?.whenEmpty}\n`).toBe(readCapture("out/bpf-frag-list.txt.stderr"));
    expect(`${smallMapList(authMap).cilium?.whenEmpty}\n`).toBe(readCapture("out/bpf-auth-list.txt.stderr"));
  });
});

describe("declarations of small maps", () => {
  it("have names, kinds and headers of their own", () => {
    const isDistinct = (words: readonly string[]): boolean => new Set(words).size === words.length;
    expect(isDistinct(smallMaps.map(({ name }) => name))).toBe(true);
    expect(isDistinct(smallMaps.map(({ kind }) => kind))).toBe(true);
    for (const map of smallMaps) {
      const headers = ["NODE", ...Object.values(map.fields).flatMap(({ header }) => header ?? [])];
      expect({ [map.name]: isDistinct(headers) }).toEqual({ [map.name]: true });
    }
  });
});

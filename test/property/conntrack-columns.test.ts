import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AbiError } from "../../src/abi/codec.js";
import { type CtEntry, type CtTuple, createCtCodecs, ctTupleFlag } from "../../src/abi/conntrack.js";
import { readCtColumns } from "../../src/abi/conntrack-columns.js";
import { type Releases, releases } from "../../src/abi/release.js";
import { ctFlagNames } from "../../src/model/conntrack-flags.js";
import { ctColumnsOf } from "../../src/model/conntrack-from-rows.js";
import { type CtLayout, type CtMap, type CtRow, ctMaps } from "../../src/model/rows.js";

const clock = { nowSeconds: 1_000_000, jiffiesHz: undefined };
const head = (map: CtMap) => ({ map, node: "node-1", clock });

/** One entry as the codecs read it, put together the plain way. */
function plainRow(map: CtMap, key: CtTuple, entry: CtEntry, layout: CtLayout): CtRow {
  const { hasRxCounters } = layout;
  const isService = (key.flags & ctTupleFlag.service) !== 0;
  const [from, to] = [
    { address: key.daddr, port: isService ? key.sport : key.dport },
    { address: key.saddr, port: isService ? key.dport : key.sport },
  ];
  const { lifetimeSeconds, ...same } = entry;
  const closing = entry.flags & 3;
  const isEstablished = key.protocol === 6 ? (entry.flags & 0x10) !== 0 : entry.lastRxReportSeconds > 0;
  return {
    ...same,
    map,
    node: "node-1",
    clock,
    layout,
    protocol: key.protocol,
    direction: isService ? "service" : (key.flags & ctTupleFlag.in) !== 0 ? "in" : "out",
    isRelated: (key.flags & ctTupleFlag.related) !== 0,
    source: isService ? to.address : from.address,
    sourcePort: isService ? key.dport : key.sport,
    destination: isService ? from.address : to.address,
    destinationPort: isService ? key.sport : key.dport,
    sourceName: undefined,
    destinationName: undefined,
    state: closing === 3 ? "closed" : closing > 0 ? "closing" : isEstablished ? "established" : "new",
    expiresAtSeconds: lifetimeSeconds,
    rxPackets: hasRxCounters ? entry.union0 : undefined,
    rxBytes: hasRxCounters ? entry.backendId : undefined,
    flagNames: ctFlagNames(entry.flags),
    backendId: !hasRxCounters || isService ? entry.backendId : undefined,
  };
}

const mixtures: readonly Releases[] = [...releases.map((release) => [release]), ["1.15", "1.16"], ["1.17", "1.18"]];
const cases = mixtures.flatMap((mixture) =>
  ctMaps.map((map): [string, Releases, CtMap] => [mixture.join("+"), mixture, map]),
);

describe("conntrack columns", () => {
  it.each(cases)("%s %s %s: rows are what the codecs read, whatever the bytes", (_, mixture, map) => {
    const codecs = createCtCodecs(mixture);
    const tuple = map.endsWith("6") ? codecs.tuple6 : codecs.tuple4;
    const bytesOf = (count: number, size: number) =>
      fc.uint8Array({ minLength: count * size, maxLength: count * size });
    const entries = fc.integer({ min: 0, max: 9 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        keys: bytesOf(count, tuple.sizeBytes),
        values: bytesOf(count, codecs.entry.sizeBytes),
      }),
    );
    fc.assert(
      fc.property(entries, fc.nat({ max: 9 }), fc.nat({ max: 9 }), (slice, from, to) => {
        const rows = Array.from({ length: slice.count }, (__, index): CtRow => {
          const key = tuple.decode(slice.keys, index * tuple.sizeBytes);
          const entry = codecs.entry.decode(slice.values, index * codecs.entry.sizeBytes);
          return plainRow(map, key, entry, codecs.layout);
        });
        const columns = readCtColumns(codecs, head(map), slice);
        expect([...columns]).toEqual(rows);
        expect([...columns.slice(from, to)]).toEqual(rows.slice(from, to));
        expect(ctColumnsOf([...columns]).flatMap((part) => [...part])).toEqual(rows);
      }),
      { numRuns: 30 },
    );
  });

  it("too few bytes are refused as what they are", () => {
    const codecs = createCtCodecs(["1.20"]);
    const refusal = expect.objectContaining({ code: "abi-size" });
    const read = (keys: number, values: number) => () =>
      readCtColumns(codecs, head("tcp4"), { keys: Buffer.alloc(keys), values: Buffer.alloc(values), count: 2 });
    expect(read(27, 112)).toThrow(refusal);
    expect(read(28, 111)).toThrow(refusal);
    expect(read(28, 112)).not.toThrow();
    expect(read(0, 0)).toThrow(AbiError);
  });

  it("rows of several maps and nodes keep their order, their names and what is unknown of them", () => {
    const codecs = createCtCodecs(["1.15", "1.16"]);
    const read = (map: CtMap, node: string) =>
      readCtColumns(
        codecs,
        { map, node, clock: undefined },
        { keys: Buffer.alloc(38), values: Buffer.alloc(56), count: 1 },
      ).row(0);
    const rows = [
      { ...read("tcp4", "a"), sourceName: { kind: "pod", namespace: "n", name: "p" } as const },
      { ...read("tcp4", "a"), destinationName: { kind: "node", name: "a" } as const },
      read("tcp4", "b"),
      read("any6", "b"),
      read("tcp4", "a"),
    ];
    const parts = ctColumnsOf(rows);
    expect(parts.map(({ length }) => length)).toEqual([2, 1, 1, 1]);
    expect(parts.flatMap((part) => [...part])).toEqual(rows);
  });
});

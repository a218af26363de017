import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CtTuple, createCtCodecs, ctTupleFlag } from "../../src/abi/conntrack.js";
import { readCtColumns } from "../../src/abi/conntrack-columns.js";
import { IpAddress } from "../../src/lib/ip.js";
import type { CtColumns } from "../../src/model/conntrack-columns.js";
import { type CtMap, ctMaps } from "../../src/model/rows.js";
import { TupleSet } from "../../src/node/readers/tuple-set.js";

const codecs = createCtCodecs(["1.20"]);

function columnsOf(map: CtMap, keys: Buffer, clusterId?: number): CtColumns {
  const count = keys.length / (map.endsWith("6") ? 38 : 14);
  const head = { map, node: undefined, clock: undefined, clusterId };
  return readCtColumns(codecs, head, { keys, values: Buffer.alloc(56 * count), count });
}

const places = (columns: CtColumns): readonly number[] => Array.from({ length: columns.length }, (_, index) => index);

describe("a set of connections", () => {
  it.each(ctMaps)("%s: has what was put in, and of other bytes nothing", (map) => {
    const size = map.endsWith("6") ? 38 : 14;
    const key = fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => {
      // Bits that mean nothing, and those that leave another one without a meaning, would make different keys alike.
      bytes[size - 1] = bytes[size - 1]! & (ctTupleFlag.in | ctTupleFlag.related);
      return Buffer.from(bytes);
    });
    const keys = fc.uniqueArray(key, { minLength: 2, maxLength: 60, selector: (bytes) => bytes.toString("hex") });
    fc.assert(
      fc.property(keys, (all) => {
        const half = all.length >> 1;
        const known = columnsOf(map, Buffer.concat(all.slice(0, half)));
        const others = columnsOf(map, Buffer.concat(all.slice(half)));
        const set = new TupleSet();
        for (let round = 0; round < 2; round++) for (const index of places(known)) set.add(known, index);
        expect(set.size).toBe(half);
        expect(places(known).every((index) => set.has(known, index))).toBe(true);
        expect(places(others).some((index) => set.has(others, index))).toBe(false);
      }),
    );
  });

  it("tells half a million neighbours apart", () => {
    const set = new TupleSet();
    for (let block = 0; block < 8; block++) {
      const tuples = Array.from(
        { length: 65_536 },
        (_, port): CtTuple => ({
          daddr: IpAddress.ofV4(0x0a00_0000 + block),
          saddr: IpAddress.ofV4(0x0a60_0001),
          dport: 80,
          sport: port,
          protocol: 6,
          flags: 0,
        }),
      );
      const columns = columnsOf("tcp4", Buffer.concat(tuples.map((tuple) => codecs.tuple4.encode(tuple))));
      for (let index = 0; index < columns.length; index++) set.add(columns, index);
    }
    expect(set.size).toBe(8 * 65_536);
  });

  it("tells the same addresses of different maps and clusters apart", () => {
    const set = new TupleSet();
    const key = Buffer.alloc(14, 1);
    const all = [columnsOf("tcp4", key), columnsOf("any4", key), columnsOf("tcp4", key, 3), columnsOf("tcp4", key, 4)];
    for (const columns of all) {
      expect(set.has(columns, 0)).toBe(false);
      set.add(columns, 0);
    }
  });
});

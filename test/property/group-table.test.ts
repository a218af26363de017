import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GroupTable, restGroup } from "../../src/node/readers/group-table.js";

const words = 2;
/** Few values, so that keys repeat; all bits, so that signs do not matter. */
const key = fc.tuple(fc.integer({ min: -3, max: 3 }), fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000));
const counter = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const entries = fc.array(fc.record({ key, packets: counter, bytes: counter }), { maxLength: 200 });

interface Sum {
  entries: number;
  packets: bigint;
  bytes: bigint;
}

function wordsOf(value: bigint): Uint32Array {
  return Uint32Array.of(Number(value & 0xffff_ffffn), Number(value >> 32n));
}

describe("a table of groups", () => {
  it("counts as a map would, and what came after the limit as one", () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 40 }), (all, maxGroups) => {
        const table = new GroupTable(words, maxGroups);
        const expected = new Map<string, Sum>();
        for (const entry of all) {
          const group = table.count(Int32Array.from(entry.key));
          table.addPackets(group, wordsOf(entry.packets), 0);
          table.addBytes(group, wordsOf(entry.bytes), 0);
          const text = entry.key.join();
          const name = expected.has(text) || expected.size - Number(expected.has("rest")) < maxGroups ? text : "rest";
          const sum = expected.get(name) ?? { entries: 0, packets: 0n, bytes: 0n };
          expected.set(name, {
            entries: sum.entries + 1,
            packets: sum.packets + entry.packets,
            bytes: sum.bytes + entry.bytes,
          });
        }
        const found = new Map<string, Sum>();
        for (let group = 0; group < table.length; group++) {
          const sum = { entries: table.entries(group), packets: table.packets(group), bytes: table.bytes(group) };
          if (sum.entries > 0) found.set(group === restGroup ? "rest" : table.key(group).join(), sum);
        }
        expect(found).toEqual(expected);
      }),
    );
  });

  it("grows to many groups and loses none", () => {
    const table = new GroupTable(1, 100_000);
    for (let round = 0; round < 2; round++) {
      for (let value = 0; value < 50_000; value++) table.count(Int32Array.of(Math.imul(value, 0x9e37_79b1)));
    }
    expect(table.length).toBe(50_001);
    for (let group = 1; group < table.length; group++) expect(table.entries(group)).toBe(2);
  });

  it("has one group where nothing is told apart", () => {
    const table = new GroupTable(0, 1);
    for (let count = 0; count < 3; count++) table.count(new Int32Array(0));
    expect([table.length, table.entries(1)]).toEqual([2, 3]);
  });
});

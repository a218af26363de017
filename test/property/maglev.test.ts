import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { createMaglevTable, type MaglevBackend } from "../../src/model/maglev.js";

const options = { tableSize: 1021, seed: 12_345 };

function backend(index: number, weight = 1): MaglevBackend {
  return { backendId: index + 1, address: IpAddress.ofV4(0x0af4_0000 + index), port: 8080, protocol: 6, weight };
}

const indices = fc.uniqueArray(fc.nat(60_000), { minLength: 2, maxLength: 12 });

/** Slots of each backend id. */
function shares(table: Uint32Array): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const id of table) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

describe("Maglev tables", () => {
  it("give every backend its share, within one slot", () => {
    fc.assert(
      fc.property(indices, (given) => {
        const counts = shares(
          createMaglevTable(
            given.map((index) => backend(index)),
            options,
          ),
        );
        const fair = options.tableSize / given.length;
        expect([...counts.keys()].sort()).toEqual(given.map((index) => index + 1).sort());
        for (const count of counts.values()) expect(Math.abs(count - fair)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("are the same whatever the order of backends, and the same but for the numbers on a node with other numbers", () => {
    fc.assert(
      fc.property(indices, fc.infiniteStream(fc.nat()), fc.nat(1000), (given, ranks, shift) => {
        const backends = given.map((index) => backend(index));
        const table = createMaglevTable(backends, options);
        const shuffled = backends.map((one) => ({ one, rank: ranks.next().value as number }));
        const elsewhere = shuffled
          .sort((a, b) => a.rank - b.rank)
          .map(({ one }) => ({ ...one, backendId: one.backendId + shift }));
        expect(createMaglevTable(elsewhere, options).map((id) => id - shift)).toEqual(table);
      }),
    );
  });

  it("give slots by weight", () => {
    const weighted = fc.array(fc.integer({ min: 10, max: 100 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(weighted, (weights) => {
        const counts = shares(
          createMaglevTable(
            weights.map((weight, index) => backend(index, weight)),
            options,
          ),
        );
        const sum = weights.reduce((total, weight) => total + weight, 0);
        for (const [index, weight] of weights.entries()) {
          const share = (counts.get(index + 1) ?? 0) / options.tableSize;
          expect(Math.abs(share - weight / sum)).toBeLessThan(0.05);
        }
      }),
    );
  });

  it("move few slots that belonged to those who stay, when a backend goes: measured, at most 3 % of them", () => {
    const size = { tableSize: 16_381, seed: options.seed };
    let moved = 0;
    let kept = 0;
    for (let count = 2; count <= 50; count++) {
      const all = Array.from({ length: count }, (_, index) => backend(index * 7 + count));
      const before = createMaglevTable(all, size);
      const gone = all[count >> 1]!.backendId;
      const after = createMaglevTable(
        all.filter((one) => one.backendId !== gone),
        size,
      );
      for (const [slot, id] of before.entries()) {
        if (id === gone) continue;
        kept++;
        if (after[slot] !== id) moved++;
      }
    }
    console.log(`Maglev disruption: ${((100 * moved) / kept).toFixed(2)} % of the slots of those who stay`);
    expect(moved / kept).toBeLessThan(0.03);
  });

  it("are empty without backends", () => {
    expect(createMaglevTable([], options)).toHaveLength(0);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPortKey, FULL_BITS, keysOfRange, partsOfPortKey, portsOfKey } from "../../src/model/policy/port-keys.js";
import { type PortTerm, PortTerms, reduce, reduceShared } from "../../src/model/policy/reduce-terms.js";

/** Eight ports of one protocol, so dense that nodes hide each other and siblings together hide their parent. */
const PORTS = 8;
const TCP = 6;
const node = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fc.nat(PORTS - 1), fc.integer({ min: 0, max: 3 })) },
  { weight: 1, arbitrary: fc.constantFrom([0, 16] as [number, number], [0, 24] as [number, number]) },
);
const term = fc.record({ node, verdict: fc.constantFrom("allow" as const, "deny" as const) });
const side = fc.array(term, { maxLength: 10 });
type Side = typeof side extends fc.Arbitrary<infer T> ? T : never;

function keyOf([port, hostBits]: readonly [number, number]): number {
  if (hostBits === 24) return 0;
  return createPortKey(TCP, (port >> hostBits) << hostBits, FULL_BITS - hostBits);
}

function termsOf(items: Side): PortTerms {
  const terms = new PortTerms();
  items.forEach((item, index) => {
    terms.add(keyOf(item.node), item.verdict, index);
  });
  return terms;
}

const points = [
  ...Array.from({ length: PORTS + 1 }, (_, port) => ({ protocol: TCP, port })),
  { protocol: TCP, port: 40_000 },
  { protocol: 17, port: 1 },
];
type Point = (typeof points)[number];

function holds(key: number, point: Point): boolean {
  if (key === 0) return true;
  const { first, last } = portsOfKey(key);
  return partsOfPortKey(key).protocol === point.protocol && first <= point.port && point.port <= last;
}

/** What the rules say, without any tree. */
function literally(items: Side, point: Point): string {
  const said = items.filter((item) => holds(keyOf(item.node), point)).map(({ verdict }) => verdict);
  return said.includes("deny") ? "deny" : said.includes("allow") ? "allow" : "nothing";
}

/** What the datapath finds: on each side the longest match, and deny before allow between the two. */
function found(own: readonly PortTerm[], shared: readonly PortTerm[], point: Point): string {
  const longest = (terms: readonly PortTerm[]) =>
    terms
      .filter(({ key }) => holds(key, point))
      .sort((a, b) => partsOfPortKey(b.key).bits - partsOfPortKey(a.key).bits)[0]?.verdict;
  const both = [longest(own), longest(shared)];
  return both.includes("deny") ? "deny" : both.includes("allow") ? "allow" : "nothing";
}

describe("terms of one peer beside those for everybody", () => {
  it("are found as the rules say, and none of them could be left out", () => {
    fc.assert(
      fc.property(side, side, (own, everybody) => {
        const shared = reduceShared(termsOf(everybody));
        const reduced = reduce(termsOf(own), shared);
        const verdicts = (one: readonly PortTerm[], other: readonly PortTerm[]) =>
          points.map((point) => found(one, other, point));
        const wanted = points.map((point) => literally([...own, ...everybody], point));
        expect(verdicts(reduced, shared.terms)).toEqual(wanted);
        for (const term of reduced) {
          const rest = reduced.filter((one) => one !== term);
          expect(verdicts(rest, shared.terms), JSON.stringify(partsOfPortKey(term.key))).not.toEqual(wanted);
        }
        // Everybody's are seen by peers that have none of their own.
        const alone = verdicts([], shared.terms);
        expect(alone).toEqual(points.map((point) => literally(everybody, point)));
        for (const term of shared.terms) {
          expect(
            verdicts(
              [],
              shared.terms.filter((one) => one !== term),
            ),
          ).not.toEqual(alone);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("ranges of ports", () => {
  it("are the fewest nodes that hold exactly them", () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff), (a, b) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const nodes = keysOfRange({ kind: "range", protocol: TCP, first, last }).map(portsOfKey);
        let next = first;
        for (const node of nodes) {
          expect(node.first).toBe(next);
          next = node.last + 1;
        }
        expect(next).toBe(last + 1);
        // Two neighbours that were halves of one node would be one too many.
        nodes.slice(1).forEach((node, index) => {
          const before = nodes[index]!;
          const size = node.last - node.first + 1;
          const isSibling = before.last - before.first + 1 === size && before.first % (2 * size) === 0;
          expect(isSibling).toBe(false);
        });
      }),
    );
  });
});

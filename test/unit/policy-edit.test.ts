import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodePolicyEntry } from "../../src/datapath/entries.js";
import { isSafeInPlace } from "../../src/datapath/policy-edit.js";
import type { PolicyEntry } from "../../src/model/datapath-port.js";

const entry = (fields: Partial<PolicyEntry>): PolicyEntry => ({
  direction: "ingress",
  identity: 0,
  protocol: 0,
  port: 0,
  portPrefixLength: 0,
  verdict: "allow",
  ...fields,
});
const keysOf = (entries: readonly Partial<PolicyEntry>[]) =>
  entries.map((fields) => encodePolicyEntry(entry(fields)).key);
const http = { protocol: 6, port: 80, portPrefixLength: 16 };

describe("edits of a policy map where it is", () => {
  it.each<[string, boolean, readonly Partial<PolicyEntry>[]]>([
    ["nothing", true, []],
    ["one entry", true, [{ identity: 7 }]],
    ["two peers", true, [{ identity: 7 }, { identity: 8 }]],
    ["two ports of a peer", true, [http, { ...http, port: 81 }].map((fields) => ({ identity: 7, ...fields }))],
    ["both directions", true, [{}, { direction: "egress" }]],
    ["a peer and everybody", false, [{ identity: 7 }, {}]],
    ["a peer's port and everybody's", false, [{ identity: 7, ...http }, http]],
    ["a peer's port and everybody's protocol", false, [{ identity: 7, ...http }, { protocol: 6 }]],
    ["a peer's protocol and everybody's port", false, [{ identity: 7, protocol: 6 }, http]],
    [
      "a peer's port and everybody's other port",
      true,
      [
        { identity: 7, ...http },
        { ...http, port: 81 },
      ],
    ],
    ["a port and its protocol", false, [http, { protocol: 6 }]],
    ["a port and a range that holds it", false, [http, { ...http, portPrefixLength: 12 }]],
    ["a port and a range beside it", true, [http, { ...http, port: 1024, portPrefixLength: 6 }]],
  ])("%s: %s", (_name, isSafe, entries) => {
    expect(isSafeInPlace(keysOf(entries))).toBe(isSafe);
  });

  it("are safe exactly where no packet is concerned by two of them", () => {
    const anyKey = fc
      .record({
        direction: fc.constantFrom("ingress" as const, "egress" as const),
        identity: fc.constantFrom(0, 7, 8),
        protocol: fc.constantFrom(0, 6, 17),
        port: fc.integer({ min: 0, max: 7 }),
        bits: fc.integer({ min: 0, max: 3 }),
      })
      .map(({ bits, port, ...fields }) => {
        const kept = fields.protocol === 0 ? 0 : bits;
        return entry({ ...fields, port: (port >> (3 - kept)) << (13 + 3 - kept), portPrefixLength: kept });
      });
    fc.assert(
      fc.property(fc.uniqueArray(anyKey, { maxLength: 4, selector: (key) => JSON.stringify(key) }), (entries) => {
        const packets = ["ingress", "egress"].flatMap((direction) =>
          [7, 8, 9].flatMap((identity) =>
            [6, 17, 132].flatMap((protocol) =>
              [...Array(8).keys()].map((high) => ({ direction, identity, protocol, port: high << 13 })),
            ),
          ),
        );
        const isMostlyOne = packets.every(
          (packet) => entries.filter((candidate) => concerns(candidate, packet)).length <= 1,
        );
        expect(isSafeInPlace(keysOf(entries))).toBe(isMostlyOne);
      }),
      { numRuns: 500 },
    );
  });

  it("are not worth it for hundreds of entries", () => {
    const many = Array.from({ length: 600 }, (_, index) => ({ identity: 1000 + index }));
    expect(isSafeInPlace(keysOf(many))).toBe(false);
  });
});

function concerns(
  key: PolicyEntry,
  packet: { readonly direction: string; readonly identity: number; readonly protocol: number; readonly port: number },
): boolean {
  const { direction, identity, protocol, port, portPrefixLength } = key;
  return (
    direction === packet.direction &&
    (identity === 0 || identity === packet.identity) &&
    (protocol === 0 || protocol === packet.protocol) &&
    port >>> (16 - portPrefixLength) === packet.port >>> (16 - portPrefixLength)
  );
}

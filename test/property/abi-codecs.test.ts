import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAbi } from "../../src/abi/abi.js";
import { AbiError } from "../../src/abi/codec.js";
import { lbAlgorithms, masterUnion } from "../../src/abi/load-balancing.js";
import { releases } from "../../src/abi/release.js";
import { IpAddress } from "../../src/lib/ip.js";
import { type Case, casesOf, u8 } from "./abi-cases.js";

const all = releases.flatMap((release) =>
  casesOf(release).map((each): [string, Case] => [`${release} ${each.name}`, each]),
);

describe("codecs", () => {
  it.each(all)("%s: decode of encode is the value, at any offset", (_, { codec, values }) => {
    fc.assert(
      fc.property(values, fc.nat({ max: 9 }), (value, offset) => {
        const bytes = codec.encode(value);
        expect(bytes).toHaveLength(codec.sizeBytes);
        const shifted = Buffer.concat([Buffer.alloc(offset, 0xa5), bytes, Buffer.alloc(3, 0xa5)]);
        expect(comparable(codec.decode(shifted, offset))).toEqual(comparable(value));
        expect(codec.encode(codec.decode(bytes)).equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each(all)("%s: any bytes decode or are refused as what they are; none is read behind the end", (_, { codec }) => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2 * codec.sizeBytes }),
        fc.integer({ min: -2, max: 80 }),
        (bytes, offset) => {
          try {
            codec.decode(bytes, offset);
            expect(offset + codec.sizeBytes).toBeLessThanOrEqual(bytes.length);
          } catch (error) {
            expect(error).toBeInstanceOf(AbiError);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("values out of range are refused", () => {
    const { loadBalancing, ipcache, owner } = createAbi();
    const range = expect.objectContaining({ code: "abi-range" });
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 0x10000 }), fc.integer({ max: -1 }), fc.double({ noInteger: true })),
        (id) => {
          expect(() => loadBalancing.revNatId.encode(id)).toThrow(range);
        },
      ),
    );
    expect(() => owner.key.encode({ kind: "map", name: "x".repeat(61) })).toThrow(range);
    expect(() => owner.key.encode({ kind: "map", name: "a\0b" })).toThrow(range);
    const family = expect.objectContaining({ code: "abi-family" });
    const v6 = IpAddress.parse("fd00::1");
    expect(() => loadBalancing.v4.revNatValue.encode({ address: v6, port: 1 })).toThrow(family);
    expect(() => ipcache.value.encode({ identity: 1, tunnelEndpoint: v6, encryptKey: 0, flags: 2 })).toThrow(family);
  });

  it("events of any bytes decode or are refused", () => {
    fc.assert(
      fc.property(fc.constantFrom(...releases), fc.uint8Array({ maxLength: 120 }), u8, (release, bytes, type) => {
        if (bytes.length > 0) bytes[0] = type % 9;
        try {
          createAbi(release).events.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(AbiError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("master entries keep time-out and algorithm apart", () => {
    const { loadBalancing } = createAbi();
    const key = { address: IpAddress.parse("10.96.0.1"), port: 80, slot: 0, protocol: 6, scope: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffff }), fc.constantFrom(...lbAlgorithms), (timeout, algorithm) => {
        const value = {
          union0: masterUnion(timeout, algorithm),
          count: 1,
          revNatId: 1,
          flags: 0,
          flags2: 0,
          quarantinedCount: 0,
        };
        const row = loadBalancing.serviceRow(
          key,
          loadBalancing.v4.serviceValue.decode(loadBalancing.v4.serviceValue.encode(value)),
          undefined,
        );
        expect(row).toMatchObject({ affinityTimeoutSeconds: timeout, algorithm });
      }),
    );
  });
});

/** Addresses by their text: the objects keep it once it was asked for. */
function comparable(value: unknown): unknown {
  const text = JSON.stringify(value, (_, child) =>
    typeof child === "bigint" ? `${child}n` : child === undefined ? "undefined" : child,
  );
  return JSON.parse(text);
}

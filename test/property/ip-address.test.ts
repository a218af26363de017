import * as fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";

/** Addresses of many zero groups among them, which is where texts differ. */
const v6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.constantFrom(1, 0x100, 0xffff), fc.nat({ max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), v6Bytes);

describe("addresses", () => {
  it("have the text that another implementation gives them, and are what it is parsed to", () => {
    fc.assert(
      fc.property(bytes, (octets) => {
        const address = IpAddress.fromBytes(octets);
        // The other implementation has no dotted form of IPv4-mapped addresses.
        if (!address.isV4Mapped) expect(address.text).toBe(ipaddr.fromByteArray([...octets]).toString());
        expect(address.bytes).toEqual(octets);
        const parsed = IpAddress.parse(address.text);
        expect(parsed.equals(address)).toBe(true);
        expect(parsed.key).toBe(address.key);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::ffff:0.0.0.0", "0.0.0.0"],
    ["::ffff:255.255.255.255", "255.255.255.255"],
    ["::ffff:0:a00:1", "::ffff:0:a00:1"],
    ["::fffe:a00:1", "::fffe:a00:1"],
    ["::a00:1", "::a00:1"],
    ["10.0.0.1", "10.0.0.1"],
  ])("%s was printed without the dotted decimals of an IPv4-mapped address", (text, unmapped) => {
    const address = IpAddress.parse(text);
    expect([address.text, address.unmappedText]).toEqual([text, unmapped]);
    expect(IpAddress.parse(address.text).equals(address)).toBe(true);
  });

  it("differ in their keys and by equals when their bytes differ", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const isSame = Buffer.compare(a, b) === 0;
        const [one, other] = [IpAddress.fromBytes(a), IpAddress.fromBytes(b)];
        expect(one.equals(other)).toBe(isSame);
        expect(one.key === other.key).toBe(isSame);
        if (a.length === b.length) expect(Math.sign(one.compare(other))).toBe(Buffer.compare(a, b));
        else expect(Math.sign(one.compare(other))).toBe(Math.sign(a.length - b.length));
      }),
    );
    expect(IpAddress.parse("0.0.0.0").equals(IpAddress.parse("::"))).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { AddressPool } from "../../src/agent/ipam/address-pool.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";

const pool = (text: string, cursor?: number): AddressPool => new AddressPool(IpPrefix.parse(text), cursor);

describe("address pool", () => {
  it("keeps the network's, the gateway's and the broadcast address back", () => {
    const small = pool("10.244.3.0/29");
    const all = Array.from({ length: small.capacity }, () => small.allocate().text);
    expect(all).toEqual(["10.244.3.2", "10.244.3.3", "10.244.3.4", "10.244.3.5", "10.244.3.6"]);
    expect(small.gateway.text).toBe("10.244.3.1");
  });

  it("says so when nothing is left, and goes on after a release", () => {
    const small = pool("10.244.3.0/30");
    const only = small.allocate();
    expect(() => small.allocate()).toThrow(expect.objectContaining({ code: "no-free-address" }));
    small.release(only);
    expect(small.allocate().text).toBe(only.text);
  });

  it("hands a released address out last", () => {
    const small = pool("10.244.3.0/29");
    const first = small.allocate();
    small.release(first);
    const next = Array.from({ length: small.capacity - 1 }, () => small.allocate().text);
    expect(next).not.toContain(first.text);
    expect(small.allocate().text).toBe(first.text);
  });

  it("goes on where a former run stopped", () => {
    const before = pool("10.244.3.0/24");
    const last = before.allocate();
    before.release(last);
    expect(pool("10.244.3.0/24", before.cursor).allocate().text).not.toBe(last.text);
  });

  it("begins anew with a cursor that lies outside", () => {
    expect(pool("10.244.3.0/29", 4000).allocate().text).toBe("10.244.3.2");
    expect(pool("10.244.3.0/29", -7).allocate().text).toBe("10.244.3.2");
  });

  it("leaves out claimed addresses and refuses a second claim", () => {
    const small = pool("10.244.3.0/29");
    expect(small.claim(IpAddress.parse("10.244.3.2"))).toBe(true);
    expect(small.claim(IpAddress.parse("10.244.3.2"))).toBe(false);
    expect(small.allocate().text).toBe("10.244.3.3");
  });

  it("refuses a podCIDR without room for one pod", () => {
    expect(() => pool("10.244.3.0/31")).toThrow(expect.objectContaining({ code: "pod-cidr-too-small" }));
    expect(() => pool("10.244.3.1/32")).toThrow(expect.objectContaining({ code: "pod-cidr-too-small" }));
  });

  it("works for IPv6 prefixes", () => {
    expect(pool("fd00:10:244:3::/64").allocate().text).toBe("fd00:10:244:3::2");
  });
});

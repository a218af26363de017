import { describe, expect, it } from "vitest";
import { isSameLayout, planConversion } from "../../src/datapath/entry-layout.js";
import type { BtfMember, BtfType } from "../../src/kernel/btf.js";

const int = (bytes: number): BtfType => ({ kind: "int", name: "int", sizeBytes: bytes, isSigned: false });
const at = (name: string, bitOffset: number, bitSize: number, type = int(Math.ceil(bitSize / 8))): BtfMember => ({
  name,
  bitOffset,
  bitSize,
  type,
});
const struct = (sizeBytes: number, ...members: readonly BtfMember[]): BtfType => ({
  kind: "struct",
  name: "entry",
  sizeBytes,
  members,
});
const convert = (from: BtfType, to: BtfType, hex: string): string | undefined =>
  planConversion(from, to)?.(Buffer.from(hex, "hex")).toString("hex");

describe("entries of another layout", () => {
  it("have their fields by name, in whatever order and width", () => {
    const from = struct(8, at("a", 0, 32), at("b", 32, 16), at("gone", 48, 16));
    const to = struct(12, at("new", 0, 16), at("b", 16, 32), at("a", 64, 16));
    expect(convert(from, to, "0102030405060708")).toBe("000005060000000001020000");
  });

  it("keep bit fields that move", () => {
    const from = struct(2, at("closing", 0, 1), at("seen", 3, 2), at("left", 12, 4));
    const to = struct(2, at("left", 1, 4), at("closing", 7, 1), at("seen", 9, 2));
    // closing 1, seen 2, left 9
    expect(convert(from, to, "1190")).toBe("9204");
  });

  it("go by the path of structures within, and by their fields where those have no name", () => {
    const inner = struct(4, at("x", 0, 16), at("y", 16, 16));
    const from = struct(8, at("pair", 0, 32, inner), at("", 32, 32, inner));
    const to = struct(8, at("", 0, 32, inner), at("pair", 32, 32, inner));
    expect(convert(from, to, "0102030405060708")).toBe("0506070801020304");
  });

  it("keep unions whole, unnamed ones by the name of their first reading", () => {
    const union: BtfType = { kind: "union", name: "", sizeBytes: 4, members: [at("ip4", 0, 32), at("word", 0, 16)] };
    const from = struct(8, at("", 0, 32, union), at("a", 32, 32));
    const to = struct(8, at("a", 0, 32), at("", 32, 32, union));
    expect(convert(from, to, "0102030405060708")).toBe("0506070801020304");
  });

  it("cannot be told without types", () => {
    expect(planConversion(undefined, int(4))).toBeUndefined();
    expect(planConversion(int(4), undefined)).toBeUndefined();
  });
});

describe("layouts", () => {
  const entry = struct(8, at("a", 0, 32), at("b", 32, 32));
  it.each([
    ["themselves", entry, true],
    ["the same fields under another type's name", { ...entry, name: "renamed" }, true],
    ["nothing known", undefined, true],
    ["fields in other places", struct(8, at("b", 0, 32), at("a", 32, 32)), false],
    ["another name", struct(8, at("a", 0, 32), at("c", 32, 32)), false],
    ["a narrower field", struct(8, at("a", 0, 32), at("b", 32, 16)), false],
    ["a field less", struct(8, at("a", 0, 32)), false],
    ["more room", struct(12, at("a", 0, 32), at("b", 32, 32)), false],
  ])("compared with %s", (_, other, isSame) => {
    expect(isSameLayout({ key: int(4), value: entry }, { key: int(4), value: other })).toBe(isSame);
  });
});

import { describe, expect, it } from "vitest";
import type { BtfMember, BtfType } from "../../src/kernel/btf.js";
import { encodeBtfValue } from "../../src/kernel/btf-encode.js";
import { createBtfDecoder } from "../../src/kernel/btf-value.js";

const int = (sizeBytes: number, isSigned = false, alias?: string): BtfType => ({
  kind: "int",
  name: "int",
  sizeBytes,
  isSigned,
  ...(alias === undefined ? {} : { alias }),
});
const char: BtfType = { kind: "int", name: "char", sizeBytes: 1, isSigned: true };
const array = (element: BtfType, length: number): BtfType => ({
  kind: "array",
  name: "",
  sizeBytes: element.sizeBytes * length,
  length,
  element,
});
const member = (name: string, bitOffset: number, type: BtfType, bitSize = 8 * type.sizeBytes): BtfMember => ({
  name,
  bitOffset,
  bitSize,
  type,
});
const protocols: BtfType = {
  kind: "enum",
  name: "protocol",
  sizeBytes: 4,
  values: [
    ["PROTO_TCP", 6n],
    ["PROTO_ALSO_TCP", 6n],
    ["PROTO_NONE", -1n],
  ],
};

const sample: BtfType = {
  kind: "struct",
  name: "sample",
  sizeBytes: 40,
  members: [
    member("port", 0, int(2, false, "__be16")),
    member("low", 16, int(1), 3),
    member("high", 19, int(1, true), 5),
    member("protocol", 32, protocols),
    {
      name: "",
      bitOffset: 64,
      bitSize: 32,
      type: {
        kind: "union",
        name: "",
        sizeBytes: 4,
        members: [member("address", 0, int(4, false, "__be32")), member("bytes", 0, array(int(1), 4))],
      },
    },
    member("name", 96, array(char, 8)),
    member("counter", 160, int(8)),
    member("up", 224, { kind: "int", name: "_Bool", sizeBytes: 1, isSigned: false }),
    member("", 232, int(1), 8),
    member("next", 256, { kind: "pointer", name: "", sizeBytes: 8 }),
  ],
};
const bytes = Buffer.from(
  "01bb" +
    "fa" +
    "00" +
    "06000000" +
    "0a000001" +
    "6574683000000000" +
    "ffffffffffffffff" +
    "01" +
    "ff0000" +
    "1000000000000000",
  "hex",
);
const value = {
  port: 443,
  low: 2,
  high: -1,
  protocol: "PROTO_TCP",
  address: 0x0a000001,
  bytes: [10, 0, 0, 1],
  name: "eth0",
  counter: "18446744073709551615",
  up: true,
  next: 16,
};

describe("a value by its BTF", () => {
  it("reads structures, unions, bit fields, enums, texts, network order and pointers", () => {
    expect(createBtfDecoder(sample).decode(bytes)).toEqual(value);
  });

  it("a value without a name in its enum stays a number", () => {
    expect(createBtfDecoder(protocols).decode(Buffer.from("07000000", "hex"))).toBe(7);
    expect(createBtfDecoder(protocols).decode(Buffer.from("ffffffff", "hex"))).toBe("PROTO_NONE");
  });

  it("characters that are no text are numbers", () => {
    expect(createBtfDecoder(array(char, 3)).decode(Buffer.from("41ff00", "hex"))).toEqual([65, -1, 0]);
    expect(createBtfDecoder(array(char, 3)).decode(Buffer.from("410042", "hex"))).toEqual([65, 0, 66]);
  });

  it("writes what it reads, but for what no member names", () => {
    const written = Buffer.from(bytes);
    written[29] = 0;
    expect(encodeBtfValue(sample, value)).toEqual(written);
  });

  it("members that are left out are zero", () => {
    const written = createBtfDecoder(sample).decode(encodeBtfValue(sample, { protocol: 6, name: "x" }));
    expect(written).toMatchObject({ port: 0, protocol: "PROTO_TCP", name: "x", counter: 0 });
  });

  it.each([
    [{ port: 65_536 }, ".port is a whole number from 0 to 65535, not 65536"],
    [{ high: 16 }, ".high is a whole number from -16 to 15, not 16"],
    [{ protocol: "PROTO_UDP" }, ".protocol is one of PROTO_TCP, PROTO_ALSO_TCP, PROTO_NONE, not PROTO_UDP"],
    [{ bytes: [1, 2, 3, "x"] }, '.bytes[3] is a whole number from 0 to 255, not "x"'],
    [{ bytes: [1, 2, 3, 4, 5] }, ".bytes is a list of at most 4"],
    [{ name: "much too long" }, ".name is a text of at most 8 bytes"],
    [
      { prot: 1 },
      'it has no member "prot": there are port, low, high, protocol, address, bytes, name, counter, up, next',
    ],
    [7, "it is an object"],
  ])("%j is misuse that names the part", (wrong, message) => {
    expect(() => encodeBtfValue(sample, wrong)).toThrow(expect.objectContaining({ code: "bad-typed-value", message }));
  });
});

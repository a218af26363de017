import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAbi } from "../../src/abi/abi.js";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import { type Release, releases } from "../../src/abi/release.js";
import { createMonitorEvent } from "../../src/model/create-monitor-event.js";
import { messageTypes } from "../../src/model/monitor.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import { dissect } from "../../src/model/packet/dissect.js";
import type { LayerKind, PacketLayer } from "../../src/model/packet/layers.js";
import { plainSummary } from "../../src/model/packet/plain-summary.js";
import { summarizeLayers, summarizePacket } from "../../src/model/packet/summarize.js";
import { isReleaseSince } from "../../src/model/upstream-release.js";
import { MonitorFormatter, type MonitorVerbosity } from "../../src/output/cilium/monitor/monitor-formatter.js";
import { monitorList } from "../../src/output/lists/monitor-list.js";
import { TextBuffer } from "../../src/output/text-buffer.js";

const verbosities: readonly MonitorVerbosity[] = ["info", "debug", "verbose", "json"];
const formatters = verbosities.flatMap((verbosity) =>
  [false, true].map((isHex) => ({
    formatter: new MonitorFormatter({ verbosity, isHex, isNumeric: isHex }),
    // Upstream forgets the end of some verbose lines.
    endsLines: verbosity !== "verbose",
  })),
);
const decoders = new Map(
  [...releases.map((release) => [release]), ["1.18", "1.19"] as const, releases].map((candidates) => [
    candidates.join(),
    createRecordDecoder(candidates as readonly Release[]),
  ]),
);
const firstLayers: readonly LayerKind[] = ["ethernet", "ipv4", "ipv6", "vxlan", "geneve", "tcp", "igmp", "vrrp"];

/** Headers that lead to each other, so that random bytes behind them are read as more than one layer. */
const heads: readonly string[] = [
  "",
  "ffffffffffff0200000000010800",
  "ffffffffffff02000000000186dd",
  "ffffffffffff0200000000010806",
  "ffffffffffff020000000001810000050800",
  "ffffffffffff0200000000010800450000800001000040110000",
  "ffffffffffff0200000000010800460000800001000040060000",
  "ffffffffffff0200000000010800450000800001000040040000",
  "ffffffffffff02000000000186dd6000000000802c40",
  "ffffffffffff02000000000186dd6000000000800040",
  "ffffffffffff02000000000186dd6000000000803a40",
  "45000080000100004084000001020304050607080102030405060708",
  "0800000000000100ffffffffffff0200000000010800",
  "0240655800000100014b8101",
];

const packets = fc
  .tuple(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 160 }))
  .map(([head, rest]) => Buffer.concat([Buffer.from(head, "hex"), rest]));

describe("dissecting packets", () => {
  it("takes any bytes; layers lie within them and do not overlap", () => {
    fc.assert(
      fc.property(packets, fc.constantFrom(...firstLayers), (bytes, first) => {
        const { layers } = dissect(bytes, first);
        let previous: PacketLayer | undefined;
        for (const layer of layers) {
          expect(within(layer.contents, bytes)).toBe(true);
          expect(within(layer.payload, bytes)).toBe(true);
          if (previous !== undefined && layer.contents.length > 0) {
            expect(within(layer.contents, previous.payload)).toBe(true);
          }
          expect(definedDeep(layer)).toBe(true);
          previous = layer;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("packets of the commonest form", () => {
  /** Headers before TCP and UDP, with the fields changed that decide how they are read. */
  const plainHeads = [
    "0200000000020200000000010800450000400001000040060000",
    "0200000000020200000000010800450000000001000040060000",
    "0200000000020200000000010800450000400001200040110000",
    "02000000000202000000000186dd6000000000400640",
    "02000000000202000000000186dd6000000000401140",
  ].map((head) => Buffer.from(head, "hex"));
  /** Data offset and options of TCP, whole and broken; a byte of any value goes into each packet too. */
  const transports = [
    "11111f90000000010000000050020000000000000000",
    "11111f900000000100000000a00272100000000002040550040208010a0b0c0d0e0f0103030700000000",
    "11111f90000000010000000060027210000000000204",
    "11111f900000000100000000600272100000000002090000",
    "11111f9000080000",
  ].map((bytes) => Buffer.from(bytes, "hex"));
  const addresses = Buffer.from("fd000000000000000000000000000001fd000000000000000000000000000002", "hex");
  const nearlyPlain = fc
    .tuple(
      fc.constantFrom(...plainHeads),
      fc.constantFrom(...transports),
      fc.integer({ min: 0, max: 120 }),
      fc.option(fc.tuple(fc.nat(90), fc.nat(255)), { freq: 3 }),
    )
    .map(([head, transport, length, change]) => {
      const isIpv6 = head[12] === 0x86;
      const bytes = Buffer.concat([head, addresses.subarray(0, isIpv6 ? 32 : 8), transport, Buffer.alloc(16)]);
      if (change !== null && change[0] < bytes.length) bytes[change[0]] = change[1];
      return bytes.subarray(0, Math.max(length, 1));
    });

  it("read in place say what their layers say", () => {
    const form = { isL3Device: false, isIpv6: false };
    let plain = 0;
    fc.assert(
      fc.property(fc.oneof(nearlyPlain, packets), (bytes) => {
        if (plainSummary(bytes) !== undefined) plain++;
        expect(summarizePacket(bytes, form)).toStrictEqual(summarizeLayers(bytes, form));
      }),
      { numRuns: 5000 },
    );
    expect(plain).toBeGreaterThan(100);
  });
});

describe("records", () => {
  const records = fc
    .tuple(
      fc.constantFrom(...Object.values(messageTypes), 0, 8, 255),
      fc.uint8Array({ minLength: 13, maxLength: 13 }),
      fc.integer({ min: 0, max: 4 }),
      fc.uint8Array({ maxLength: 41 }),
      packets,
    )
    .map(([type, head, version, fields, packet]) =>
      Buffer.concat([Uint8Array.of(type), head, Uint8Array.of(version, 0), fields, packet]),
    );
  const anything = fc.oneof(records, fc.uint8Array({ maxLength: 200 }));

  it("any bytes are decoded, summarized and printed in every form without an error", () => {
    fc.assert(
      fc.property(anything, fc.constantFrom(...decoders.values()), (bytes, decoder) => {
        const { record, release } = decoder.decode(bytes);
        const event = createMonitorEvent(record, { release, cpu: 3, interfaceName: (index) => `if${index}` });
        for (const { formatter, endsLines } of formatters) {
          const text = formatter.format(event);
          expect(text).not.toContain("undefined");
          expect(text).not.toContain("NaN");
          if (endsLines) expect(text === "" || text.endsWith("\n")).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("JSON forms are JSON", () => {
    const json = new MonitorFormatter({ verbosity: "json" });
    fc.assert(
      fc.property(records, fc.constantFrom(...decoders.values()), (bytes, decoder) => {
        const { record, release } = decoder.decode(bytes);
        fc.pre(["drop", "trace", "capture", "debug"].includes(record.kind));
        const parsed = JSON.parse(json.format(createMonitorEvent(record, { release })));
        expect(parsed.type).toBe(record.kind);
      }),
      { numRuns: 500 },
    );
  });

  it("JSON written without an object says what the object says", () => {
    const { item, writeItem } = monitorList();
    const out = new TextBuffer();
    fc.assert(
      fc.property(
        anything,
        fc.string({ unit: "binary" }),
        fc.constantFrom(...decoders.values()),
        (bytes, name, decoder) => {
          const { record, release } = decoder.decode(bytes);
          const event: MonitorEvent = {
            ...createMonitorEvent(record, { release, node: name, receivedAtMs: 1.5, interfaceName: () => name }),
            sourceName: { kind: "pod", namespace: "shop", name },
            destinationName: { kind: "node", name },
          };
          writeItem?.(event, out);
          expect(out.take().toString()).toBe(JSON.stringify(item(event)));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("share nothing with the bytes that they were decoded from", () => {
    fc.assert(
      fc.property(records, fc.constantFrom(...decoders.values()), (bytes, decoder) => {
        const { record } = decoder.decode(bytes);
        const before = structuredClone(comparable(record));
        bytes.fill(0xa5);
        expect(comparable(record)).toEqual(before);
      }),
      { numRuns: 300 },
    );
  });

  it.each(releases)("encoded by %s print what was encoded", (release) => {
    const { events } = createAbi(release);
    const decoder = createRecordDecoder([release]);
    const info = new MonitorFormatter({ verbosity: "info", isNumeric: true });
    const version = isReleaseSince(release, "1.19") ? 3 : isReleaseSince(release, "1.17") ? 2 : 1;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 0xffff }),
        (source, sourceIdentity, hash, line) => {
          const header = { source, hash, originalLengthBytes: 0, capturedLengthBytes: 0, version };
          const bytes = events.drop.encode({
            ...header,
            reason: 133,
            sourceIdentity,
            destinationIdentity: 2,
            destinationEndpoint: source,
            line,
            file: 2,
            extendedError: 0,
            interfaceIndex: 7,
            flags: 0,
            ipTraceId: 0n,
          });
          const decoded = decoder.decode(bytes);
          expect(info.format(createMonitorEvent(decoded.record, decoded))).toBe(
            `xx drop (Policy denied) flow 0x${hash.toString(16)} to endpoint ${source}, ifindex 7, file bpf_lxc.c:${line}, , identity ${sourceIdentity}->2: [unknown]\n`,
          );
        },
      ),
      { numRuns: 50 },
    );
  });
});

function within(view: Uint8Array, whole: Uint8Array): boolean {
  return (
    view.buffer === whole.buffer &&
    view.byteOffset >= whole.byteOffset &&
    view.byteOffset + view.length <= whole.byteOffset + whole.length
  );
}

/** No number came from behind the end of the bytes. */
function definedDeep(value: unknown): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return true;
  return Object.values(value).every(definedDeep);
}

/** Addresses are objects with private parts. */
function comparable(record: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [
      key,
      key.endsWith("ddress") || key === "destination" ? String(value) : value,
    ]),
  );
}

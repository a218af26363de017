import { describe, expect, it } from "vitest";
import { createAbi } from "../../src/abi/abi.js";
import type { DatapathEvent } from "../../src/abi/events/event-codecs.js";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import { releases } from "../../src/abi/release.js";
import { IpAddress } from "../../src/lib/ip.js";
import type { MonitorRecord } from "../../src/model/monitor.js";
import { isReleaseSince } from "../../src/model/upstream-release.js";
import { readCapture } from "./abi-capture-files.js";

interface Sample {
  readonly hex: string;
  readonly info: string;
  readonly json: string;
  readonly v: string;
}

const abi = createAbi("1.20");
const samples: readonly Sample[] = readCapture("events/raw-events.jsonl")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

const decoder = createRecordDecoder(["1.20"]);

function decodeAll<Kind extends MonitorRecord["kind"]>(
  kind: Kind,
): readonly { readonly sample: Sample; readonly record: Extract<MonitorRecord, { kind: Kind }> }[] {
  return samples.flatMap((sample) => {
    const { record } = decoder.decode(Buffer.from(sample.hex, "hex"));
    return record.kind === kind ? [{ sample, record: record as Extract<MonitorRecord, { kind: Kind }> }] : [];
  });
}

describe("records of a real event ring, beside what upstream's monitor printed for them", () => {
  it("drops", () => {
    const drops = decodeAll("drop");
    expect(drops).toHaveLength(6);
    for (const { sample, record } of drops) {
      expect(JSON.parse(sample.json)).toMatchObject({
        mark: `0x${record.hash.toString(16)}`,
        reason: record.reasonText,
        source: record.source,
        bytes: record.originalLengthBytes,
        srcLabel: record.sourceIdentity,
        dstLabel: record.destinationIdentity,
        dstID: record.destinationEndpoint,
        Line: record.line,
        File: record.file,
        ExtError: record.extendedError,
        Ifindex: record.interfaceIndex,
      });
      expect(sample.info).toContain(`file ${record.fileName}:${record.line}`);
      expect(record.isFileUncertain).toBe(false);
    }
  });

  it("traces", () => {
    const traces = decodeAll("trace");
    expect(traces).toHaveLength(128);
    for (const { sample, record } of traces) {
      expect(JSON.parse(sample.json)).toMatchObject({
        mark: `0x${record.hash.toString(16)}`,
        observationPoint: record.observationPointName,
        state: record.reasonText,
        source: record.source,
        bytes: record.originalLengthBytes,
        srcLabel: record.sourceIdentity,
        dstLabel: record.destinationIdentity,
        dstID: record.destinationId,
      });
      const original = /orig-ip (\S+?):? /.exec(sample.info)?.[1];
      if (original !== undefined) expect(record.originalAddress.text).toBe(original);
      // A perf ring pads records to a multiple of eight bytes with the four of their length.
      expect(record.data.length - record.capturedLengthBytes).toBeGreaterThanOrEqual(0);
      expect(record.data.length - record.capturedLengthBytes).toBeLessThan(8);
    }
  });

  it("policy verdicts", () => {
    const verdicts = decodeAll("policy-verdict");
    expect(verdicts).toHaveLength(3);
    for (const { sample, record } of verdicts) {
      const action = record.verdict < 0 ? "deny" : record.verdict > 0 ? "redirect" : "allow";
      expect(sample.info).toContain(
        `flow 0x${record.hash.toString(16)} local EP ID ${record.source}, remote ID ${record.remoteIdentity}, proto ${record.protocol}, ${record.direction === 1 ? "ingress" : "egress"}, action ${action}, auth: disabled, match ${record.matchTypeText},`,
      );
      expect(record.destinationPort).toBe(8080);
      expect(record.reasonText).toBe(record.verdict < 0 ? "Policy denied" : undefined);
    }
  });

  it("socket traces", () => {
    const [only] = decodeAll("trace-sock");
    const { record, sample } = only!;
    expect(sample.v).toContain(
      `[${record.xlatePointName}] cgroup_id: ${record.cgroupId} sock_cookie: ${record.socketCookie}, dst [${record.destination}]:${record.destinationPort} tcp`,
    );
  });

  it("survive decode and encode", () => {
    const { drop, trace, policyVerdict, traceSock } = abi.events;
    const codecOf = { 1: drop, 4: trace, 5: policyVerdict, 7: traceSock } as const;
    for (const sample of samples) {
      const bytes = Buffer.from(sample.hex, "hex");
      const codec = codecOf[bytes[0] as 1 | 4 | 5 | 7];
      const header = bytes.subarray(0, codec.sizeBytes);
      const encode = codec.encode.bind(codec) as (value: unknown) => Buffer;
      expect(encode(codec.decode(bytes)).toString("hex")).toBe(header.toString("hex"));
    }
  });
});

describe("records that are not whole or not known", () => {
  it("are refused, never read past their end", () => {
    const drop = Buffer.from(samples.find((sample) => sample.hex.startsWith("01"))!.hex, "hex");
    expect(() => abi.events.decode(drop.subarray(0, 30))).toThrow(expect.objectContaining({ code: "abi-size" }));
    expect(() => abi.events.decode(drop.subarray(0, 10))).toThrow(expect.objectContaining({ code: "abi-size" }));
    expect(() => abi.events.decode(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: "abi-size" }));
    const future = Buffer.from(drop);
    future[14] = 99;
    expect(() => abi.events.decode(future)).toThrow(expect.objectContaining({ code: "abi-version", exitCode: 6 }));
  });

  it("hold the packet as far as the record goes", () => {
    const drop = Buffer.from(samples.find((sample) => sample.hex.startsWith("01"))!.hex, "hex");
    expect(abi.events.decode(drop.subarray(0, 60))).toMatchObject({ kind: "drop", rest: { length: 12 } });
  });

  it("of types that the datapath does not send are left alone", () => {
    expect(abi.events.decode(Buffer.from("6301", "hex"))).toBeUndefined();
    expect(decoder.decode(Buffer.from("6301", "hex")).record).toEqual({
      kind: "unknown",
      type: 99,
      bytes: Uint8Array.of(99, 1),
    });
  });

  it("that cannot be decoded say why", () => {
    expect(decoder.decode(Buffer.from("0102", "hex")).record).toMatchObject({
      kind: "unknown",
      type: 1,
      error: expect.stringContaining("16 bytes"),
    });
    expect(decoder.decode(Buffer.alloc(0)).record).toMatchObject({ kind: "unknown", type: 0 });
    expect(decoder.decode(Buffer.from("82ff", "hex")).record).toMatchObject({ kind: "unknown", type: 130 });
  });
});

describe("whose record it is", () => {
  /** A record of `release`, padded as a perf ring pads it. */
  function padded(header: Buffer, packetBytes: number): Buffer {
    const bytes = Buffer.concat([header, Buffer.alloc(packetBytes, 0xee)]);
    return Buffer.concat([bytes, Buffer.alloc((8 - ((bytes.length + 4) % 8)) % 8)]);
  }

  const capture = { source: 7, hash: 1, originalLengthBytes: 60, capturedLengthBytes: 60 };
  const drop = {
    ...capture,
    reason: 133,
    sourceIdentity: 1,
    destinationIdentity: 2,
    destinationEndpoint: 3,
    line: 5,
    file: 110,
    extendedError: 0,
    interfaceIndex: 2,
    flags: 0,
    ipTraceId: 0n,
  };

  it.each([
    ["1.14", 0, "1.16"],
    ["1.16", 1, "1.16"],
    ["1.17", 2, "1.18"],
    ["1.20", 3, "1.20"],
  ] as const)("drops say it by their version: %s", (release, version, newest) => {
    const header = createAbi(release).events.drop.encode({ ...drop, version });
    const decoded = createRecordDecoder(releases).decode(padded(header, 60));
    expect(decoded).toMatchObject({ release: newest, record: { kind: "drop", reason: 133, version } });
  });

  it("a file that the releases in question name differently is uncertain", () => {
    const decode = (candidates: readonly ("1.17" | "1.18")[]) =>
      createRecordDecoder(candidates).decode(padded(createAbi("1.17").events.drop.encode({ ...drop, version: 2 }), 60))
        .record;
    expect(decode(["1.17"])).toMatchObject({ fileName: "l3.h", isFileUncertain: false });
    expect(decode(["1.17", "1.18"])).toMatchObject({ fileName: "local_delivery.h", isFileUncertain: true });
  });

  const verdict = {
    ...capture,
    version: 1,
    remoteIdentity: 59068,
    verdict: -133,
    destinationPort: 80,
    protocol: 6,
    direction: 1,
    isIpv6: false,
    matchType: 2,
    isAudited: false,
    isL3Device: false,
    authType: 0,
    cookie: 0,
  };

  it.each(
    [0, 1, 2, 3, 4, 5, 6, 7].flatMap((extra) =>
      (["1.18", "1.19"] as const).map((release) => [release, extra] as const),
    ),
  )("verdicts say it by their length: %s, %i bytes of packet more", (release, extra) => {
    const capturedLengthBytes = 60 + extra;
    const header = createAbi(release).events.policyVerdict.encode({ ...verdict, capturedLengthBytes });
    const decoded = createAbi("1.20").events.decode(padded(header, capturedLengthBytes)) as DatapathEvent;
    expect(decoded.releases.every((each) => isReleaseSince(each, "1.19") === isReleaseSince(release, "1.19"))).toBe(
      true,
    );
    expect(decoded.rest[0]).toBe(0xee);
    expect(decoded.rest.length - capturedLengthBytes).toBeLessThan(8);
  });

  it.each([
    ["1.18", "10.96.0.10"],
    ["1.18", "fd00::10"],
    ["1.19", "10.96.0.10"],
    ["1.19", "fd00::10"],
  ] as const)("socket traces say it by where protocol and family lie: %s, %s", (release, address) => {
    const event = {
      xlatePoint: 1,
      protocol: 17,
      destination: IpAddress.parse(address),
      destinationPort: 53,
      socketCookie: 0x1234_5678_9abcn,
      cgroupId: 42n,
    };
    const record = padded(createAbi(release).events.traceSock.encode(event), 0);
    expect(record).toHaveLength(44);
    const decoded = createRecordDecoder(["1.18", "1.19"]).decode(record).record;
    expect(decoded).toMatchObject({ kind: "trace-sock", destinationPort: 53, cgroupId: 42n, protocol: 17 });
    expect(decoded.kind === "trace-sock" && decoded.destination.text).toBe(address);
  });

  it("traces of the first version have no original address", () => {
    const bytes = Buffer.alloc(48);
    bytes[0] = 4;
    bytes.writeUInt32LE(59068, 16);
    expect(createRecordDecoder(["1.20"]).decode(bytes).record).toMatchObject({
      kind: "trace",
      sourceIdentity: 59068,
      originalAddress: IpAddress.parse("0.0.0.0"),
      data: { length: 16 },
    });
  });
});

describe("debug messages", () => {
  const message = (code: number, release: (typeof releases)[number]) => {
    const bytes = Buffer.alloc(20);
    bytes.set([2, code]);
    return createRecordDecoder([release]).decode(bytes).record;
  };

  it("are named as the release's datapath numbers them", () => {
    expect(message(15, "1.20")).toMatchObject({ codeName: "DBG_CT_VERDICT", conntrackState: "New" });
    expect(message(65, "1.14")).toMatchObject({ codeName: "DBG_L7_LB" });
    expect(message(66, "1.14")).toMatchObject({ codeName: undefined });
    expect(message(66, "1.15")).toMatchObject({ codeName: "DBG_SKIP_POLICY" });
    expect(message(67, "1.18")).toMatchObject({ codeName: undefined });
    expect(message(68, "1.19")).toMatchObject({ codeName: "DBG_LB6_LOOPBACK_SNAT_REV" });
    expect(message(69, "1.20")).toMatchObject({ codeName: undefined });
  });
});

import { describe, expect, it } from "vitest";
import { createAbi } from "../../src/abi/abi.js";
import { reasonText } from "../../src/abi/drop-reasons.js";
import type { DatapathEvent } from "../../src/abi/events.js";
import {
  codeName,
  observationPoints,
  policyMatchTypes,
  traceReasons,
  xlatePoints,
} from "../../src/abi/observation-points.js";
import { sourceFileName } from "../../src/abi/source-files.js";
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

function decodeAll<Kind extends DatapathEvent["kind"]>(
  kind: Kind,
): readonly { readonly sample: Sample; readonly event: Extract<DatapathEvent, { kind: Kind }> }[] {
  return samples.flatMap((sample) => {
    const event = abi.events.decode(Buffer.from(sample.hex, "hex"));
    return event.kind === kind ? [{ sample, event: event as Extract<DatapathEvent, { kind: Kind }> }] : [];
  });
}

describe("records of a real event ring, beside what upstream's monitor printed for them", () => {
  it("drops", () => {
    const drops = decodeAll("drop");
    expect(drops).toHaveLength(6);
    for (const { sample, event } of drops) {
      expect(JSON.parse(sample.json)).toMatchObject({
        mark: `0x${event.hash.toString(16)}`,
        reason: reasonText(event.reason),
        source: event.source,
        bytes: event.originalLengthBytes,
        srcLabel: event.sourceIdentity,
        dstLabel: event.destinationIdentity,
        dstID: event.destinationEndpoint,
        Line: event.line,
        File: event.file,
        ExtError: event.extendedError,
        Ifindex: event.interfaceIndex,
      });
      expect(sample.info).toContain(`file ${sourceFileName(event.file, "1.20")}:${event.line}`);
      expect(event.packet).toHaveLength(event.capturedLengthBytes);
    }
  });

  it("traces", () => {
    const traces = decodeAll("trace");
    expect(traces).toHaveLength(128);
    for (const { sample, event } of traces) {
      const json = JSON.parse(sample.json);
      expect(json).toMatchObject({
        mark: `0x${event.hash.toString(16)}`,
        observationPoint: codeName(observationPoints, event.observationPoint),
        state: codeName(traceReasons, event.reason & 0x7f),
        source: event.source,
        bytes: event.originalLengthBytes,
        srcLabel: event.sourceIdentity,
        dstLabel: event.destinationIdentity,
        dstID: event.destinationId,
      });
      const original = /orig-ip (\S+?):? /.exec(sample.info)?.[1];
      if (original !== undefined) expect(event.originalAddress.text).toBe(original);
      expect(event.packet).toHaveLength(event.capturedLengthBytes);
    }
  });

  it("policy verdicts", () => {
    const verdicts = decodeAll("policy-verdict");
    expect(verdicts).toHaveLength(3);
    for (const { sample, event } of verdicts) {
      const action = event.verdict < 0 ? "deny" : event.verdict > 0 ? "redirect" : "allow";
      expect(sample.info).toContain(
        `flow 0x${event.hash.toString(16)} local EP ID ${event.source}, remote ID ${event.remoteIdentity}, proto ${event.protocol}, ${event.direction === 1 ? "ingress" : "egress"}, action ${action}, auth: disabled, match ${codeName(policyMatchTypes, event.matchType)},`,
      );
      expect(event.destinationPort).toBe(8080);
    }
  });

  it("socket traces", () => {
    const [only] = decodeAll("trace-sock");
    const { event, sample } = only!;
    expect(sample.v).toContain(
      `[${codeName(xlatePoints, event.xlatePoint)}] cgroup_id: ${event.cgroupId} sock_cookie: ${event.socketCookie}, dst [${event.destination}]:${event.destinationPort} tcp`,
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
    const event = abi.events.decode(drop.subarray(0, 60));
    expect(event.kind === "drop" && event.packet.length).toBe(12);
  });

  it("of other types are handed over as they are", () => {
    expect(abi.events.decode(Buffer.from("0201", "hex"))).toEqual({
      kind: "other",
      type: 2,
      bytes: Uint8Array.of(2, 1),
    });
  });

  it("of older versions are read by their version", () => {
    const old = createAbi("1.16").events.drop;
    const header = abi.events.drop.decode(
      Buffer.from(samples.find((sample) => sample.hex.startsWith("01"))!.hex, "hex"),
    );
    const bytes = Buffer.concat([old.encode({ ...header, version: 1 }), Buffer.from("aabb", "hex")]);
    expect(abi.events.decode(bytes)).toMatchObject({ kind: "drop", reason: header.reason, version: 1, flags: 0 });
  });
});

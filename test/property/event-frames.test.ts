import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/lib/errors.js";
import { type EventFrame, encodeFrame, FrameDecoder } from "../../src/model/event-frames.js";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const cpu = fc.option(fc.integer({ min: 0, max: 0xfffe }), { nil: undefined });
const timeMs = fc.double({ noNaN: true });
const frames: fc.Arbitrary<EventFrame> = fc.oneof(
  fc.record({ kind: fc.constant("ring"), cpus: u32, pages: u32, pageBytes: u32 }),
  fc.record({ kind: fc.constant("record"), cpu, timeMs, bytes: fc.uint8Array({ maxLength: 400 }) }),
  fc.record({ kind: fc.constant("loss"), cpu, timeMs, count: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
);

function decode(bytes: Buffer, pieceBytes: number): readonly EventFrame[] {
  const decoder = new FrameDecoder();
  const found: EventFrame[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    found.push(...decoder.push(bytes.subarray(at, at + pieceBytes)));
  }
  return found;
}

describe("frames of an event stream", () => {
  it("decode of encode is the frame, in pieces of any size", () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 6 }), fc.integer({ min: 1, max: 200 }), (sent, pieceBytes) => {
        expect(decode(Buffer.concat(sent.map(encodeFrame)), pieceBytes)).toEqual(sent);
      }),
    );
  });

  it("kinds of a later version are passed over", () => {
    const later = encodeFrame({ kind: "loss", timeMs: 1, count: 2n });
    later.writeUInt8(77, 4);
    const known: EventFrame = { kind: "loss", cpu: 3, timeMs: 1, count: 2n };
    expect(decode(Buffer.concat([later, encodeFrame(known)]), 1000)).toEqual([known]);
  });

  it("any bytes are frames or are refused as what they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 64 }), (bytes, pieceBytes) => {
        try {
          decode(Buffer.from(bytes), pieceBytes);
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError);
          expect(error).toMatchObject({ code: "event-frame" });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

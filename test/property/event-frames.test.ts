import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/lib/errors.js";
import { type EventFrame, encodeFrame, FrameBatch, FrameDecoder, roomFor } from "../../src/model/event-frames.js";

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

  it("many at once are the same, as many as there is room for", () => {
    const lists = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        lists,
        fc.option(u32, { nil: undefined }),
        fc.integer({ min: 0, max: 900 }),
        (records, missing, room) => {
          const bytes = Buffer.concat(records);
          const batch = new FrameBatch(5, Math.min(room, roomFor(records.length, bytes.length)));
          const losses = missing === undefined ? [] : [{ kind: "loss", timeMs: 5, count: BigInt(missing) } as const];
          const isTold = losses.every((loss) => batch.addLoss(loss));
          const fitting = records.filter((record, i) => {
            const offset = records.slice(0, i).reduce((sum, { length }) => sum + length, 0);
            return batch.addRecord(bytes, offset, record.length);
          });
          const sent = [
            ...(isTold ? losses : []),
            ...fitting.map((one) => ({ kind: "record", timeMs: 5, bytes: one }) as const),
          ];
          expect(batch.take()).toEqual(Buffer.concat(sent.map(encodeFrame)));
          expect(batch.take().length).toBeLessThanOrEqual(room);
          if (room >= roomFor(records.length, bytes.length)) expect(fitting).toEqual(records);
        },
      ),
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

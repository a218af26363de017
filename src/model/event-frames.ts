import { AgentError } from "../lib/errors.js";
import type { EventRing } from "./datapath-port.js";

/**
 * How an agent of ours hands its event ring to subscribers: frames on a byte stream, little-endian.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 4 | length of what follows the head |
 * | 4 | 1 | kind: 1 ring, 2 record, 3 loss |
 * | 5 | 1 | reserved, 0 |
 * | 6 | 2 | CPU; 65535 where it is not known |
 * | 8 | 8 | Unix time in milliseconds when the agent read it, as a double |
 *
 * A ring (the first frame of a stream) is followed by its size: CPUs, pages, bytes of a page, each u32. A record by its bytes,
 * a loss by how many records are missing, u64. Kinds that a reader does not know are passed over.
 */
export type EventFrame = RingFrame | RecordFrame | LossFrame;

/** The shared memory that records come through. */
export interface RingFrame extends EventRing {
  readonly kind: "ring";
}

export interface RecordFrame {
  readonly kind: "record";
  readonly cpu?: number | undefined;
  readonly timeMs: number;
  /** As it lay in the ring. */
  readonly bytes: Uint8Array;
}

/** Records that are missing at this place: the ring or the subscriber's queue was full. */
export interface LossFrame {
  readonly kind: "loss";
  readonly cpu?: number | undefined;
  readonly timeMs: number;
  readonly count: bigint;
}

const headBytes = 16;
const kinds = { ring: 1, record: 2, loss: 3 } as const;
const unknownCpu = 0xffff;

/** Records of the kernel are smaller than a page; a frame that says more comes from somebody else. */
const largestFrameBytes = 64 * 1024;

export function encodeFrame(frame: EventFrame): Buffer {
  return encodeFrames([frame]);
}

/** Frames one behind the other, in one piece of memory: they come by the hundred. */
export function encodeFrames(frames: readonly EventFrame[]): Buffer {
  const bytes = Buffer.allocUnsafe(frames.reduce((sum, frame) => sum + frameBytes(frame), 0));
  let offset = 0;
  for (const frame of frames) {
    writeFrame(frame, bytes, offset);
    offset += frameBytes(frame);
  }
  return bytes;
}

/** How long the frame is, its head included. */
export function frameBytes(frame: EventFrame): number {
  if (frame.kind === "record") return headBytes + frame.bytes.length;
  return headBytes + (frame.kind === "ring" ? 12 : 8);
}

function writeFrame(frame: EventFrame, bytes: Buffer, offset: number): void {
  const { cpu = unknownCpu, timeMs } = frame.kind === "ring" ? { timeMs: 0 } : frame;
  const content = offset + headBytes;
  bytes.writeUInt32LE(frameBytes(frame) - headBytes, offset);
  bytes.writeUInt16LE(kinds[frame.kind], offset + 4);
  bytes.writeUInt16LE(cpu, offset + 6);
  bytes.writeDoubleLE(timeMs, offset + 8);
  if (frame.kind === "record") bytes.set(frame.bytes, content);
  else if (frame.kind === "loss") bytes.writeBigUInt64LE(frame.count, content);
  else
    [frame.cpus, frame.pages, frame.pageBytes].forEach((value, i) => void bytes.writeUInt32LE(value, content + 4 * i));
}

/** Reads frames from pieces of any size. After an error the place of the next frame is unknown. */
export class FrameDecoder {
  #rest = Buffer.alloc(0);

  /** Frames that are whole now. @throws AgentError `event-frame` */
  push(bytes: Uint8Array): readonly EventFrame[] {
    const buffer = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    const frames: EventFrame[] = [];
    let offset = 0;
    while (offset + headBytes <= buffer.length) {
      const length = buffer.readUInt32LE(offset);
      if (length > largestFrameBytes) throw frameError(`a frame of ${length} bytes`);
      const end = offset + headBytes + length;
      if (end > buffer.length) break;
      const frame = decodeFrame(buffer.subarray(offset, end));
      if (frame !== undefined) frames.push(frame);
      offset = end;
    }
    this.#rest = buffer.subarray(offset);
    return frames;
  }
}

function decodeFrame(bytes: Buffer): EventFrame | undefined {
  const kind = bytes.readUInt8(4);
  const cpuField = bytes.readUInt16LE(6);
  const cpu = cpuField === unknownCpu ? undefined : cpuField;
  const timeMs = bytes.readDoubleLE(8);
  const content = bytes.subarray(headBytes);
  switch (kind) {
    case kinds.ring:
      requireLength(content, 12, "ring");
      return {
        kind: "ring",
        cpus: content.readUInt32LE(0),
        pages: content.readUInt32LE(4),
        pageBytes: content.readUInt32LE(8),
      };
    case kinds.record:
      return { kind: "record", cpu, timeMs, bytes: new Uint8Array(content) };
    case kinds.loss:
      requireLength(content, 8, "loss");
      return { kind: "loss", cpu, timeMs, count: content.readBigUInt64LE(0) };
    default:
      return undefined;
  }
}

function requireLength(content: Buffer, length: number, what: string): void {
  if (content.length !== length) throw frameError(`a ${what} of ${content.length} bytes`);
}

function frameError(what: string): AgentError {
  return new AgentError("event-frame", `an agent's event stream has ${what}: it speaks another language`, {
    nextSteps: ["run the command in the version of the node's agent: kubectl cilium-ts status"],
  });
}

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
  /** As it lay in the ring; of a decoded frame, a view of the piece that it came in. */
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
  const bytes = Buffer.allocUnsafe(frameBytes(frame));
  writeFrame(frame, bytes, 0);
  return bytes;
}

/** How long the frame is, its head included. */
function frameBytes(frame: EventFrame): number {
  if (frame.kind === "record") return headBytes + frame.bytes.length;
  return headBytes + (frame.kind === "ring" ? 12 : 8);
}

function writeFrame(frame: EventFrame, bytes: Buffer, offset: number): void {
  const content = offset + headBytes;
  writeHead(bytes, offset, { timeMs: 0, ...frame }, frameBytes(frame) - headBytes);
  if (frame.kind === "record") bytes.set(frame.bytes, content);
  else if (frame.kind === "loss") bytes.writeBigUInt64LE(frame.count, content);
  else
    [frame.cpus, frame.pages, frame.pageBytes].forEach((value, i) => void bytes.writeUInt32LE(value, content + 4 * i));
}

type Head = Pick<EventFrame, "kind"> & Pick<LossFrame, "cpu" | "timeMs">;

function writeHead(bytes: Buffer, offset: number, { kind, cpu = unknownCpu, timeMs }: Head, length: number): void {
  bytes.writeUInt32LE(length, offset);
  bytes.writeUInt16LE(kinds[kind], offset + 4);
  bytes.writeUInt16LE(cpu, offset + 6);
  bytes.writeDoubleLE(timeMs, offset + 8);
}

/** Frames one behind the other, in one piece of memory: they come by the hundred. */
export class FrameBatch {
  readonly #timeMs: number;
  readonly #bytes: Buffer;
  #length = 0;

  /** @param roomBytes how long they may be together */
  constructor(timeMs: number, roomBytes: number) {
    this.#timeMs = timeMs;
    this.#bytes = Buffer.allocUnsafe(Math.max(0, roomBytes));
  }

  /** Adds the record that lies in `bytes` at `offset`. False when it does not fit. */
  addRecord(bytes: Buffer, offset: number, length: number): boolean {
    const start = this.#length;
    if (start + headBytes + length > this.#bytes.length) return false;
    writeHead(this.#bytes, start, { kind: "record", timeMs: this.#timeMs }, length);
    bytes.copy(this.#bytes, start + headBytes, offset, offset + length);
    this.#length = start + headBytes + length;
    return true;
  }

  /** The same of a loss. */
  addLoss(loss: Pick<LossFrame, "cpu" | "count">): boolean {
    const frame: LossFrame = { kind: "loss", timeMs: this.#timeMs, ...loss };
    const start = this.#length;
    if (start + frameBytes(frame) > this.#bytes.length) return false;
    writeFrame(frame, this.#bytes, start);
    this.#length = start + frameBytes(frame);
    return true;
  }

  /** What was added; of little, a copy: it may wait for its reader for long. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length);
    return 2 * this.#length < this.#bytes.length ? Buffer.from(bytes) : bytes;
  }
}

/** Room for so many records of so many bytes together, and for the loss that may be told before them. */
export function roomFor(records: number, bytes: number): number {
  return bytes + (records + 1) * headBytes + 8;
}

/** Reads frames from pieces of any size. After an error the place of the next frame is unknown. */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** Frames that are whole now. @throws AgentError `event-frame` */
  push(bytes: Uint8Array): readonly EventFrame[] {
    const buffer =
      this.#rest.length === 0
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        : Buffer.concat([this.#rest, bytes]);
    const frames: EventFrame[] = [];
    let offset = 0;
    while (offset + headBytes <= buffer.length) {
      const length = buffer.readUInt32LE(offset);
      if (length > largestFrameBytes) throw frameError(`a frame of ${length} bytes`);
      const end = offset + headBytes + length;
      if (end > buffer.length) break;
      const frame = decodeFrame(buffer, offset, end);
      if (frame !== undefined) frames.push(frame);
      offset = end;
    }
    this.#rest = buffer.subarray(offset);
    return frames;
  }
}

function decodeFrame(buffer: Buffer, start: number, end: number): EventFrame | undefined {
  const kind = buffer.readUInt8(start + 4);
  const cpuField = buffer.readUInt16LE(start + 6);
  const cpu = cpuField === unknownCpu ? undefined : cpuField;
  const timeMs = buffer.readDoubleLE(start + 8);
  const content = start + headBytes;
  switch (kind) {
    case kinds.ring:
      requireLength(end - content, 12, "ring");
      return {
        kind: "ring",
        cpus: buffer.readUInt32LE(content),
        pages: buffer.readUInt32LE(content + 4),
        pageBytes: buffer.readUInt32LE(content + 8),
      };
    case kinds.record:
      return {
        kind: "record",
        cpu,
        timeMs,
        bytes: new Uint8Array(buffer.buffer, buffer.byteOffset + content, end - content),
      };
    case kinds.loss:
      requireLength(end - content, 8, "loss");
      return { kind: "loss", cpu, timeMs, count: buffer.readBigUInt64LE(content) };
    default:
      return undefined;
  }
}

function requireLength(found: number, length: number, what: string): void {
  if (found !== length) throw frameError(`a ${what} of ${found} bytes`);
}

function frameError(what: string): AgentError {
  return new AgentError("event-frame", `an agent's event stream has ${what}: it speaks another language`, {
    nextSteps: ["run the command in the version of the node's agent: kubectl cilium-ts status"],
  });
}

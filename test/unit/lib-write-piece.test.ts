import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { writePiece } from "../../src/lib/write-piece.js";

/** Takes a piece when it is told to, and not before. */
class StoppedReader extends Writable {
  readonly taken: string[] = [];
  #take: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.#take = () => {
      this.taken.push(piece.toString());
      done();
    };
  }

  take(): void {
    this.#take?.();
  }
}

const piece = Buffer.from("rows");

describe("writePiece", () => {
  test("ends when the reader has taken the piece", async () => {
    const reader = new StoppedReader();
    const written = writePiece(reader, piece, new AbortController().signal);
    reader.take();
    await written;
    expect(reader.taken).toEqual(["rows"]);
  });

  test("gives a reader that still reads the end of the output after an abort", async () => {
    const reader = new StoppedReader();
    const stop = new AbortController();
    const written = writePiece(reader, piece, stop.signal);
    stop.abort(new Error("interrupted"));
    reader.take();
    await written;
    expect(reader.taken).toEqual(["rows"]);
  });

  test.each(["before", "while"])("is not held up by a reader that has stopped: aborted %s it waits", async (when) => {
    const stop = new AbortController();
    if (when === "before") stop.abort(new Error("interrupted"));
    const written = writePiece(new StoppedReader(), piece, stop.signal);
    if (when === "while") stop.abort(new Error("interrupted"));
    await expect(written).rejects.toThrow("interrupted");
  });
});

import type { Writable } from "node:stream";

/** How long a writer that was told to end waits for a reader that takes nothing. */
const patienceMs = 1_000;

/**
 * Resolves when a slow reader has taken the piece, whose memory may be used again then. A reader that still reads gets the
 * end of the output after the signal too; one that has stopped does not hold the writer up: rejects with the signal's reason.
 * An error comes as an event of the stream, and is judged there.
 */
export function writePiece(stream: Writable, piece: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let patience: NodeJS.Timeout | undefined;
    const lose = (): void => {
      patience = setTimeout(() => reject(signal.reason), patienceMs);
    };
    const isTaken = stream.write(piece, () => {
      signal.removeEventListener("abort", lose);
      clearTimeout(patience);
      resolve();
    });
    if (isTaken) return;
    if (signal.aborted) lose();
    else signal.addEventListener("abort", lose, { once: true });
  });
}

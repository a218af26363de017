/** Long enough that a write's fixed cost vanishes, short enough that the first rows show at once. */
const chunkLength = 64 * 1024;

/** Joins small pieces of text and cuts none: each piece that comes out has about 64 KB, the last one what remains. */
export async function* inChunks(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let pending = "";
  let isFirst = true;
  for await (const piece of pieces) {
    pending += piece;
    // The first rows go out at once: a reader sees them while the rest is still being read.
    if (pending.length >= chunkLength || (isFirst && pending !== "")) {
      yield pending;
      pending = "";
      isFirst = false;
    }
  }
  if (pending !== "") yield pending;
}

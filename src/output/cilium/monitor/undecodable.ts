import type { UnknownRecord } from "../../../model/monitor.js";

/** The structures of upstream's monitor and how long they are at least. */
const structures: Readonly<Record<number, readonly [name: string, minBytes: number]>> = {
  1: ["DropNotify", 36],
  2: ["DebugMsg", 20],
  3: ["DebugCapture", 24],
  4: ["TraceNotify", 32],
  5: ["PolicyVerdictNotify", 40],
  7: ["TraceSockNotify", 40],
};

/** Structures that have versions: how long each version is. */
const versions: Readonly<Record<number, { readonly name: string; readonly sizes: readonly number[] }>> = {
  1: { name: "drop", sizes: [36, 36, 40, 48] },
  4: { name: "trace", sizes: [32, 48, 56] },
};

/** What upstream's monitor (since 1.19) prints for a record that it cannot decode. */
export function undecodableLine({ type, bytes, error }: UnknownRecord): string {
  return `cannot decode message type '${type}': ${upstreamError(type, bytes) ?? error ?? "unknown error"}\n`;
}

function upstreamError(type: number, bytes: Uint8Array): string | undefined {
  const structure = structures[type];
  if (structure === undefined) return undefined;
  const [name, minBytes] = structure;
  const known = versions[type];
  const atLeast = known === undefined ? "" : "at least ";
  if (bytes.length < minBytes) {
    return `unexpected ${name} data length, expected ${atLeast}${minBytes} but got ${bytes.length}`;
  }
  const version = bytes[14]!;
  const size = known?.sizes[version];
  if (known !== undefined && size === undefined) return `Unrecognized ${known.name} event (version ${version})`;
  if (size === undefined || bytes.length >= size) return undefined;
  return `unexpected ${name} data length (version ${version}), expected at least ${size} but got ${bytes.length}`;
}

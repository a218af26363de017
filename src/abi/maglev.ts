import { AbiError } from "./codec.js";

/** Key of the one value of an inner map of `cilium_lb4_maglev` and `cilium_lb6_maglev`. */
export const maglevTableKey: Uint8Array = new Uint8Array(4);

const slotBytes = 4;

/**
 * A service's look-up table, the value of an inner Maglev map: a backend id (u32 in host order) for each slot, 0 for none.
 * As many slots as the agent's table size says, a prime from 251 to 131071.
 * @throws AbiError `abi-size` when the bytes are no whole number of slots
 */
export function decodeMaglevTable(bytes: Uint8Array): Uint32Array {
  if (bytes.length === 0 || bytes.length % slotBytes !== 0) {
    throw new AbiError("abi-size", `a Maglev table of ${bytes.length} bytes has no whole number of slots`, {
      details: { available: bytes.length },
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / slotBytes }, (_, slot) => view.getUint32(slotBytes * slot, true));
}

/** The bytes that {@link decodeMaglevTable} reads. */
export function encodeMaglevTable(table: Uint32Array): Buffer {
  const bytes = Buffer.alloc(slotBytes * table.length);
  for (const [slot, backendId] of table.entries()) bytes.writeUInt32LE(backendId, slotBytes * slot);
  return bytes;
}

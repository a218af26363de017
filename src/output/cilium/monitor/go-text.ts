import type { IpAddress } from "../../../lib/ip.js";

/** Go's `net.IP`. */
export function goIp(address: IpAddress | undefined): string {
  return address?.unmappedText ?? "<nil>";
}

/** Go's `encoding/hex.Dump`: 16 bytes a line, with their offset and their ASCII characters. */
export function hexDump(bytes: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < bytes.length; offset += 16)
    text += hexLine(bytes.subarray(offset, offset + 16), offset);
  return text;
}

function hexLine(bytes: Uint8Array, offset: number): string {
  let columns = "";
  let characters = "";
  for (let i = 0; i < 16; i++) {
    const byte = bytes[i];
    columns += byte === undefined ? "   " : ` ${byte.toString(16).padStart(2, "0")}`;
    if (i === 7) columns += " ";
    if (byte !== undefined) characters += byte < 32 || byte > 126 ? "." : String.fromCharCode(byte);
  }
  return `${offset.toString(16).padStart(8, "0")} ${columns}  |${characters}|\n`;
}

/** Go's `time.Duration` for whole milliseconds: `0s`, `100ms`, `1.5s`, `1m40s`. */
export function goDuration(milliseconds: number): string {
  if (milliseconds > 0 && milliseconds < 1000) return `${milliseconds}ms`;
  const minutes = Math.floor(milliseconds / 60_000);
  const hours = Math.floor(minutes / 60);
  const seconds = `${(milliseconds % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes % 60}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** `0x1f`, `0x0` */
export function goHex(value: number): string {
  return `0x${value.toString(16)}`;
}

import type { IpAddress } from "../../../lib/ip.js";

/** Go's `net.IP`: IPv4 addresses in IPv6's form come out as IPv4. */
export function goIp(address: IpAddress | undefined): string {
  if (address === undefined) return "<nil>";
  const { bytes } = address;
  const isMapped = isIpv4Mapped(bytes);
  return isMapped ? bytes.subarray(12).join(".") : address.text;
}

/** Go's `netip.Addr`, which keeps the two forms apart. */
export function goAddr(address: IpAddress): string {
  return isIpv4Mapped(address.bytes) ? `::ffff:${address.bytes.subarray(12).join(".")}` : address.text;
}

function isIpv4Mapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff));
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
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

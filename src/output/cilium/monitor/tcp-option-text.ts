import { IpAddress } from "../../../lib/ip.js";
import { be16, be32 } from "../../../model/packet/decoding.js";
import type { TcpOption } from "../../../model/packet/layers.js";
import { goIp } from "./go-text.js";

const kindNames: Readonly<Record<number, string>> = {
  0: "EndList",
  1: "NOP",
  2: "MSS",
  3: "WindowScale",
  4: "SACKPermitted",
  5: "SACK",
  6: "Echo",
  7: "EchoReply",
  8: "Timestamps",
  9: "PartialOrderConnectionPermitted",
  10: "PartialOrderServiceProfile",
  11: "CC",
  12: "CCNew",
  13: "CCEcho",
  14: "AltChecksum",
  15: "AltChecksumData",
};

const maximumSegment = 2;
const timestamps = 8;
const multipath = 30;

export function hasMultipath(options: readonly TcpOption[]): boolean {
  return options.some(({ kind }) => kind === multipath);
}

/** A TCP option as gopacket prints it: `TCPOption(MSS:1460 0x05b4)`. */
export function tcpOptionText(option: TcpOption, knowsMultipath: boolean): string {
  const { kind, data } = option;
  if (kind === multipath && knowsMultipath) return multipathText(data);
  const hex = data.length === 0 ? "" : ` 0x${Buffer.from(data).toString("hex")}`;
  const name = kindNames[kind] ?? `Unknown(${kind})`;
  if (kind === maximumSegment && data.length >= 2) return `TCPOption(${name}:${be16(data, 0)}${hex})`;
  if (kind === timestamps && data.length === 8) return `TCPOption(${name}:${be32(data, 0)}/${be32(data, 4)}${hex})`;
  return `TCPOption(${name}:${hex})`;
}

/** Subtypes of multipath TCP (RFC 8684), in the words of gopacket, with what it tells of each. */
const multipathTexts: readonly ((data: Uint8Array) => string)[] = [
  (data) => `MP_CAPABLE Version ${data[0]! & 0x0f}`,
  (data) => `MP_JOIN Backup ${isBackup(data) && data.length < 22};Address ID ${data.length < 22 ? (data[1] ?? 0) : 0}`,
  () => "DSS",
  (data) => `ADD_ADDR ${addedAddress(data)}`,
  (data) => `REMOVE_ADDR Address ID [${data.subarray(1).join(" ")}]`,
  (data) => `MP_PRIO Backup ${isBackup(data)};Address ID ${data[1] ?? 0}`,
  () => "MP_FAIL",
  () => "MP_FASTCLOSE",
  (data) => `MP_TCPRST Transient ${isBackup(data)}; Reason ${data[1] ?? 0}`,
];

function multipathText(data: Uint8Array): string {
  const text = multipathTexts[(data[0] ?? 0xff) >> 4];
  return text === undefined ? "TCPOption(MultipathTCP:)" : `MPTCPOption(${text(data)})`;
}

function isBackup(data: Uint8Array): boolean {
  return ((data[0] ?? 0) & 1) !== 0;
}

const authenticationBytes = 8;

/** In version 1 what is no echo ends in an authentication code; a port may follow the address. */
function addedAddress(data: Uint8Array): string {
  const isAuthenticated = ((data[0] ?? 0) & 0x0f) === 0;
  const rest = data.subarray(2, isAuthenticated ? Math.max(2, data.length - authenticationBytes) : data.length);
  const addressBytes = rest.length >= 16 ? 16 : rest.length >= 4 ? 4 : 0;
  const address = addressBytes === 0 ? undefined : IpAddress.fromBytes(rest.subarray(0, addressBytes));
  const port = rest.length >= addressBytes + 2 && addressBytes > 0 ? be16(rest, addressBytes) : 0;
  return `Address ID ${data[1] ?? 0};Address ${goIp(address)};Port ${port}`;
}

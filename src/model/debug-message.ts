import { IpAddress } from "../lib/ip.js";
import { linuxErrorText } from "./errno-texts.js";
import type { DebugRecord } from "./monitor.js";
import { isReleaseSince, type UpstreamRelease } from "./upstream-release.js";

/** What goes with a debug message beside its record. */
export interface DebugContext {
  readonly release: UpstreamRelease;
  /** Of the message's interface, as upstream prints it: the index where the name is not known. */
  readonly interfaceName: string;
}

type Message = (record: DebugRecord, context: DebugContext) => string;

/** The message's text by what the datapath means with its code. */
export function debugMessage(record: DebugRecord, context: DebugContext): string {
  if (record.code === skipPolicy) return "Skipping policy";
  const isLoopback6 = record.code > skipPolicy && record.code <= skipPolicy + loopback6.length;
  return isLoopback6 ? loopback6[record.code - skipPolicy - 1]!(record, context) : textOf(record, context);
}

/**
 * The message's text as upstream's monitor prints it: its own list of codes lacks {@link skipPolicy}, so that it says
 * something else from there on.
 */
export function upstreamDebugMessage(record: DebugRecord, context: DebugContext): string {
  const added = isReleaseSince(context.release, "1.19") ? loopback6[record.code - skipPolicy] : undefined;
  return added?.(record, context) ?? textOf(record, context);
}

/** `DBG_SKIP_POLICY` */
const skipPolicy = 66;

function textOf(record: DebugRecord, context: DebugContext): string {
  const { code, arg1, arg2 } = record;
  return messages[code]?.(record, context) ?? `Unknown message type=${code} arg1=${arg1} arg2=${arg2}`;
}

const loopback6: readonly Message[] = [
  (of) => `Loopback SNAT from.p4=${hex(of.arg1)} to.p4=${hex(of.arg2)}`,
  (of) => `Loopback reverse SNAT from.p4=${hex(of.arg1)} to.p4=${hex(of.arg2)}`,
];

const slotLookup: Message = (of) => `Service backend slot lookup: slot=${of.arg1}, dport=${swap16(of.arg2)}`;
const slotFailure: Message = (of) => `Service backend slot lookup failed: slot=${of.arg1}, dport=${swap16(of.arg2)}`;
const backendFailure: Message = (of) => `Backend service lookup failed: backend_id=${of.arg1}`;
const reverseNatLookup: Message = (of) => `Reverse NAT lookup, index=${swap16(of.arg1)}`;
const conntrackLookup2: Message = (of) =>
  `Conntrack lookup 2/2: nexthdr=${of.arg1 >>> 8} flags=${of.arg1 & 0xff} dir=${of.arg2} scope=${of.arg3}`;

/** By code; upstream's texts. Codes that are left out are unknown to upstream's monitor. */
const messages: Readonly<Record<number, Message>> = {
  1: (of, { release }) => {
    const args = isReleaseSince(release, "1.20") ? [of.arg1, of.arg2, of.arg3] : [of.arg1, of.arg2];
    return `No message, ${args.map((arg, index) => `arg${index + 1}=${arg} (0x${hex(arg)})`).join(" ")}`;
  },
  2: (of) => `Attempting local delivery for container id ${of.arg1} from seclabel ${of.arg2}`,
  3: (of) => `Encapsulating to node ${of.arg1} (0x${hex(of.arg1)}) from seclabel ${of.arg2}`,
  4: (of, { interfaceName }) => `Local container found ifindex ${interfaceName} seclabel ${swap16(of.arg2)}`,
  5: (of) => `Policy evaluation would deny packet from ${of.arg1} to ${of.arg2}`,
  6: (of) => `CT lookup: ${tuple(of)}`,
  7: (of) => `CT reverse lookup: ${tuple(of)}`,
  8: (of) => `CT entry found lifetime=${of.arg1}, revnat=${swap16(of.arg2)}`,
  9: (of) => `CT created 1/2: ${tuple(of)} revnat=${swap16(of.arg3)}`,
  10: (of) => `CT created 2/2: ${ip4(of.arg1)} revnat=${swap16(of.arg2)}`,
  11: (of) => `Handling ICMPv6 type=${of.arg1}`,
  12: (of) => `ICMPv6 echo request for router offset=${of.arg1}`,
  13: (of, { release }) => {
    const word = isReleaseSince(release, "1.20") ? "solicitation" : "soliciation";
    return `ICMPv6 neighbour ${word} for address ${hex(of.arg1)}:${hex(of.arg2)}`;
  },
  14: () => "Sending ICMPv6 time exceeded",
  15: (of) => `CT verdict: ${of.conntrackState ?? of.arg1}, revnat=${swap16(of.arg2)}`,
  16: (of) => `Tunnel decap: id=${of.arg1} flowlabel=${hex(of.arg2)}`,
  17: (of) => `Mapping port from=${of.arg1} to=${of.arg2}`,
  18: (of) => `BPF function ${of.arg1} returned error ${of.arg2}`,
  19: (of) => `Going to host, policy-skip=${of.arg1}`,
  20: (of) => `Going to the stack, policy-skip=${of.arg1}`,
  21: (of) => `Packet hash=${of.arg1} (0x${hex(of.arg1)}), selected_service=${of.arg2}`,
  22: (of) => `Frontend service lookup, addr.p4=${hex(of.arg1)} key.dport=${swap16(of.arg2)}`,
  23: (of) => `Frontend service lookup failed, addr.p2=${hex(of.arg1)} addr.p3=${hex(of.arg2)}`,
  24: slotLookup,
  25: (of) => `Service backend slot lookup result: target.p4=${hex(of.arg1)} port=${swap16(of.arg2)}`,
  26: slotFailure,
  27: backendFailure,
  28: reverseNatLookup,
  29: (of) => `Performing reverse NAT, address.p4=${hex(of.arg1)} port=${swap16(of.arg2)}`,
  30: (of) => `Frontend service lookup, addr=${ip4(of.arg1)} key.dport=${swap16(of.arg2)}`,
  31: () => "Frontend service lookup failed",
  32: slotLookup,
  33: (of) => `Service backend slot lookup result: target=${ip4(of.arg1)} port=${swap16(of.arg2)}`,
  34: slotFailure,
  35: backendFailure,
  36: reverseNatLookup,
  37: (of) => `Performing reverse NAT, address=${ip4(of.arg1)} port=${swap16(of.arg2)}`,
  38: (of) => `Loopback SNAT from=${ip4(of.arg1)} to=${ip4(of.arg2)}`,
  39: (of) => `Loopback reverse SNAT from=${ip4(of.arg1)} to=${ip4(of.arg2)}`,
  40: (of) => `CT lookup address: ${ip4(of.arg1)}`,
  41: (of) => `RR backend slot selection hash=${of.arg1} (0x${hex(of.arg1)}), selected_service=${of.arg2}`,
  42: (of) => `Reverse proxy lookup ${proxyTuple(of)} nexthdr=${of.arg3}`,
  43: (of) => `Reverse proxy entry found, orig-daddr=${ip4(of.arg1)} orig-dport=${of.arg2}`,
  44: (of) => `Reverse proxy updated ${proxyTuple(of)} nexthdr=${of.arg3}`,
  45: (of) => `Resolved L4 policy to: ${swap16(of.arg1)} / ${["egress", "ingress"][of.arg2] ?? ""}`,
  46: (of) => `Destination is inside cluster prefix, source identity: ${of.arg1}`,
  47: (of) => `Attempting encapsulation, lookup key: ${ip4(of.arg1)}, identity: ${of.arg2}`,
  48: (of) => `Conntrack lookup 1/2: ${ends4(of)}`,
  49: conntrackLookup2,
  50: (of) => `Conntrack create: ${created(of)} lb=${ip4(of.arg3)}`,
  51: (of) => `Conntrack lookup 1/2: ${ends6(of)}`,
  52: conntrackLookup2,
  53: (of) => `Conntrack create: ${created(of)}`,
  54: (of) => `Skipping proxy, tc_index is set=${hex(of.arg1)}`,
  55: (of) =>
    `Matched L4 policy; creating conntrack src=${of.arg1} dst=${of.arg2} dport=${swap16(of.arg3 >>> 16)} proto=${of.arg3 & 0xff}`,
  56: (of) => `Failed to map addr=${ip4(of.arg1)} to identity`,
  57: (of) => `Failed to map addr.p4=[::${p4(of.arg1)}] to identity`,
  58: (of) => `Successfully mapped addr=${ip4(of.arg1)} to identity=${of.arg2}`,
  59: (of) => `Successfully mapped addr.p4=[::${p4(of.arg1)}] to identity=${of.arg2}`,
  60: (of) => `Stale CT entry found stale_ct.rev_nat_id=${of.arg2}, svc.rev_nat_id=${of.arg1}`,
  61: (of) => `Inheriting identity=${of.arg1} from stack`,
  62: (of) => `Socket lookup: ${ends4(of)}`,
  63: (of) => `Socket lookup: ${ends6(of)}`,
  64: (of) => `Socket assign: ${of.arg1 === 0 ? "Success" : (linuxErrorText(of.arg1) ?? `errno ${of.arg1}`)}`,
  65: (of) => `L7 LB from ${ip4(of.arg1)} to ${ip4(of.arg2)}: proxy port ${of.arg3}`,
};

const tupleFlags: readonly (readonly [bit: number, name: string])[] = [
  [1, "OUT"],
  [2, "RELATED"],
];

function tuple({ arg1, arg2 }: DebugRecord): string {
  const flags = tupleFlags.filter(([bit]) => (arg2 & bit) !== 0).map(([, name]) => name);
  return `sport=${arg1 >>> 16} dport=${arg1 & 0xffff} nexthdr=${arg2 >>> 8} flags=${flags.join(", ")}`;
}

function ends4({ arg1, arg2, arg3 }: DebugRecord): string {
  return `src=${ip4(arg1)}:${arg3 & 0xffff} dst=${ip4(arg2)}:${arg3 >>> 16}`;
}

function ends6({ arg1, arg2, arg3 }: DebugRecord): string {
  return `src=[::${p4(arg1)}]:${arg3 & 0xffff} dst=[::${p4(arg2)}]:${arg3 >>> 16}`;
}

function created({ arg1, arg2 }: DebugRecord): string {
  return `proxy-port=${arg1 >>> 16} revnat=${swap16(arg1)} src-identity=${arg2}`;
}

function proxyTuple({ arg1, arg2 }: DebugRecord): string {
  return `sport=${swap16(arg1 >>> 16)} dport=${swap16(arg1)} saddr=${ip4(arg2)}`;
}

function hex(value: number): string {
  return value.toString(16);
}

/** The low 16 bits, which are in network order. */
function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/** The argument's bytes are in network order. */
function bytesOf(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function ip4(value: number): string {
  return IpAddress.fromBytes(bytesOf(value)).text;
}

/** The last four bytes of an IPv6 address. */
function p4(value: number): string {
  const [a, b, c, d] = bytesOf(value) as unknown as [number, number, number, number];
  return `${hex((a << 8) | b)}:${hex((c << 8) | d)}`;
}

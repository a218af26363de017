import type { JsonObject } from "../../../lib/json-value.js";
import { upstreamDebugMessage } from "../../../model/debug-message.js";
import type { CaptureRecord, DebugRecord, RecorderRecord, TraceSockRecord } from "../../../model/monitor.js";
import { packetFormOf } from "../../../model/packet-form.js";
import { isReleaseSince } from "../../../model/upstream-release.js";
import { definedFields } from "../../list-format.js";
import { connectionSummary } from "./connection-summary.js";
import { type EventScope, separator } from "./event-scope.js";
import { goHex, goIp } from "./go-text.js";
import { packetLines } from "./packet-details.js";

/** `CPU 02: MARK 0x8ee2a1c3 FROM 1532 DEBUG: Conntrack lookup 1/2: src=10.0.1.23:41514 dst=10.0.1.9:80` */
export function debugLine(record: DebugRecord, scope: EventScope): string {
  return `${scope.cpuPrefix} MARK ${goHex(record.hash)} FROM ${record.source} DEBUG: ${upstreamDebugMessage(record, scope)}\n`;
}

/** Written by hand upstream: unlike elsewhere, `<` and `>` stay. */
export function debugJson(record: DebugRecord, scope: EventScope): string {
  const message = JSON.stringify(upstreamDebugMessage(record, scope));
  return `{"cpu":${JSON.stringify(scope.cpuPrefix)},"type":"debug","message":${message}}\n`;
}

/** `CPU 01: [pre-xlate-fwd] cgroup_id: 158 sock_cookie: 221, dst [10.97.37.183]:80 tcp ` */
export function traceSockLine(record: TraceSockRecord, scope: EventScope): string {
  const protocol = record.protocol === 6 ? "tcp" : record.protocol === 17 ? "udp" : "unknown";
  const { destination } = record;
  const address = isReleaseSince(scope.release, "1.20") ? destination.text : goIp(destination);
  return `${scope.cpuPrefix} [${record.xlatePointName}] cgroup_id: ${record.cgroupId} sock_cookie: ${record.socketCookie}, dst [${address}]:${record.destinationPort} ${protocol} \n`;
}

/** Upstream prints only some captures. */
export function captureLine(record: CaptureRecord, scope: EventScope): string {
  const prefix = capturePrefix(record, scope);
  return prefix === "" ? "" : `${prefix}: ${connectionSummary(record.data, packetFormOf(record), scope.release)}\n`;
}

/** Since 1.19 without an end of the line. */
export function captureBlock(record: CaptureRecord, scope: EventScope): string {
  const { release, ports, isHex } = scope;
  const bytes = captureBytes(record, scope);
  const end = isReleaseSince(release, "1.19") ? "" : "\n";
  const head = `${scope.cpuPrefix} MARK ${goHex(record.hash)} FROM ${record.source} DEBUG: ${bytes} bytes, ${captureText(record)}${end}`;
  const hasPacket = bytes > 0 && record.data.length > 0;
  const packet = hasPacket ? packetLines(record.data, packetFormOf(record), release, { ports, isHex }) : "";
  return `${separator}${head}${packet}`;
}

export function captureJson(record: CaptureRecord, scope: EventScope): JsonObject {
  return definedFields({
    cpu: scope.cpuPrefix,
    type: "capture",
    mark: goHex(record.hash),
    message: captureText(record),
    prefix: capturePrefix(record, scope) || undefined,
    source: record.source,
    bytes: captureBytes(record, scope),
    summary: connectionSummary(record.data, packetFormOf(record), scope.release),
  });
}

/** Up to 1.18 the monitor took the packet's length for what was captured of it. */
function captureBytes(record: CaptureRecord, { release }: EventScope): number {
  return isReleaseSince(release, "1.19") ? record.capturedLengthBytes : record.originalLengthBytes;
}

type CaptureWords = (record: CaptureRecord, interfaceName: string) => string;

const capturePrefixes: Readonly<Record<number, CaptureWords>> = {
  4: (_, interfaceName) => `-> ${interfaceName}`,
  5: (_, interfaceName) => `<- load-balancer ${interfaceName}`,
  6: (of) => `== v4->v6 ${of.arg1}`,
  7: (of) => `== v6->v4 ${of.arg1}`,
  9: (of) => `-> proxy port ${proxyPort(of)}`,
};

function capturePrefix(record: CaptureRecord, { interfaceName }: EventScope): string {
  return capturePrefixes[record.code]?.(record, interfaceName) ?? "";
}

const captureTexts: Readonly<Record<number, (record: CaptureRecord) => string>> = {
  4: (of) => `Delivery to ifindex ${of.arg1}`,
  5: (of) => `Incoming packet to load balancer on ifindex ${of.arg1}`,
  6: (of) => `Packet after nat46 ifindex ${of.arg1}`,
  7: (of) => `Packet after nat64 ifindex ${of.arg1}`,
  8: (of) => `Packet to proxy port ${proxyPort(of)} (Pre)`,
  9: (of) => `Packet to proxy port ${proxyPort(of)} (Post)`,
  10: (of) => `Packet going into snat engine on ifindex ${of.arg1}`,
  11: (of) => `Packet coming from snat engine on ifindex ${of.arg1}`,
};

function captureText(record: CaptureRecord): string {
  return captureTexts[record.code]?.(record) ?? `Unknown message type=${record.code} arg1=${record.arg1}`;
}

/** Network order. */
function proxyPort({ arg1 }: CaptureRecord): number {
  return ((arg1 & 0xff) << 8) | ((arg1 >>> 8) & 0xff);
}

/** The same at all levels. */
export function recorderBlock(record: RecorderRecord, scope: EventScope): string {
  const { release, ports } = scope;
  const direction = record.direction === 1 ? "ingress" : "egress";
  const head = `Recorder capture: dir:${direction} rule:${record.ruleId} ts:${record.timestampNs} caplen:${record.capturedLengthBytes} len:${record.originalLengthBytes}\n`;
  return `${head}${packetLines(record.data, packetFormOf(record), release, { ports, isHex: false })}----\n`;
}

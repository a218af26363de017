import type { JsonObject } from "../../../lib/json-value.js";
import type { TraceRecord } from "../../../model/monitor.js";
import { packetFormOf } from "../../../model/packet-form.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import { definedFields, jsonCounter } from "../../list-format.js";
import { connectionSummary } from "./connection-summary.js";
import { type EventScope, identityText, verboseBlock } from "./event-scope.js";
import { goHex, goIp } from "./go-text.js";
import { packetJson, packetLines } from "./packet-details.js";

/** `-> endpoint 1532 flow 0x8ee2a1c3 , identity 29898->31022 state new ifindex lxc1a2b orig-ip 10.0.1.23: …` */
export function traceLine(record: TraceRecord, scope: EventScope): string {
  const { release } = scope;
  const encrypted = record.isEncrypted ? " encrypted " : "";
  const traceId = record.ipTraceId > 0n ? ` [ ip-trace-id = ${record.ipTraceId} ]` : "";
  const state = `state ${record.reasonText} ifindex ${scope.interfaceName} orig-ip ${originalAddress(record, release)}`;
  const packet = connectionSummary(record.data, packetFormOf(record), release);
  return `${placeText(record, release)}${encrypted} flow ${goHex(record.hash)} ${identityText(record, scope)}${traceId} ${state}: ${packet}\n`;
}

export function traceBlock(record: TraceRecord, scope: EventScope): string {
  const { release, ports, isHex } = scope;
  const traceId = record.ipTraceId > 0n ? ` [ IP-TRACE-ID = ${record.ipTraceId} ]` : "";
  const lengths = `${record.originalLengthBytes} bytes (${record.capturedLengthBytes} captured)`;
  const head = `${scope.cpuPrefix} MARK ${goHex(record.hash)}${traceId} FROM ${record.source} ${record.observationPointName}: ${lengths}, state ${record.reasonText}`;
  const place = record.interfaceIndex === 0 ? "" : `, interface ${scope.interfaceName}`;
  const hasIdentity = record.sourceIdentity !== 0 || record.destinationIdentity !== 0;
  const identity = hasIdentity ? `, ${identityText(record, scope)}` : "";
  const packet = hasPacket(record) ? packetLines(record.data, packetFormOf(record), release, { ports, isHex }) : "";
  const tail = `${place}${identity}, orig-ip ${originalAddress(record, release)}${destinationText(record)}\n`;
  return verboseBlock(`${head}${tail}`, packet, release);
}

export function traceJson(record: TraceRecord, scope: EventScope): JsonObject {
  const { release, ports } = scope;
  return definedFields({
    cpu: scope.cpuPrefix,
    type: "trace",
    mark: goHex(record.hash),
    ifindex: scope.interfaceName,
    state: record.reasonText,
    observationPoint: record.observationPointName,
    traceSummary: placeText(record, release),
    source: record.source,
    bytes: record.originalLengthBytes,
    srcLabel: record.sourceIdentity,
    dstLabel: record.destinationIdentity,
    dstID: record.destinationId,
    IpTraceID: isReleaseSince(release, "1.19") ? jsonCounter(record.ipTraceId) : undefined,
    summary: hasPacket(record) ? packetJson(record.data, packetFormOf(record), release, ports) : undefined,
  });
}

const toProxy = 1;

/** By observation point: which way the packet goes there. */
const places: readonly ((record: TraceRecord) => string)[] = [
  (of) => `-> endpoint ${of.destinationId}`,
  (of) => `-> proxy${of.destinationId === 0 ? "" : ` port ${of.destinationId}`}`,
  () => "-> host from",
  () => "-> stack",
  () => "-> overlay",
  (of) => `<- endpoint ${of.source}`,
  () => "<- proxy",
  () => "<- host",
  () => "<- stack",
  () => "<- overlay",
  () => "<- network",
  () => "-> network",
  () => "<- crypto",
  () => "-> crypto",
];

const fromCrypto = 12;

function placeText(record: TraceRecord, release: UpstreamRelease): string {
  const isKnown = record.observationPoint < fromCrypto || isReleaseSince(release, "1.17");
  return (isKnown ? places[record.observationPoint]?.(record) : undefined) ?? "unknown trace";
}

/** Another type of Go's since 1.20, which prints IPv4 in IPv6's form as IPv6. */
function originalAddress({ originalAddress: address }: TraceRecord, release: UpstreamRelease): string {
  return isReleaseSince(release, "1.20") ? address.text : goIp(address);
}

function destinationText({ destinationId, observationPoint }: TraceRecord): string {
  if (destinationId === 0) return "";
  return `, to ${observationPoint === toProxy ? "proxy-port" : "endpoint"} ${destinationId}`;
}

function hasPacket({ capturedLengthBytes, data }: TraceRecord): boolean {
  return capturedLengthBytes > 0 && data.length > 0;
}

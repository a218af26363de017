import type { JsonObject } from "../../../lib/json-value.js";
import type { DropRecord } from "../../../model/monitor.js";
import { packetFormOf } from "../../../model/packet-form.js";
import { upstreamReasonText } from "../../../model/upstream-reason-text.js";
import { isReleaseSince } from "../../../model/upstream-release.js";
import { definedFields, jsonCounter } from "../../list-format.js";
import { connectionSummary } from "./connection-summary.js";
import { type EventScope, identityText, verboseBlock } from "./event-scope.js";
import { goHex } from "./go-text.js";
import { packetJson, packetLines } from "./packet-details.js";

/** `xx drop (Policy denied) flow 0x8ee2a1c3 to endpoint 0, ifindex 14, file bpf_lxc.c:1396, , identity 29898->world: …` */
export function dropLine(record: DropRecord, scope: EventScope): string {
  const { release } = scope;
  const place = `ifindex ${record.interfaceIndex}, file ${record.fileName}:${record.line}, `;
  const traceId = record.ipTraceId > 0n ? ` [ ip-trace-id = ${record.ipTraceId} ]` : "";
  const packet = connectionSummary(record.data, packetFormOf(record), release);
  return `xx drop (${reasonOf(record)}) flow ${goHex(record.hash)} to endpoint ${record.destinationEndpoint}, ${place}${traceId}${identityText(record, scope)}: ${packet}\n`;
}

/** The verbose form. Since 1.19 it has headers and bytes the wrong way round. */
export function dropBlock(record: DropRecord, scope: EventScope): string {
  const { release, ports } = scope;
  const hasIdentity = record.sourceIdentity !== 0 || record.destinationIdentity !== 0;
  const identity = hasIdentity ? identityText(record, scope) : "";
  const destination = record.destinationEndpoint === 0 ? "" : `, to endpoint ${record.destinationEndpoint}`;
  const traceId = record.ipTraceId > 0n ? ` [ IP-TRACE-ID=${record.ipTraceId}` : "";
  const head = `${scope.cpuPrefix} MARK ${goHex(record.hash)} FROM ${record.source} DROP: ${record.originalLengthBytes} bytes, reason ${reasonOf(record)}`;
  const isHex = isReleaseSince(release, "1.19") ? !scope.isHex : scope.isHex;
  const packet = hasPacket(record) ? packetLines(record.data, packetFormOf(record), release, { ports, isHex }) : "";
  return verboseBlock(`${head}${identity}${destination}\n${traceId}`, packet, release);
}

export function dropJson(record: DropRecord, scope: EventScope): JsonObject {
  const { release, ports } = scope;
  return definedFields({
    cpu: scope.cpuPrefix,
    type: "drop",
    mark: goHex(record.hash),
    reason: reasonOf(record),
    source: record.source,
    bytes: record.originalLengthBytes,
    srcLabel: record.sourceIdentity,
    dstLabel: record.destinationIdentity,
    dstID: record.destinationEndpoint,
    Line: record.line,
    File: record.file,
    ExtError: record.extendedError,
    Ifindex: record.interfaceIndex,
    IPTraceID: record.ipTraceId > 0n ? jsonCounter(record.ipTraceId) : undefined,
    summary: hasPacket(record) ? packetJson(record.data, packetFormOf(record), release, ports) : undefined,
  });
}

function reasonOf({ reason, reasonText, extendedError }: DropRecord): string {
  return upstreamReasonText(reason, reasonText, extendedError);
}

function hasPacket({ capturedLengthBytes, data }: DropRecord): boolean {
  return capturedLengthBytes > 0 && data.length > 0;
}

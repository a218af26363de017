import { debugMessage } from "./debug-message.js";
import type {
  DebugRecord,
  DropRecord,
  L7Record,
  MonitorRecord,
  PolicyVerdictRecord,
  TraceRecord,
  TraceSockRecord,
} from "./monitor.js";
import type { MonitorEvent, MonitorVerdict } from "./monitor-event.js";
import { type PacketSummaries, summarizePacket } from "./packet/summarize.js";
import { type PacketRecord, packetFormOf } from "./packet-form.js";
import { upstreamReasonText } from "./upstream-reason-text.js";
import type { UpstreamRelease } from "./upstream-release.js";

/** Where and when a record was read, and what its node calls its interfaces. */
export interface MonitorContext {
  readonly release: UpstreamRelease;
  readonly node?: string | undefined;
  readonly cpu?: number | undefined;
  readonly receivedAtMs?: number | undefined;
  interfaceName?(index: number): string | undefined;
}

/** Code of the trace observation point whose destination is a proxy's port. */
const toProxy = 1;
/** `DBG_LXC_FOUND`: its first argument is an interface. */
const debugLxcFound = 4;
/** The captures whose first argument is a proxy's port. */
const captureProxy: readonly number[] = [8, 9];

/**
 * All fields of an event, so that no event grows and all have one shape: V8 copies those ten times as fast, and events come by
 * the thousand a second, to be copied with what is found out about them.
 */
const blank: { readonly [Field in Exclude<keyof MonitorEvent, "kind" | "release">]-?: undefined } = {
  node: undefined,
  record: undefined,
  form: undefined,
  cpu: undefined,
  receivedAtMs: undefined,
  endpointId: undefined,
  destinationEndpointId: undefined,
  sourceIdentity: undefined,
  destinationIdentity: undefined,
  sourceName: undefined,
  destinationName: undefined,
  interfaceIndex: undefined,
  interfaceName: undefined,
  verdict: undefined,
  reason: undefined,
  reasonText: undefined,
  file: undefined,
  line: undefined,
  observationPoint: undefined,
  state: undefined,
  direction: undefined,
  isEncrypted: undefined,
  proxyPort: undefined,
  matchType: undefined,
  cookie: undefined,
  rules: undefined,
  packet: undefined,
  outer: undefined,
  originalAddress: undefined,
  lengthBytes: undefined,
  flowHash: undefined,
  ipTraceId: undefined,
  socketCookie: undefined,
  cgroupId: undefined,
  lostCount: undefined,
  message: undefined,
};

/** The row of a record. */
export function createMonitorEvent(record: MonitorRecord, context: MonitorContext): MonitorEvent {
  const { release, node, cpu, receivedAtMs } = context;
  const index = interfaceIndexOf(record);
  const interfaceName = index === undefined ? undefined : context.interfaceName?.(index);
  return {
    ...blank,
    kind: record.kind,
    record,
    release,
    node,
    cpu,
    receivedAtMs,
    interfaceIndex: index,
    interfaceName,
    ...detailsOf(record, release, interfaceName),
  };
}

/** Only some records name an interface, 0 for none. */
function interfaceIndexOf(record: MonitorRecord): number | undefined {
  const index = rawInterfaceIndex(record);
  return index === 0 ? undefined : index;
}

function rawInterfaceIndex(record: MonitorRecord): number | undefined {
  switch (record.kind) {
    case "drop":
    case "trace":
      return record.interfaceIndex;
    case "debug":
      return record.code === debugLxcFound ? record.arg1 : undefined;
    case "capture":
      return captureProxy.includes(record.code) ? undefined : record.arg1;
    default:
      return undefined;
  }
}

type Details = Partial<MonitorEvent>;

function detailsOf(record: MonitorRecord, release: UpstreamRelease, interfaceName: string | undefined): Details {
  switch (record.kind) {
    case "drop":
      return dropDetails(record);
    case "trace":
      return traceDetails(record);
    case "policy-verdict":
      return verdictDetails(record);
    case "capture":
      return { ...packetDetails(record), endpointId: record.source, flowHash: record.hash };
    case "recorder":
      return { ...packetDetails(record), direction: record.direction === 1 ? "ingress" : "egress" };
    case "debug":
      return debugDetails(record, release, interfaceName);
    case "trace-sock":
      return traceSockDetails(record);
    case "l7":
      return l7Details(record);
    case "agent":
      return { message: `${record.text}: ${record.json}` };
    case "lost":
      return { lostCount: record.count, message: `${record.count} records were lost` };
    case "unknown":
      return { message: record.error ?? `${record.bytes.length} bytes of the unknown type ${record.type}` };
  }
}

/** Spread last, as elsewhere here: an object that begins as a copy and then grows takes ten times as long. */
function packetDetails(record: PacketRecord): PacketSummaries & Pick<MonitorEvent, "lengthBytes"> {
  const captured = record.data.subarray(0, record.capturedLengthBytes);
  return { lengthBytes: record.originalLengthBytes, ...summarizePacket(captured, packetFormOf(record)) };
}

function dropDetails(record: DropRecord): Details {
  return {
    endpointId: record.source,
    destinationEndpointId: record.destinationEndpoint,
    sourceIdentity: record.sourceIdentity,
    destinationIdentity: record.destinationIdentity,
    verdict: "dropped",
    reason: record.reason,
    reasonText: upstreamReasonText(record.reason, record.reasonText, record.extendedError),
    file: record.isFileUncertain ? undefined : record.fileName,
    line: record.line,
    flowHash: record.hash,
    ipTraceId: record.ipTraceId || undefined,
    ...packetDetails(record),
  };
}

function traceDetails(record: TraceRecord): Details {
  const isToProxy = record.observationPoint === toProxy;
  const { word0, word1, word2, word3 } = record.originalAddress;
  return {
    endpointId: record.source,
    sourceIdentity: record.sourceIdentity,
    destinationIdentity: record.destinationIdentity,
    verdict: isToProxy ? "redirected" : "forwarded",
    observationPoint: record.observationPointName,
    state: record.reasonText,
    isEncrypted: record.isEncrypted,
    originalAddress: (word0 | word1 | word2 | word3) === 0 ? undefined : record.originalAddress,
    flowHash: record.hash,
    ipTraceId: record.ipTraceId || undefined,
    ...(isToProxy ? { proxyPort: record.destinationId } : { destinationEndpointId: record.destinationId }),
    ...packetDetails(record),
  };
}

function verdictDetails(record: PolicyVerdictRecord): Details {
  const isIngress = record.direction === 1;
  return {
    ...packetDetails(record),
    endpointId: record.source,
    ...(isIngress ? { destinationEndpointId: record.source } : {}),
    ...(isIngress ? { sourceIdentity: record.remoteIdentity } : { destinationIdentity: record.remoteIdentity }),
    verdict: policyVerdict(record),
    reason: record.verdict < 0 ? -record.verdict : undefined,
    reasonText: record.reasonText,
    direction: isIngress ? "ingress" : "egress",
    matchType: record.matchTypeText,
    cookie: record.cookie || undefined,
    ...(record.verdict > 0 ? { proxyPort: record.verdict } : {}),
    flowHash: record.hash,
  };
}

function policyVerdict({ verdict, isAudited }: PolicyVerdictRecord): MonitorVerdict {
  if (isAudited) return "audited";
  if (verdict === 0) return "allowed";
  return verdict < 0 ? "denied" : "redirected";
}

function debugDetails(record: DebugRecord, release: UpstreamRelease, interfaceName: string | undefined): Details {
  const context = { release, interfaceName: interfaceName ?? String(record.arg1) };
  return { endpointId: record.source, flowHash: record.hash, message: debugMessage(record, context) };
}

function traceSockDetails(record: TraceSockRecord): Details {
  const { destination, destinationPort, protocol } = record;
  return {
    observationPoint: record.xlatePointName,
    packet: { destination, destinationPort, protocol },
    socketCookie: record.socketCookie,
    cgroupId: record.cgroupId,
  };
}

const l7Verdicts: Readonly<Record<string, MonitorVerdict>> = {
  Forwarded: "forwarded",
  Denied: "denied",
  Error: "error",
  Redirected: "redirected",
};

function l7Details(record: L7Record): Details {
  const { source, destination } = record;
  return {
    endpointId: source.id,
    destinationEndpointId: destination.id,
    sourceIdentity: source.identity,
    destinationIdentity: destination.identity,
    verdict: l7Verdicts[record.verdict],
    observationPoint: record.observationPoint,
    direction: record.observationPoint === "Ingress" ? "ingress" : "egress",
    message: l7Message(record),
  };
}

function l7Message({ flowType, http, dns, kafka, generic }: L7Record): string {
  if (http !== undefined) return `${flowType} ${http.method} ${http.url ?? ""} => ${http.code}`;
  if (dns !== undefined) return `${flowType} DNS ${dns.query} ${dns.addresses.join(",")}`.trimEnd();
  if (kafka !== undefined) return `${flowType} Kafka ${kafka.apiKey} topic ${kafka.topic} => ${kafka.errorCode}`;
  return `${flowType} ${generic?.protocol ?? "unknown protocol"}`;
}

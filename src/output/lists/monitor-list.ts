import { addressPort } from "../../lib/ip.js";
import type { JsonObject } from "../../lib/json-value.js";
import type { MonitorEvent } from "../../model/monitor-event.js";
import type { PacketSummary } from "../../model/packet/packet-summary.js";
import { protocolName } from "../../model/protocol-names.js";
import type { BatchPrinter } from "../batch-printer.js";
import { type MonitorFormatOptions, MonitorFormatter } from "../cilium/monitor/monitor-formatter.js";
import { type Column, definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { hex, nameItem, nameText, nodeColumn, orDash } from "./cells.js";

const columns: readonly Column<MonitorEvent>[] = [
  nodeColumn,
  { header: "TIME", value: ({ receivedAtMs }) => clockText(receivedAtMs), sortKey: (row) => row.receivedAtMs ?? 0 },
  { header: "TYPE", value: (row) => row.kind },
  { header: "VERDICT", value: (row) => orDash(row.verdict) },
  { header: "SOURCE", value: ({ packet }) => endText(packet?.source, packet?.sourcePort) },
  { header: "FROM", value: (row) => nameText(row.sourceName) },
  { header: "DESTINATION", value: ({ packet }) => endText(packet?.destination, packet?.destinationPort) },
  { header: "TO", value: (row) => nameText(row.destinationName) },
  { header: "PROTO", value: ({ packet }) => protocolText(packet) },
  { header: "ENDPOINT", isWide: true, value: (row) => orDash(row.endpointId) },
  { header: "TO-ENDPOINT", isWide: true, value: (row) => orDash(row.destinationEndpointId) },
  { header: "IDENTITY", isWide: true, value: identityText },
  { header: "INTERFACE", isWide: true, value: (row) => orDash(row.interfaceName ?? row.interfaceIndex) },
  { header: "BYTES", isWide: true, value: (row) => orDash(row.lengthBytes) },
  { header: "FLOW", isWide: true, value: ({ flowHash }) => (flowHash === undefined ? "-" : hex(flowHash, 8)) },
  { header: "CPU", isWide: true, value: (row) => orDash(row.cpu) },
  { header: "DETAIL", value: detailText },
];

/** `monitor`; the options shape upstream's own forms. */
export function monitorList(options: MonitorFormatOptions = { verbosity: "info" }): ListFormat<MonitorEvent> {
  return {
    kind: "MonitorEventList",
    columns,
    item: monitorItem,
    name: (row) => row.kind,
    cilium: {
      text: () => lines(new MonitorFormatter(options)),
      json: () => lines(new MonitorFormatter({ ...options, verbosity: "json" })),
    },
  };
}

function lines(formatter: MonitorFormatter): BatchPrinter<MonitorEvent> {
  return {
    batch: (rows, out) => {
      for (const row of rows) out.text(formatter.format(row));
    },
  };
}

/** `15:04:05.123`, by the clock of whoever reads it. */
function clockText(timeMs: number | undefined): string {
  if (timeMs === undefined) return "-";
  const time = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

function endText(address: PacketSummary["source"], port: number | undefined): string {
  if (address === undefined) return "-";
  return port === undefined ? address.text : addressPort(address, port);
}

/** `TCP SYN,ACK`, `ICMPv4 8/0` */
function protocolText(packet: PacketSummary | undefined): string {
  if (packet?.protocol === undefined) return "-";
  const { protocol, tcpFlags = [], icmpType, icmpCode = 0 } = packet;
  const more = icmpType === undefined ? tcpFlags.join(",") : `${icmpType}/${icmpCode}`;
  return more === "" ? protocolName(protocol) : `${protocolName(protocol)} ${more}`;
}

function identityText({ sourceIdentity, destinationIdentity }: MonitorEvent): string {
  if (sourceIdentity === undefined && destinationIdentity === undefined) return "-";
  return `${orDash(sourceIdentity)}->${orDash(destinationIdentity)}`;
}

/** What makes the event of its kind: why and where for drops, where it was seen for traces, … */
function detailText(row: MonitorEvent): string {
  const { reasonText, file, line, observationPoint, state, direction, matchType, isEncrypted, proxyPort, message } =
    row;
  const words = [
    reasonText,
    line === undefined ? undefined : `(${file ?? "?"}:${line})`,
    observationPoint,
    state,
    direction,
    matchType === undefined ? undefined : `match ${matchType}`,
    isEncrypted === true ? "encrypted" : undefined,
    proxyPort === undefined ? undefined : `proxy port ${proxyPort}`,
    message,
  ];
  return orDash(words.filter((word) => word !== undefined && word !== "").join(" "));
}

function monitorItem(row: MonitorEvent): JsonObject {
  return definedFields({
    node: row.node,
    type: row.kind,
    time: row.receivedAtMs === undefined ? undefined : new Date(row.receivedAtMs).toISOString(),
    cpu: row.cpu,
    release: row.release,
    verdict: row.verdict,
    reason: row.reasonText,
    file: row.file,
    line: row.line,
    observationPoint: row.observationPoint,
    state: row.state,
    direction: row.direction,
    encrypted: row.isEncrypted,
    proxyPort: row.proxyPort,
    match: row.matchType,
    endpointId: row.endpointId,
    destinationEndpointId: row.destinationEndpointId,
    sourceIdentity: row.sourceIdentity,
    destinationIdentity: row.destinationIdentity,
    sourceName: nameItem(row.sourceName),
    destinationName: nameItem(row.destinationName),
    packet: row.packet === undefined ? undefined : packetItem(row.packet),
    tunnel:
      row.outer === undefined
        ? undefined
        : { kind: row.outer.tunnel, ...packetItem(row.outer), ...definedFields({ vni: row.outer.vni }) },
    originalAddress: row.originalAddress?.text,
    interfaceIndex: row.interfaceIndex,
    interfaceName: row.interfaceName,
    lengthBytes: row.lengthBytes,
    flowHash: row.flowHash,
    ipTraceId: counterItem(row.ipTraceId),
    socketCookie: counterItem(row.socketCookie),
    cgroupId: counterItem(row.cgroupId),
    lost: row.record.kind === "lost" ? jsonCounter(row.record.count) : undefined,
    message: row.message,
  });
}

function counterItem(value: bigint | undefined): number | string | undefined {
  return value === undefined ? undefined : jsonCounter(value);
}

function packetItem(packet: PacketSummary): JsonObject {
  return definedFields({
    sourceMac: packet.sourceMac,
    destinationMac: packet.destinationMac,
    etherType: packet.etherType,
    source: packet.source?.text,
    sourcePort: packet.sourcePort,
    destination: packet.destination?.text,
    destinationPort: packet.destinationPort,
    protocol: packet.protocol === undefined ? undefined : protocolName(packet.protocol),
    tcpFlags: packet.tcpFlags,
    icmpType: packet.icmpType,
    icmpCode: packet.icmpCode,
    laterFragment: packet.isLaterFragment,
  });
}

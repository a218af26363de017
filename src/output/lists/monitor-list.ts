import { addressPort } from "../../lib/ip.js";
import type { MonitorEvent } from "../../model/monitor-event.js";
import type { PacketSummary, TunnelSummary } from "../../model/packet/packet-summary.js";
import { protocolName } from "../../model/protocol-names.js";
import type { AddressName } from "../../model/rows.js";
import type { BatchPrinter } from "../batch-printer.js";
import { type MonitorFormatOptions, MonitorFormatter } from "../cilium/monitor/monitor-formatter.js";
import { type JsonField, JsonFields, JsonForm, jsonField, jsonObjectField, ownField } from "../json-fields.js";
import { type Column, jsonCounter, type ListFormat } from "../list-format.js";
import { hex, nameText, nodeColumn, orDash } from "./cells.js";

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
  { header: "RULES", isWide: true, value: ({ rules = [] }) => orDash(rules.join(", ") || undefined) },
];

/** `monitor`; the options shape upstream's own forms. */
export function monitorList(options: MonitorFormatOptions = { verbosity: "info" }): ListFormat<MonitorEvent> {
  const fields = monitorFields();
  const forms = new JsonForms(fields);
  return {
    kind: "MonitorEventList",
    columns,
    item: (row) => fields.item(row),
    writeItem: (row, out) =>
      row.form === undefined ? fields.write(row, out) : forms.of(row, row.form).write(row, out),
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

const nameFields = new JsonFields<AddressName>([
  jsonField("kind", (name) => name.kind),
  jsonField("namespace", (name) => name.namespace),
  jsonField("name", (name) => name.name),
]);

const packetFields: readonly JsonField<PacketSummary>[] = [
  jsonField("sourceMac", (packet) => packet.sourceMac),
  jsonField("destinationMac", (packet) => packet.destinationMac),
  jsonField("etherType", (packet) => packet.etherType),
  jsonField("source", (packet) => packet.source?.text),
  ownField("sourcePort", (packet) => packet.sourcePort),
  jsonField("destination", (packet) => packet.destination?.text),
  ownField("destinationPort", (packet) => packet.destinationPort),
  jsonField("protocol", ({ protocol }) => (protocol === undefined ? undefined : protocolName(protocol))),
  jsonField("tcpFlags", (packet) => packet.tcpFlags),
  jsonField("icmpType", (packet) => packet.icmpType),
  jsonField("icmpCode", (packet) => packet.icmpCode),
  jsonField("laterFragment", (packet) => packet.isLaterFragment),
];

const tunnelFields = new JsonFields<TunnelSummary>([
  jsonField("kind", (outer) => outer.tunnel),
  ...packetFields,
  jsonField("vni", (outer) => outer.vni),
]);

const monitorFields = (): JsonFields<MonitorEvent> =>
  new JsonFields<MonitorEvent>([
    jsonField("node", (row) => row.node),
    jsonField("type", (row) => row.kind),
    ownField("time", timeOf()),
    ownField("cpu", (row) => row.cpu),
    jsonField("release", (row) => row.release),
    jsonField("verdict", (row) => row.verdict),
    jsonField("reason", (row) => row.reasonText),
    jsonField("file", (row) => row.file),
    jsonField("line", (row) => row.line),
    jsonField("observationPoint", (row) => row.observationPoint),
    jsonField("state", (row) => row.state),
    jsonField("direction", (row) => row.direction),
    jsonField("encrypted", (row) => row.isEncrypted),
    jsonField("proxyPort", (row) => row.proxyPort),
    jsonField("match", (row) => row.matchType),
    jsonField("cookie", (row) => row.cookie),
    jsonField("rules", (row) => row.rules),
    jsonField("endpointId", (row) => row.endpointId),
    jsonField("destinationEndpointId", (row) => row.destinationEndpointId),
    jsonField("sourceIdentity", (row) => row.sourceIdentity),
    jsonField("destinationIdentity", (row) => row.destinationIdentity),
    jsonObjectField("sourceName", (row) => row.sourceName, nameFields),
    jsonObjectField("destinationName", (row) => row.destinationName, nameFields),
    jsonObjectField("packet", (row) => row.packet, new JsonFields(packetFields)),
    jsonObjectField("tunnel", (row) => row.outer, tunnelFields),
    jsonField("originalAddress", (row) => row.originalAddress?.text),
    jsonField("interfaceIndex", (row) => row.interfaceIndex),
    jsonField("interfaceName", (row) => row.interfaceName),
    ownField("lengthBytes", (row) => row.lengthBytes),
    ownField("flowHash", (row) => row.flowHash),
    jsonField("ipTraceId", (row) => counterItem(row.ipTraceId)),
    jsonField("socketCookie", (row) => counterItem(row.socketCookie)),
    jsonField("cgroupId", (row) => counterItem(row.cgroupId)),
    jsonField("lost", (row) => counterItem(row.lostCount)),
    jsonField("message", (row) => row.message),
  ]);

interface NamedForm extends Pick<MonitorEvent, "sourceName" | "destinationName" | "rules"> {
  readonly json: JsonForm<MonitorEvent>;
}

/** As many names as an address has at different ports. */
const maxNamings = 16;

/** What events of a form, and of the same names, are printed with. */
class JsonForms {
  readonly #fields: JsonFields<MonitorEvent>;
  readonly #byForm = new WeakMap<MonitorEvent, NamedForm[]>();

  constructor(fields: JsonFields<MonitorEvent>) {
    this.#fields = fields;
  }

  of(row: MonitorEvent, form: MonitorEvent): JsonForm<MonitorEvent> {
    const { sourceName, destinationName, rules } = row;
    const known = this.#byForm.get(form) ?? [];
    for (const one of known) {
      if (one.sourceName === sourceName && one.destinationName === destinationName && one.rules === rules)
        return one.json;
    }
    const json = new JsonForm(this.#fields, row);
    this.#byForm.set(form, [{ sourceName, destinationName, rules, json }, ...known].slice(0, maxNamings));
    return json;
  }
}

/** Events that were read together have one time. */
function timeOf(): (row: MonitorEvent) => string | undefined {
  let [lastMs, text] = [Number.NaN, ""];
  return ({ receivedAtMs }) => {
    if (receivedAtMs === undefined) return undefined;
    if (receivedAtMs !== lastMs) [lastMs, text] = [receivedAtMs, new Date(receivedAtMs).toISOString()];
    return text;
  };
}

function counterItem(value: bigint | undefined): number | string | undefined {
  return value === undefined ? undefined : jsonCounter(value);
}

import { IpAddress } from "../../lib/ip.js";
import type { L7Dns, L7Endpoint, L7Generic, L7Http, L7HttpHeaders, L7Kafka, L7Record } from "../../model/monitor.js";
import { GobError } from "../gob/gob-error.js";
import {
  bytesField,
  type GobStruct,
  type GobValue,
  isGobStruct,
  listField,
  mapField,
  numberField,
  structField,
  textField,
} from "../gob/gob-value.js";
import { decodeOwnRecord } from "./agent-notification.js";

/**
 * An entry of the proxies' access log: upstream's `accesslog.LogRecord` within a `LogRecordNotify`. Fields are found by name,
 * so that it reads every release: labels are texts in some and structs in others, Kafka is gone from 1.20.
 * @param record the whole record, whose first byte is 129
 * @throws GobError
 */
export function decodeAccessLog(record: Uint8Array): L7Record {
  const notify = decodeOwnRecord(record, "access log record");
  const log = structField(notify, "LogRecord") ?? notify;
  const node = structField(log, "NodeAddressInfo");
  return {
    kind: "l7",
    flowType: textField(log, "Type"),
    timestamp: textField(log, "Timestamp"),
    node: {
      ipv4: node === undefined ? "" : textField(node, "IPv4"),
      ipv6: node === undefined ? "" : textField(node, "IPv6"),
    },
    observationPoint: textField(log, "ObservationPoint"),
    source: endpointOf(structField(log, "SourceEndpoint")),
    destination: endpointOf(structField(log, "DestinationEndpoint")),
    ipVersion: numberField(log, "IPVersion"),
    verdict: textField(log, "Verdict"),
    info: textField(log, "Info"),
    metadata: texts(log, "Metadata"),
    transportProtocol: numberField(log, "TransportProtocol"),
    flowEvent: textField(log, "FlowEvent"),
    service: optionalPart(log, "ServiceInfo", serviceOf),
    dropReason: log.fields.has("DropReason") ? numberField(log, "DropReason") : undefined,
    http: optionalPart(log, "HTTP", httpOf),
    kafka: optionalPart(log, "Kafka", kafkaOf),
    dns: optionalPart(log, "DNS", dnsOf),
    generic: optionalPart(log, "L7", genericOf),
  };
}

function optionalPart<Part>(log: GobStruct, name: string, read: (part: GobStruct) => Part): Part | undefined {
  const part = structField(log, name);
  return part === undefined ? undefined : read(part);
}

function endpointOf(info: GobStruct | undefined): L7Endpoint {
  if (info === undefined) return { id: 0, ipv4: "", ipv6: "", port: 0, identity: 0 };
  return {
    id: numberField(info, "ID"),
    ipv4: textField(info, "IPv4"),
    ipv6: textField(info, "IPv6"),
    port: numberField(info, "Port"),
    identity: numberField(info, "Identity"),
    labels: info.fields.has("Labels") ? listField(info, "Labels").map(labelText) : undefined,
  };
}

/** `source:key=value`, the value left out where there is none. */
function labelText(label: GobValue): string {
  if (typeof label === "string") return label;
  if (!isGobStruct(label)) throw new GobError("gob-shape", "a label is neither text nor struct");
  const value = textField(label, "Value");
  return `${textField(label, "Source")}:${textField(label, "Key")}${value === "" ? "" : `=${value}`}`;
}

function serviceOf(info: GobStruct): NonNullable<L7Record["service"]> {
  const frontend = structField(info, "IPPort");
  return {
    name: textField(info, "Name"),
    address: frontend === undefined ? "" : textField(frontend, "IP"),
    port: frontend === undefined ? 0 : numberField(frontend, "Port"),
  };
}

function httpOf(http: GobStruct): L7Http {
  return {
    code: numberField(http, "Code"),
    method: textField(http, "Method"),
    // net/url.URL marshals itself: as its text.
    url: http.fields.has("URL") ? Buffer.from(bytesField(http, "URL")).toString("utf8") : undefined,
    protocol: textField(http, "Protocol"),
    headers: headersOf(http, "Headers"),
    missingHeaders: headersOf(http, "MissingHeaders"),
    rejectedHeaders: headersOf(http, "RejectedHeaders"),
  };
}

function headersOf(http: GobStruct, name: string): L7HttpHeaders {
  if (!http.fields.has(name)) return undefined;
  return Object.fromEntries(
    mapField(http, name).entries.map(([header, values]): [string, readonly string[]] => {
      if (!Array.isArray(values)) throw new GobError("gob-shape", `the values of header ${String(header)} are no list`);
      return [asText(header), values.map(asText)];
    }),
  );
}

function kafkaOf(kafka: GobStruct): L7Kafka {
  const topic = structField(kafka, "Topic");
  return {
    errorCode: numberField(kafka, "ErrorCode"),
    apiVersion: numberField(kafka, "APIVersion"),
    apiKey: textField(kafka, "APIKey"),
    correlationId: numberField(kafka, "CorrelationID"),
    topic: topic === undefined ? "" : textField(topic, "Topic"),
  };
}

function dnsOf(dns: GobStruct): L7Dns {
  return {
    query: textField(dns, "Query"),
    addresses: listField(dns, "IPs").map(addressOf),
    ttlSeconds: numberField(dns, "TTL"),
    cnames: texts(dns, "CNAMEs"),
    observationSource: textField(dns, "ObservationSource"),
    responseCode: numberField(dns, "RCode"),
    questionTypes: listField(dns, "QTypes").map(asNumber),
    answerTypes: listField(dns, "AnswerTypes").map(asNumber),
  };
}

/** net.IP: four bytes, or sixteen, which may hold an IPv4 address in IPv6's form. */
function addressOf(value: GobValue): IpAddress {
  if (!(value instanceof Uint8Array) || (value.length !== 4 && value.length !== 16)) {
    throw new GobError("gob-shape", "an address of a DNS answer has neither 4 nor 16 bytes");
  }
  const isMapped = value.length === 16 && value.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  return IpAddress.fromBytes(isMapped ? value.subarray(12) : value);
}

function genericOf(generic: GobStruct): L7Generic {
  return {
    protocol: textField(generic, "Proto"),
    fields: generic.fields.has("Fields")
      ? Object.fromEntries(mapField(generic, "Fields").entries.map(([key, value]) => [asText(key), asText(value)]))
      : undefined,
  };
}

function texts(struct: GobStruct, name: string): readonly string[] {
  return listField(struct, name).map(asText);
}

function asText(value: GobValue): string {
  if (typeof value === "string") return value;
  throw new GobError("gob-shape", `${typeof value} where a text should be`);
}

function asNumber(value: GobValue): number {
  if (typeof value === "bigint" && value >= 0n && value <= 0xffffn) return Number(value);
  throw new GobError("gob-shape", `${String(value)} where a 16-bit number should be`);
}

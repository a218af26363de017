import type { JsonObject, JsonValue } from "../../../lib/json-value.js";
import type { AgentRecord, L7Dns, L7Endpoint, L7Http, L7HttpHeaders, L7Record } from "../../../model/monitor.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import { compareBytes } from "../../go-json.js";
import { definedFields } from "../../list-format.js";
import { dnsTypeName } from "./dns-types.js";
import { goUrlJson } from "./go-url.js";

/** `>> Endpoint created: {"id":1532,…}` */
export function agentLine({ text, json }: AgentRecord): string {
  return `>> ${text}: ${json}\n`;
}

/** The notification is JSON already. */
export function agentJson({ text, json }: AgentRecord): string {
  return `{"type":"agent","subtype":"${text}","message":${json}}\n`;
}

/** `-> Request http from 1532 ([k8s:app=web]) to 0 ([]), identity 29898->2, verdict Forwarded GET http://x/ => 0` */
export function l7Line(record: L7Record): string {
  return `${headText(record)}${httpText(record)}${kafkaText(record)}${dnsText(record)}${genericText(record)}`;
}

const directions: Readonly<Record<string, string>> = { Ingress: "<-", Egress: "->" };

function headText(record: L7Record): string {
  const { source, destination, flowType } = record;
  const order = { Request: [source, destination], Response: [destination, source] }[flowType];
  const [first, second] = order ?? [];
  if (first === undefined || second === undefined) return "";
  const [before, between] = flowType === "Request" ? ["from", "to"] : ["to", "from"];
  const ends = `${before} ${endpointText(first)} ${between} ${endpointText(second)}`;
  const direction = directions[record.observationPoint] ?? "??";
  return `${direction} ${flowType} ${protocolOf(record)} ${ends}, identity ${source.identity}->${destination.identity}, verdict ${record.verdict}`;
}

function endpointText({ id, labels = [] }: L7Endpoint): string {
  return `${id} ([${labels.join(" ")}])`;
}

function protocolOf({ http, kafka, dns, generic }: L7Record): string {
  if (http !== undefined) return "http";
  if (kafka !== undefined) return "kafka";
  if (dns !== undefined) return "dns";
  return generic?.protocol ?? "unknown-l7";
}

function httpText({ http }: L7Record): string {
  return http === undefined ? "" : ` ${http.method} ${http.url ?? ""} => ${http.code}\n`;
}

function kafkaText({ kafka }: L7Record): string {
  return kafka === undefined ? "" : ` ${kafka.apiKey} topic ${kafka.topic} => ${kafka.errorCode}\n`;
}

function dnsText({ dns, flowType }: L7Record): string {
  if (dns === undefined) return "";
  if (flowType !== "Request" && flowType !== "Response") return "\n";
  const question = ` DNS ${dns.observationSource}: ${dns.query} ${dns.questionTypes.map(dnsTypeName).join(",")}`;
  if (flowType === "Request") return `${question}\n`;
  const names = dns.cnames.length === 0 ? "" : ` CNAMEs: ${dns.cnames.join(",")}`;
  return `${question} TTL: ${dns.ttlSeconds} Answer: '${dns.addresses.join(",")}'${names}\n`;
}

/** Upstream's order is random; ours is by name. */
function genericText({ generic }: L7Record): string {
  if (generic === undefined) return "";
  const fields = sortedEntries(generic.fields ?? {});
  const status = generic.fields?.status ?? "";
  const others = fields.filter(([name]) => name !== "status").map(([name, value]) => ` ${name}:${value}`);
  return `${others.join("")}${status === "" ? "" : ` => status:${status}`}\n`;
}

function sortedEntries<T>(record: Readonly<Record<string, T>>): readonly (readonly [string, T])[] {
  return Object.entries(record).sort(([a], [b]) => compareBytes(a, b));
}

export function l7Json(record: L7Record, release: UpstreamRelease): JsonObject {
  const { source, destination, http, kafka, dns, generic } = record;
  return definedFields({
    type: "logRecord",
    observationPoint: record.observationPoint,
    flowType: record.flowType,
    l7Proto: protocolOf(record),
    srcEpID: source.id,
    srcEpLabels: labelsJson(source, release),
    srcIdentity: source.identity,
    dstEpID: destination.id,
    dstEpLabels: labelsJson(destination, release),
    dstIdentity: destination.identity,
    verdict: record.verdict,
    http: http && httpJson(http, release),
    kafka: kafka && {
      ErrorCode: kafka.errorCode,
      APIVersion: kafka.apiVersion,
      APIKey: kafka.apiKey,
      CorrelationID: kafka.correlationId,
      Topic: kafka.topic === "" ? {} : { Topic: kafka.topic },
    },
    dns: dns && dnsJson(dns),
    l7:
      generic &&
      definedFields({
        Proto: generic.protocol === "" ? undefined : generic.protocol,
        Fields: generic.fields === undefined ? null : Object.fromEntries(sortedEntries(generic.fields)),
      }),
  });
}

/** Up to 1.15 no labels at all were null. */
function labelsJson({ labels }: L7Endpoint, release: UpstreamRelease): JsonValue {
  return labels ?? (isReleaseSince(release, "1.16") ? [] : null);
}

function httpJson(http: L7Http, release: UpstreamRelease): JsonObject {
  return {
    Code: http.code,
    Method: http.method,
    URL: http.url === undefined ? null : goUrlJson(http.url, release),
    Protocol: http.protocol,
    Headers: headersJson(http.headers),
    MissingHeaders: headersJson(http.missingHeaders),
    RejectedHeaders: headersJson(http.rejectedHeaders),
  };
}

function headersJson(headers: L7HttpHeaders): JsonValue {
  return headers === undefined ? null : Object.fromEntries(sortedEntries(headers));
}

/** Empty fields are left out. */
function dnsJson(dns: L7Dns): JsonObject {
  const fields: JsonObject = {
    Query: dns.query,
    IPs: dns.addresses.map(({ text }) => text),
    TTL: dns.ttlSeconds,
    CNAMEs: dns.cnames,
    ObservationSource: dns.observationSource,
    RCode: dns.responseCode,
    QTypes: dns.questionTypes,
    AnswerTypes: dns.answerTypes,
  };
  const isEmpty = (value: JsonValue): boolean =>
    value === "" || value === 0 || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

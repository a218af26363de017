import { describe, expect, it } from "vitest";
import { decodeAccessLog } from "../../src/abi/monitor/access-log.js";
import { decodeAgentNotification } from "../../src/abi/monitor/agent-notification.js";
import { type MonitorPayload, PayloadDecoder, payloadType } from "../../src/abi/monitor/payload.js";
import { IpAddress } from "../../src/lib/ip.js";
import { gobSample } from "../support/gob-samples.js";
import { readCapture } from "./abi-capture-files.js";

/** Bytes of a record of the agent's own: its type before the gob stream. */
function ownRecord(type: number, sample: string): Buffer {
  return Buffer.concat([Buffer.from([type]), gobSample(sample)]);
}

describe("the stream of an upstream agent's monitor socket", () => {
  const decoder = new PayloadDecoder();
  const payloads: readonly MonitorPayload[] = decoder.push(gobSample("capture"));

  it("carries the ring's records, byte by byte", () => {
    const samples = readCapture("events/raw-events.jsonl")
      .trim()
      .split("\n")
      .map((line): { readonly cpu: number; readonly hex: string } => JSON.parse(line));
    const records = payloads.filter(({ type, data }) => type === payloadType.sample && data[0]! < 128);
    expect(records.map(({ cpu, data }) => ({ cpu, hex: Buffer.from(data).toString("hex") }))).toEqual(
      samples.map(({ cpu, hex }) => ({ cpu, hex })),
    );
    decoder.end();
  });

  it("says what was lost, and where", () => {
    const losses = payloads.filter(({ type }) => type === payloadType.lost);
    expect(losses).toEqual([{ type: 2, cpu: 1, lost: 17n, data: new Uint8Array(0) }]);
    expect(payloads.indexOf(losses[0]!)).toBe(11);
  });

  it("carries what the agent itself says", () => {
    const own = payloads.filter(({ data }) => data[0]! >= 128);
    expect(own.map(({ data }) => data[0])).toEqual([130, 129]);
    expect(decodeAgentNotification(own[0]!.data)).toEqual({
      code: 7,
      json: '{"id":3444,"labels":["k8s:app=client"],"pod-name":"client","namespace":"shop"}',
    });
    expect(decodeAccessLog(own[1]!.data)).toEqual(decodeAccessLog(ownRecord(129, "l7 http")));
  });

  it("a stream of something else is refused as what it is", () => {
    const refused = expect.objectContaining({ name: "GobError", code: "gob-shape" });
    expect(() => new PayloadDecoder().push(gobSample("singletons"))).toThrow(refused);
    expect(() => decodeAgentNotification(ownRecord(130, "singletons").subarray(0, 5))).toThrow(refused);
  });
});

describe("access log records", () => {
  const endpoints = {
    source: {
      id: 3444,
      ipv4: "10.245.0.79",
      ipv6: "",
      port: 35692,
      identity: 59068,
      labels: ["k8s:app=client", "k8s:io.kubernetes.pod.namespace=shop"],
    },
    destination: { id: 1623, ipv4: "10.245.0.133", ipv6: "", port: 8080, identity: 13028, labels: ["k8s:app=cart"] },
  };

  it("HTTP", () => {
    expect(decodeAccessLog(ownRecord(129, "l7 http"))).toEqual({
      kind: "l7",
      flowType: "Response",
      timestamp: "2026-11-21T05:50:21.123456789Z",
      node: { ipv4: "10.89.0.11", ipv6: "fd00::11" },
      observationPoint: "Ingress",
      ...endpoints,
      ipVersion: 0,
      verdict: "Forwarded",
      info: "",
      metadata: [],
      transportProtocol: 6,
      flowEvent: "",
      http: {
        code: 404,
        method: "GET",
        url: "http://cart.shop:8080/items?id=7#top",
        protocol: "HTTP/1.1",
        headers: { "X-Request-Id": ["a", "b"] },
      },
    });
  });

  it("DNS, whose addresses may be IPv4 in IPv6's form", () => {
    expect(decodeAccessLog(ownRecord(129, "l7 dns"))).toMatchObject({
      observationPoint: "Egress",
      ipVersion: 1,
      http: undefined,
      dns: {
        query: "cart.shop.svc.cluster.local.",
        addresses: [IpAddress.parse("10.96.0.80"), IpAddress.parse("fd00::80")],
        ttlSeconds: 30,
        cnames: ["c.example."],
        observationSource: "proxy",
        responseCode: 0,
        questionTypes: [1, 28],
        answerTypes: [1],
      },
    });
  });

  it("Kafka, denied", () => {
    expect(decodeAccessLog(ownRecord(129, "l7 kafka"))).toMatchObject({
      verdict: "Denied",
      dropReason: 133,
      kafka: { errorCode: 29, apiVersion: 3, apiKey: "produce", correlationId: -5, topic: "orders" },
    });
  });

  it("a protocol that only its parser knows, through a Service", () => {
    expect(decodeAccessLog(ownRecord(129, "l7 generic"))).toMatchObject({
      service: { name: "shop/cart", address: "10.96.0.80", port: 80 },
      generic: { protocol: "r2d2", fields: { cmd: "READ", file: "a", status: "ok" } },
    });
  });

  it("labels as releases send them that keep key, value and source apart", () => {
    expect(decodeAccessLog(ownRecord(129, "l7 labels as structs"))).toMatchObject({
      source: { labels: ["k8s:app=client", "reserved:world"] },
      destination: { labels: ["k8s:app=cart"] },
    });
  });
});

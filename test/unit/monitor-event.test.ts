import { describe, expect, it } from "vitest";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import { IpAddress } from "../../src/lib/ip.js";
import { createMonitorEvent } from "../../src/model/create-monitor-event.js";
import type { L7Record, MonitorRecord } from "../../src/model/monitor.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import { readCapture } from "./abi-capture-files.js";

const decoder = createRecordDecoder(["1.20"]);
const events: readonly MonitorEvent[] = readCapture("events/raw-events.jsonl")
  .trim()
  .split("\n")
  .map((line) => {
    const { hex, cpu }: { readonly hex: string; readonly cpu: number } = JSON.parse(line);
    const decoded = decoder.decode(Buffer.from(hex, "hex"));
    return createMonitorEvent(decoded.record, {
      release: decoded.release,
      node: "rn1",
      cpu,
      receivedAtMs: 1_000,
      interfaceName: (index) => (index === 2 ? "eth0" : undefined),
    });
  });

function first(kind: MonitorEvent["kind"], holds: (event: MonitorEvent) => boolean = () => true): MonitorEvent {
  const found = events.find((event) => event.kind === kind && holds(event));
  if (found === undefined) throw new Error(`no ${kind} in the capture`);
  return found;
}

describe("rows of the event stream", () => {
  it("drops", () => {
    expect(first("drop", ({ reasonText }) => reasonText === "Denied by LB src range check")).toMatchObject({
      node: "rn1",
      receivedAtMs: 1_000,
      release: "1.20",
      verdict: "dropped",
      file: "bpf_host.c",
      line: 955,
      interfaceIndex: 2,
      interfaceName: "eth0",
      sourceIdentity: 16777218,
      packet: { source: IpAddress.parse("10.89.0.99"), destinationPort: 80, tcpFlags: ["SYN"] },
      ipTraceId: undefined,
    });
  });

  it("traces", () => {
    expect(first("trace", ({ observationPoint }) => observationPoint === "to-endpoint")).toMatchObject({
      verdict: "forwarded",
      state: "new",
      endpointId: 1623,
      destinationEndpointId: 1623,
      interfaceIndex: 9,
      interfaceName: undefined,
      originalAddress: IpAddress.parse("10.89.0.1"),
      isEncrypted: false,
      lengthBytes: 74,
    });
    expect(first("trace", ({ observationPoint }) => observationPoint === "to-network").originalAddress).toBeUndefined();
  });

  it("policy verdicts: the remote end is the source of ingress", () => {
    expect(first("policy-verdict", ({ verdict }) => verdict === "denied")).toMatchObject({
      direction: "ingress",
      endpointId: 878,
      destinationEndpointId: 878,
      sourceIdentity: 59068,
      reasonText: "Policy denied",
      matchType: "none",
      packet: { destinationPort: 8080 },
    });
  });

  it("socket traces", () => {
    expect(first("trace-sock")).toMatchObject({
      observationPoint: "pre-xlate-fwd",
      packet: { destination: IpAddress.parse("10.97.37.183"), destinationPort: 80, protocol: 6 },
      cgroupId: 158n,
      socketCookie: 221n,
    });
  });

  it("to a proxy: the destination is its port", () => {
    const { record } = first("trace");
    const redirected = { ...record, observationPoint: 1, destinationId: 15001 } as MonitorRecord;
    expect(createMonitorEvent(redirected, { release: "1.20" })).toMatchObject({
      proxyPort: 15001,
      verdict: "redirected",
    });
    expect(createMonitorEvent(redirected, { release: "1.20" }).destinationEndpointId).toBeUndefined();
  });

  it("debug messages say what the datapath means, not what upstream's tool reads", () => {
    const message = (code: number) =>
      createMonitorEvent(
        { kind: "debug", source: 7, hash: 1, code, arg1: 0x0100000a, arg2: 0x0200000a, arg3: 0 },
        { release: "1.20" },
      ).message;
    expect(message(38)).toBe("Loopback SNAT from=10.0.0.1 to=10.0.0.2");
    expect(message(66)).toBe("Skipping policy");
    expect(message(67)).toBe("Loopback SNAT from.p4=100000a to.p4=200000a");
  });

  it("access log records", () => {
    const endpoint = { id: 7, ipv4: "", ipv6: "", port: 0, identity: 59068 };
    const record: L7Record = {
      kind: "l7",
      flowType: "Request",
      timestamp: "",
      node: { ipv4: "", ipv6: "" },
      observationPoint: "Egress",
      source: endpoint,
      destination: { ...endpoint, id: 8, identity: 2 },
      ipVersion: 0,
      verdict: "Denied",
      info: "",
      metadata: [],
      transportProtocol: 6,
      flowEvent: "",
      http: {
        code: 403,
        method: "GET",
        url: "http://x/",
        protocol: "HTTP/1.1",
        headers: undefined,
        missingHeaders: undefined,
        rejectedHeaders: undefined,
      },
    };
    expect(createMonitorEvent(record, { release: "1.20" })).toMatchObject({
      endpointId: 7,
      destinationEndpointId: 8,
      sourceIdentity: 59068,
      destinationIdentity: 2,
      direction: "egress",
      verdict: "denied",
      message: "Request GET http://x/ => 403",
    });
  });
});

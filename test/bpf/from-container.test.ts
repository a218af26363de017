import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  allowAll,
  DatapathHarness,
  hostIp,
  hostMac,
  LOOPBACK_IFINDEX,
  pod,
  remotePod,
  tc,
  worldIp,
} from "./harness.js";
import { arpRequest, ipv4Packet, parseFrame, proto, tcpFlag } from "./packet-builder.js";
import { toldDrops } from "./told-drops.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const { client, server } = pod;
const send = (destination: string, options: Partial<Parameters<typeof ipv4Packet>[0]> = {}) =>
  datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination, ...options }));

describe("from-container: where a packet goes", () => {
  it("hands a packet for a local pod over with new MACs, a lower TTL and right checksums", () => {
    const { verdict, data } = send(server.ip, { ttl: 64 });
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({
      destinationMac: server.mac.replaceAll(":", ""),
      sourceMac: server.nodeMac.replaceAll(":", ""),
      ttl: 63,
      ipChecksumIsRight: true,
      l4ChecksumIsRight: true,
    });
    const directions = datapath.connections().map((row) => row.direction);
    expect(directions.sort()).toEqual(["in", "out"]);
    expect(datapath.connection("out")).toMatchObject({ sourceIdentity: client.identity, state: "new" });
    expect(datapath.connection("in")?.destination.text).toBe(server.ip);
  });

  it("sends a packet for a remote pod into the tunnel", () => {
    expect(send(remotePod.ip).verdict).toBe(tc.redirect);
    expect(datapath.connection("out")?.destination.text).toBe(remotePod.ip);
    expect(datapath.connection("in")).toBeUndefined();
    expect(datapath.metrics().map((row) => row.file)).toContain("encap.h");
  });

  it("hands a packet for the node itself to its stack, addressed to cilium_host", () => {
    const { verdict, data } = send(hostIp);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data).destinationMac).toBe(hostMac);
  });

  it("lets the stack route what is outside the cluster", () => {
    expect(send(worldIp).verdict).toBe(tc.next);
    expect(datapath.metrics()).toContainEqual(
      expect.objectContaining({ reason: 0, direction: "egress", file: "fib.h", packets: 1n }),
    );
  });

  it("answers ARP for the gateway with the host side's address", () => {
    const request = arpRequest({ senderMac: client.mac, sender: client.ip, target: hostIp });
    const { verdict, data } = datapath.run("fromContainer", request);
    expect(verdict).toBe(tc.redirect);
    expect(data.subarray(0, 6).toString("hex")).toBe(client.mac.replaceAll(":", ""));
    expect(data.subarray(20, 22).toString("hex")).toBe("0002");
    expect(data.subarray(22, 28).toString("hex")).toBe(client.nodeMac.replaceAll(":", ""));
    expect([...data.subarray(28, 32)].join(".")).toBe(hostIp);
  });

  it("leaves ARP replies and address probes to the stack", () => {
    const reply = arpRequest({ senderMac: client.mac, sender: client.ip, target: hostIp, operation: 2 });
    const probe = arpRequest({ senderMac: client.mac, sender: client.ip, target: client.ip });
    expect(datapath.run("fromContainer", reply).verdict).toBe(tc.next);
    expect(datapath.run("fromContainer", probe).verdict).toBe(tc.next);
  });
});

describe("from-container: what it drops, with the reason, the file and the direction", () => {
  const cases: readonly (readonly [string, () => { verdict: number }, string])[] = [
    [
      "a source address that is not the pod's",
      () => datapath.run("fromContainer", ipv4Packet({ source: worldIp, destination: server.ip })),
      "132 from_container.bpf.c egress",
    ],
    [
      "the address of a pod behind another interface",
      () => datapath.run("fromContainer", ipv4Packet({ source: server.ip, destination: client.ip })),
      "132 from_container.bpf.c egress",
    ],
    [
      "an ARP request from another's address",
      () => datapath.run("fromContainer", arpRequest({ senderMac: client.mac, sender: worldIp, target: hostIp })),
      "132 arp.h egress",
    ],
    ["an IP version that is none", () => send(server.ip, { version: 5 }), "134 parse.h egress"],
    ["a header that is too short", () => send(server.ip, { ihl: 4 }), "134 parse.h egress"],
    [
      "a TCP header cut short",
      () => datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip }).subarray(0, 40)),
      "135 parse_l4.h egress",
    ],
    [
      "a UDP header cut short",
      () =>
        datapath.run(
          "fromContainer",
          ipv4Packet({ source: client.ip, destination: server.ip, protocol: proto.udp }).subarray(0, 36),
        ),
      "135 parse_l4.h egress",
    ],
    ["a protocol without ports", () => send(server.ip, { protocol: proto.gre }), "137 parse_l4.h egress"],
    [
      "IPv6, which this datapath does not speak",
      () =>
        datapath.run(
          "fromContainer",
          Buffer.concat([Buffer.from("02000000000102000000000286dd", "hex"), Buffer.alloc(40)]),
        ),
      "139 from_container.bpf.c egress",
    ],
    [
      "a tunnel packet of the pod's own making, in which it could claim any identity",
      () => send(hostIp, { protocol: proto.udp, destinationPort: 8472 }),
      "170 from_container.bpf.c egress",
    ],
    [
      "one for another node's tunnel",
      () => send("172.18.0.3", { protocol: proto.udp, destinationPort: 8472 }),
      "170 from_container.bpf.c egress",
    ],
    [
      "a later fragment whose first one never came",
      () => send(server.ip, { protocol: proto.udp, fragment: 0x0020, payload: Buffer.alloc(64) }),
      "175 fragment.h egress",
    ],
  ];
  it.each(cases)("%s", (_name, run, expected) => {
    expect(run().verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual([expected]);
    expect(toldDrops(datapath)).toEqual([expected]);
    expect(datapath.metrics().find((row) => row.isDrop)?.line).toBeGreaterThan(0);
  });
});

describe("from-container: fragments", () => {
  it("finds the ports of later fragments through the first", () => {
    const id = { protocol: proto.udp, identification: 77, sourcePort: 5000, destinationPort: 53 };
    expect(send(server.ip, { ...id, fragment: 0x2000, payload: Buffer.alloc(64) }).verdict).toBe(tc.redirect);
    expect(send(server.ip, { ...id, fragment: 0x0009, payload: Buffer.alloc(64) }).verdict).toBe(tc.redirect);
    expect(datapath.connections()).toHaveLength(2);
    expect(
      datapath
        .metrics()
        .filter((row) => row.reason === 9)
        .reduce((sum, row) => sum + row.packets, 0n),
    ).toBe(2n);
  });
});

describe("from-container: fragments of a large ping", () => {
  it("asks the policy of every fragment for an echo request", () => {
    const echoOnly = (["ingress", "egress"] as const).map((direction) => ({
      direction,
      identity: 0,
      protocol: proto.icmp,
      port: 8,
      portPrefixLength: 16,
      verdict: "allow" as const,
    }));
    datapath.setPolicy(client.id, echoOnly);
    datapath.setPolicy(server.id, echoOnly);
    const ping = { protocol: proto.icmp, identification: 5, payload: Buffer.alloc(64) };
    const icmp = { type: 8, rest: Buffer.from([0x12, 0x34, 0, 1]) };
    expect(send(server.ip, { ...ping, icmp, fragment: 0x2000 }).verdict).toBe(tc.redirect);
    expect(send(server.ip, { ...ping, fragment: 0x0009 }).verdict).toBe(tc.redirect);
  });
});

describe("from-container: events", () => {
  it("reports a drop once, with reason, place and packet", () => {
    send(server.ip, { ttl: 1, sourcePort: 1234, destinationPort: 8080 });
    const { drops, lost } = datapath.events.drain();
    expect(lost).toBe(0);
    expect(drops).toHaveLength(1);
    expect(drops[0]).toMatchObject({
      reason: 196,
      reasonText: "TTL exceeded",
      file: "icmp_error.h",
      endpointId: client.id,
    });
    expect(drops[0]?.packet).toMatchObject({ sourcePort: 1234, destinationPort: 8080, protocol: proto.tcp });
    expect(datapath.events.drain().drops).toEqual([]);
  });

  it("stays silent when drop events are off", () => {
    using quiet = new DatapathHarness({ eventsDrop: false });
    quiet.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, ttl: 1 }));
    expect(quiet.events.drain().drops).toEqual([]);
    expect(quiet.drops()).toEqual(["196 icmp_error.h egress"]);
  });

  it("reports a connection's start and end, and nothing between", () => {
    send(server.ip, { tcpFlags: tcpFlag.syn });
    const started = datapath.events.drain().traces;
    for (let i = 0; i < 10; i++) send(server.ip, { tcpFlags: tcpFlag.ack | tcpFlag.psh });
    const between = datapath.events.drain().traces;
    send(server.ip, { tcpFlags: tcpFlag.fin | tcpFlag.ack });
    const halfClosed = datapath.events.drain().traces;
    datapath.addPod(server, LOOPBACK_IFINDEX);
    const last = { source: server.ip, destination: client.ip, sourcePort: 80, destinationPort: 40_000 };
    datapath.run("fromContainer", ipv4Packet({ ...last, tcpFlags: tcpFlag.fin | tcpFlag.ack }));
    expect([started, between, halfClosed, datapath.events.drain().traces]).toEqual([1, 0, 0, 1]);
  });

  it("reports each flag of a connection at the low levels", () => {
    using low = new DatapathHarness({ monitorAggregation: "low" });
    const packet = (tcpFlags: number) => ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags });
    for (const flags of [tcpFlag.syn, tcpFlag.ack, tcpFlag.fin | tcpFlag.ack]) low.run("fromContainer", packet(flags));
    expect(low.events.drain().traces).toBe(2);
  });

  it("reports every packet without aggregation", () => {
    using loud = new DatapathHarness({ monitorAggregation: "none" });
    const packet = ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags: tcpFlag.ack });
    for (let i = 0; i < 5; i++) loud.run("fromContainer", packet);
    expect(loud.events.drain().traces).toBe(5);
  });

  it("tells of an endpoint what its own options say, of the others what the node's do", () => {
    const told = (options: object = {}) => {
      for (let i = 0; i < 3; i++) send(server.ip, { tcpFlags: tcpFlag.ack, ...options });
      send(server.ip, { source: "10.9.9.9" });
      datapath.setPolicy(client.id, []);
      send(server.ip, { sourcePort: 5000 });
      datapath.setPolicy(client.id, allowAll);
      const { drops, traces } = datapath.events.drain();
      return [traces, drops.map(({ endpointId }) => endpointId)];
    };
    expect(told()).toEqual([1, [0, client.id]]);
    datapath.relabel(client, LOOPBACK_IFINDEX, client.identity, { drops: false, aggregation: "none" });
    // The packets are the receiver's when they are delivered.
    expect(told({ sourcePort: 40_001 })).toEqual([1, [0]]);
    datapath.relabel(server, 77, server.identity, { aggregation: "none" });
    expect(told({ sourcePort: 40_002 })).toEqual([3, [0]]);
    datapath.relabel(server, 77, server.identity, { traces: false });
    expect(told({ sourcePort: 40_003 })).toEqual([0, [0]]);
  });

  it("tells of an endpoint what its node keeps to itself", () => {
    using quiet = new DatapathHarness({ eventsDrop: false, eventsTrace: false });
    const packet = (options: object) => ipv4Packet({ source: client.ip, destination: server.ip, ...options });
    quiet.relabel(server, 77, server.identity, { drops: true, traces: true });
    quiet.run("fromContainer", packet({}));
    quiet.setPolicy(server.id, []);
    quiet.run("fromContainer", packet({ sourcePort: 5000 }));
    const { drops, traces } = quiet.events.drain();
    expect([drops.length, traces]).toEqual([1, 1]);
  });
});

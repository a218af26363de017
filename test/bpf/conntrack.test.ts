import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { monotonicNowNs } from "../../src/kernel/net.js";
import { DatapathHarness, pod, remotePod, tc } from "./harness.js";
import { ipv4Packet, proto, tcpFlag } from "./packet-builder.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const { client, server } = pod;
const { syn, ack, fin, rst, psh } = tcpFlag;

function forward(tcpFlags: number, options: object = {}): number {
  return datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags, ...options }))
    .verdict;
}

/** The server's answer; both pods are behind the test's one interface. */
function reply(tcpFlags: number, options: object = {}): number {
  const packet = ipv4Packet({
    source: server.ip,
    destination: client.ip,
    sourcePort: 80,
    destinationPort: 40_000,
    tcpFlags,
    ...options,
  });
  datapath.addPod(server, 1);
  return datapath.run("fromContainer", packet).verdict;
}

const secondsLeft = (direction: "in" | "out" = "out", protocol = 6): number => {
  const now = Number(monotonicNowNs() / 1_000_000_000n);
  return datapath.connection(direction, protocol)!.expiresAtSeconds - now;
};

describe("conntrack of TCP: upstream's lifetimes and flags", () => {
  it("waits 60 s for an answer", () => {
    forward(syn);
    expect(secondsLeft()).toBeGreaterThanOrEqual(59);
    expect(secondsLeft()).toBeLessThanOrEqual(60);
    expect(datapath.connection("out")).toMatchObject({ flagNames: [], txFlagsSeen: syn, rxFlagsSeen: 0 });
  });

  it("keeps an established connection 8,000 s", () => {
    forward(syn);
    reply(syn | ack);
    forward(ack);
    expect(secondsLeft()).toBeGreaterThan(7990);
    expect(datapath.connection("out")).toMatchObject({
      flagNames: ["SeenNonSyn"],
      state: "established",
      rxFlagsSeen: syn | ack,
    });
  });

  it("keeps one entry a side for both directions of a connection", () => {
    forward(syn);
    reply(syn | ack);
    forward(ack);
    reply(ack | psh);
    expect(datapath.connections()).toHaveLength(2);
  });

  it("gives a half-closed connection its full life, a closed one 10 s", () => {
    forward(syn);
    reply(syn | ack);
    forward(fin | ack);
    expect(datapath.connection("out")?.flagNames).toEqual(["TxClosing", "SeenNonSyn"]);
    expect(secondsLeft()).toBeGreaterThan(7990);
    reply(fin | ack);
    expect(datapath.connection("out")?.flagNames).toEqual(["RxClosing", "TxClosing", "SeenNonSyn"]);
    expect(secondsLeft()).toBeLessThanOrEqual(10);
  });

  it("closes an attempt that is reset before both sides spoke", () => {
    forward(syn);
    reply(rst | ack);
    expect(datapath.connection("out")?.flagNames).toEqual(["RxClosing", "TxClosing", "SeenNonSyn"]);
    expect(secondsLeft()).toBeLessThanOrEqual(10);
  });

  it("takes a SYN on a closed entry for a new connection", () => {
    forward(syn);
    reply(rst | ack);
    forward(syn);
    expect(datapath.connection("out")).toMatchObject({ flagNames: [], txFlagsSeen: syn, rxFlagsSeen: 0 });
    expect(secondsLeft()).toBeGreaterThan(50);
  });

  it("takes a SYN for a new connection when only one side of the old one closed", () => {
    forward(syn);
    reply(syn | ack);
    forward(rst | ack);
    expect(datapath.connection("out")?.flagNames).toEqual(["TxClosing", "SeenNonSyn"]);
    forward(syn);
    expect(datapath.connection("out")).toMatchObject({ flagNames: [], txFlagsSeen: syn, rxFlagsSeen: 0 });
  });

  it.each([
    ["an open", false],
    ["a closed", true],
  ])("does not take a server's SYN on %s connection for a reply that no policy concerns", (_name, isClosed) => {
    forward(syn);
    reply(syn | ack);
    if (isClosed) forward(fin | ack);
    if (isClosed) reply(fin | ack);
    datapath.addPod(client, 1, []);
    expect(reply(syn)).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["133 policy.h ingress"]);
  });

  it("marks a connection that it first sees in the middle", () => {
    forward(ack);
    expect(datapath.connection("out")?.flagNames).toEqual(["SeenNonSyn"]);
    expect(secondsLeft()).toBeGreaterThan(7990);
  });

  it("counts packets and bytes when told so", () => {
    using counting = new DatapathHarness({ ctAccounting: true });
    const packet = ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags: ack, payload: Buffer.alloc(100) });
    for (let i = 0; i < 3; i++) counting.run("fromContainer", packet);
    expect(counting.connection("out")).toMatchObject({ packets: 3n, bytes: BigInt(3 * packet.length) });
  });

  it("takes its lifetimes from the configuration", () => {
    using short = new DatapathHarness({ ctTimeoutTcpSeconds: 123, ctTimeoutTcpSynSeconds: 7 });
    const now = Number(monotonicNowNs() / 1_000_000_000n);
    short.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags: syn }));
    expect(short.connection("out")!.expiresAtSeconds - now).toBeLessThanOrEqual(8);
    short.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags: ack }));
    expect(short.connection("out")!.expiresAtSeconds - now).toBeGreaterThan(100);
  });
});

describe("conntrack of the rest", () => {
  it("keeps UDP 60 s in the map of other protocols", () => {
    forward(0, { protocol: proto.udp, destinationPort: 53 });
    expect(datapath.connection("out", proto.udp)).toMatchObject({ map: "any4", destinationPort: 53 });
    expect(secondsLeft("out", proto.udp)).toBeLessThanOrEqual(60);
  });

  it("pairs echo request and reply by identifier", () => {
    const echo = (type: number) => ({ protocol: proto.icmp, icmp: { type, rest: Buffer.from([0x12, 0x34, 0, 1]) } });
    forward(0, echo(8));
    reply(0, echo(0));
    expect(datapath.connections()).toHaveLength(2);
    expect(datapath.connection("out", proto.icmp)).toMatchObject({ sourcePort: 0x1234, destinationPort: 0 });
  });

  it("passes an ICMP error about a known connection, although policy denies ICMP", () => {
    forward(0, { protocol: proto.udp, destinationPort: 53 });
    const quoted = ipv4Packet({
      source: client.ip,
      destination: server.ip,
      protocol: proto.udp,
      destinationPort: 53,
    }).subarray(14);
    datapath.setPolicy(server.id, [
      { direction: "egress", identity: 0, protocol: proto.udp, port: 0, portPrefixLength: 0, verdict: "allow" },
    ]);
    datapath.setPolicy(client.id, [
      { direction: "egress", identity: 0, protocol: proto.udp, port: 0, portPrefixLength: 0, verdict: "allow" },
    ]);
    const error = { protocol: proto.icmp, icmp: { type: 3, code: 3 }, payload: quoted };
    datapath.addPod(server, 1, []);
    const packet = ipv4Packet({ source: server.ip, destination: client.ip, ...error });
    expect(datapath.run("fromContainer", packet).verdict).toBe(tc.redirect);
  });

  it("treats an ICMP error about nothing known as new: policy decides", () => {
    const quoted = ipv4Packet({
      source: client.ip,
      destination: server.ip,
      protocol: proto.udp,
      destinationPort: 99,
    }).subarray(14);
    datapath.addPod(server, 1, []);
    const packet = ipv4Packet({
      source: server.ip,
      destination: client.ip,
      protocol: proto.icmp,
      icmp: { type: 3, code: 3 },
      payload: quoted,
    });
    expect(datapath.run("fromContainer", packet).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["133 policy.h egress"]);
  });

  it("lets no pod past another's policy with an ICMP error that quotes a connection of its own", () => {
    const quoted = ipv4Packet({
      source: client.ip,
      destination: remotePod.ip,
      protocol: proto.udp,
      destinationPort: 53,
    }).subarray(14);
    datapath.run(
      "fromContainer",
      ipv4Packet({ source: client.ip, destination: remotePod.ip, protocol: proto.udp, destinationPort: 53 }),
    );
    datapath.addPod(server, 77, []);
    const packet = ipv4Packet({
      source: client.ip,
      destination: server.ip,
      protocol: proto.icmp,
      icmp: { type: 3, code: 3 },
      payload: quoted,
    });
    expect(datapath.run("fromContainer", packet).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["133 policy.h ingress"]);
  });

  it("drops an ICMP error that quotes too little", () => {
    const packet = ipv4Packet({
      source: client.ip,
      destination: server.ip,
      protocol: proto.icmp,
      icmp: { type: 3 },
      payload: Buffer.alloc(8),
    });
    expect(datapath.run("fromContainer", packet).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["135 conntrack.h egress"]);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import type { AgentConfig } from "../../src/model/agent-config.js";
import { DatapathHarness, ip6, LOOPBACK_IFINDEX, nodeIp, pod, remotePod, tc } from "./harness.js";
import {
  internetChecksum,
  ipv4Packet,
  ipv6Packet,
  type Packet6Options,
  type PacketOptions,
  parseFrame,
  parseFrame6,
  proto,
  tcpFlag,
} from "./packet-builder.js";

const { client, server } = pod;
/** Flags of a frontend: routable, of a LoadBalancer or a node port, answered by the backend's node. */
const flag = { balancer: 0x60, nodePort: 0x42, direct: 0x8000 } as const;
const DIRECT = flag.balancer | flag.direct;
const outsider = "203.0.113.7";
const outsider6 = "2001:db8::99";
const balancer = "203.0.113.200";
const vip = "198.51.100.10";
const vip6 = "2001:db8:1::10";
const otherNode = "172.18.0.3";
const rss4 = IpPrefix.parse("10.99.0.0/16");
const rss6 = IpPrefix.parse("fd99::/32");
const right = { ipChecksumIsRight: true, l4ChecksumIsRight: true };
const IPIP = 4;
const IPV6 = 41;

let datapath: DatapathHarness;

const sources = { lbRssIpv4Cidr: rss4, lbRssIpv6Cidr: rss6 };
const direct = { enableIpv6: true, routingMode: "native", lbMode: "dsr", lbDsrDispatch: "ipip", ...sources } as const;
/** Load balancers outside alone send packets in packets; pods of other nodes are behind the tunnel. */
const terminates = { enableIpv6: true, ipipTermination: true } as const;

function withDatapath(settings: Partial<AgentConfig>): void {
  beforeAll(() => {
    datapath = new DatapathHarness(settings);
  });
  beforeEach(() => {
    datapath.reset();
    datapath.addIp6();
    datapath.addHost(nodeIp);
  });
  afterAll(() => datapath?.[Symbol.dispose]());
}

const request = (options: Partial<PacketOptions> = {}): Buffer =>
  ipv4Packet({ source: outsider, destination: vip, sourcePort: 50_000, destinationPort: 80, ...options });
const request6 = (options: Partial<Packet6Options> = {}): Buffer =>
  ipv6Packet({ source: outsider6, destination: vip6, sourcePort: 50_000, destinationPort: 80, ...options });

/** The packet as the last one of a frame, behind another IP header. */
const wrapped = (frame: Buffer, source: string, destination: string): Buffer => {
  const [from, to] = [source, destination].map((text) => Buffer.from(IpAddress.parse(text).bytes));
  const inner = frame.subarray(14);
  const outer = Buffer.alloc(from!.length === 4 ? 20 : 40);
  if (from!.length === 4) {
    outer[0] = 0x45;
    outer.writeUInt16BE(20 + inner.length, 2);
    outer.writeUInt16BE(0x4000, 6);
    outer.set([64, IPIP], 8);
    outer.set([...from!, ...to!], 12);
    outer.writeUInt16BE(internetChecksum(outer), 10);
  } else {
    outer[0] = 0x60;
    outer.writeUInt16BE(inner.length, 4);
    outer.set([IPV6, 64, ...from!, ...to!], 6);
  }
  return Buffer.concat([frame.subarray(0, 14), outer, inner]);
};
const unwrapped = (frame: Buffer, bytes: number): Buffer =>
  Buffer.concat([frame.subarray(0, 14), frame.subarray(14 + bytes)]);

describe("the node that was dialled", () => {
  withDatapath(direct);

  it("sends every packet on as it came inside of one for the backend", () => {
    datapath.addService([`${remotePod.ip}:8080`], { vip, flags: DIRECT });
    for (const tcpFlags of [tcpFlag.syn, tcpFlag.ack]) {
      const sent = request({ tcpFlags, payload: Buffer.from("hello") });
      const { data } = datapath.run("fromNetdev", sent);
      expect(data).toHaveLength(sent.length + 20);
      expect([data[14], data.readUInt16BE(16), data[20], data[23]]).toEqual([0x45, sent.length + 6, 0x40, IPIP]);
      expect(internetChecksum(data.subarray(14, 34))).toBe(0);
      expect(rss4.contains(IpAddress.fromBytes(data.subarray(26, 30)))).toBe(true);
      expect(IpAddress.fromBytes(data.subarray(30, 34)).text).toBe(remotePod.ip);
      const inner = parseFrame(unwrapped(data, 20));
      expect(inner).toMatchObject({
        source: outsider,
        sourcePort: 50_000,
        destination: vip,
        destinationPort: 80,
        ...right,
      });
    }
    expect(datapath.translations()).toEqual([]);
    expect(datapath.connections().map((row) => row.direction)).toEqual(["service"]);
    expect(datapath.otherDrops()).toEqual([]);
  });

  it("lets a connection's packets come from one address, and connections from many", () => {
    datapath.addService([`${remotePod.ip}:8080`], { vip, flags: DIRECT });
    const sources = [50_000, 50_000, 50_001, 50_002, 50_003].map((sourcePort) =>
      datapath.run("fromNetdev", request({ sourcePort })).data.readUInt32BE(26),
    );
    expect(sources[0]).toBe(sources[1]);
    expect(new Set(sources).size).toBeGreaterThan(2);
  });

  it("wraps IPv6", () => {
    datapath.addService([`[${ip6.remotePod}]:8080`], { vip: vip6, flags: DIRECT });
    const sent = request6();
    const { data } = datapath.run("fromNetdev", sent);
    expect(data).toHaveLength(sent.length + 40);
    expect([data[14], data.readUInt16BE(18), data[20]]).toEqual([0x60, sent.length - 14, IPV6]);
    expect(rss6.contains(IpAddress.fromBytes(data.subarray(22, 38)))).toBe(true);
    expect(IpAddress.fromBytes(data.subarray(38, 54)).text).toBe(ip6.remotePod);
    expect(parseFrame6(unwrapped(data, 40))).toMatchObject({
      source: outsider6,
      destination: vip6,
      destinationPort: 80,
      l4ChecksumIsRight: true,
    });
  });

  it("serves its own backends as ever", () => {
    datapath.addService([`${server.ip}:8080`], { vip, flags: DIRECT });
    const { data } = datapath.run("fromNetdev", request());
    expect(parseFrame(data)).toMatchObject({
      source: outsider,
      destination: server.ip,
      destinationPort: 8080,
      ...right,
    });
  });
});

describe.each([
  ["of direct server return", direct, flag.direct],
  ["of enable-ipip-termination with a tunnel", terminates, 0],
] as const)("the backend's node %s", (_mode, settings, isDirect) => {
  withDatapath(settings);
  const balanced = { vip, flags: flag.balancer | isDirect };
  const arrive = (frame: Buffer, to: string, from = balancer) => datapath.run("fromNetdev", wrapped(frame, from, to));
  const answer = (options: Partial<PacketOptions> = {}) => {
    datapath.relabel(server, LOOPBACK_IFINDEX, server.identity);
    return datapath.run(
      "fromContainer",
      ipv4Packet({
        source: server.ip,
        destination: outsider,
        sourcePort: 8080,
        destinationPort: 50_000,
        tcpFlags: 0x12,
        ...options,
      }),
    );
  };

  it("takes the packet out, gives it to the backend and answers from the frontend", () => {
    datapath.addService([`${remotePod.ip}:7070`, `${server.ip}:8080`], balanced);
    for (const tcpFlags of [tcpFlag.syn, tcpFlag.ack]) {
      const { verdict, data } = arrive(request({ tcpFlags, payload: Buffer.from("hello") }), server.ip);
      expect(verdict).toBe(tc.redirect);
      expect(parseFrame(data)).toMatchObject({
        source: outsider,
        sourcePort: 50_000,
        destination: server.ip,
        destinationPort: 8080,
        ...right,
      });
    }
    expect(datapath.connection("out")).toMatchObject({
      flagNames: ["SeenNonSyn", "DSRInternal"],
      destinationPort: 8080,
    });
    expect(parseFrame(answer().data)).toMatchObject({ source: vip, sourcePort: 80, destination: outsider, ...right });
    expect(datapath.otherDrops()).toEqual([]);
  });

  it("knows a node port that was dialled at another node", () => {
    datapath.addIpcache(`${otherNode}/32`, 6);
    datapath.addService([`${server.ip}:8080`], { vip: nodeIp, port: 30_080, flags: flag.nodePort | isDirect });
    const { verdict } = arrive(request({ destination: otherNode, destinationPort: 30_080 }), server.ip, otherNode);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(answer().data)).toMatchObject({ source: otherNode, sourcePort: 30_080, ...right });
  });

  it.each([
    ["first", 0],
    ["1,400th", 1399],
    ["last", 1499],
  ])("finds the %s of 1,500 backends", (_name, before) => {
    const others = (prefix: string, count: number): readonly string[] =>
      Array.from({ length: count }, (_, index) => `${prefix}.${index >> 8}.${index & 0xff}:9090`);
    const around = [...others("10.243", before), ...others("10.245", 1499 - before)];
    datapath.addService([...around, `${server.ip}:8080`], balanced);
    expect(parseFrame(arrive(request(), server.ip).data)).toMatchObject({
      destination: server.ip,
      destinationPort: 8080,
    });
    expect(arrive(request({ sourcePort: 50_001 }), client.ip).verdict).toBe(tc.shot);
  });

  it("finds one of 1,500 backends over IPv6", () => {
    const others = (prefix: string, count: number): readonly string[] =>
      Array.from({ length: count }, (_, index) => `[${prefix}::${(index + 1).toString(16)}]:9090`);
    const around = [...others("fd00:10:243", 1399), ...others("fd00:10:244", 4), ...others("fd00:10:245", 96)];
    datapath.addService([...around, `[${ip6.server}]:8080`], { ...balanced, vip: vip6 });
    expect(parseFrame6(arrive(request6(), ip6.server, "2001:db8::1").data)).toMatchObject({
      destination: ip6.server,
      destinationPort: 8080,
      l4ChecksumIsRight: true,
    });
  });

  it("drops what is for none of the Service's backends, and from whom it does not serve", () => {
    datapath.addService([`${remotePod.ip}:8080`], balanced);
    expect(arrive(request(), server.ip).verdict).toBe(tc.shot);
    const sourceRanges = ["192.0.2.0/24"];
    datapath.addService([`${server.ip}:8080`], { vip, flags: balanced.flags | 0x80, sourceRanges });
    expect(arrive(request({ sourcePort: 50_001 }), server.ip).verdict).toBe(tc.shot);
    expect([...datapath.otherDrops()].sort()).toEqual(["158 service.h ingress", "177 ipip.h ingress"]);
  });

  it("leaves to the stack what is for no Service, and outer packets in parts", () => {
    const plain = request({ destination: nodeIp });
    const { verdict, data } = arrive(plain, nodeIp);
    expect([verdict, data.length]).toEqual([tc.next, plain.length]);
    datapath.addService([`${server.ip}:8080`], balanced);
    const part = wrapped(request(), balancer, server.ip);
    part[20] = 0x20;
    expect(datapath.run("fromNetdev", part).verdict).toBe(tc.next);
    const elsewhere = wrapped(request(), balancer, remotePod.ip);
    expect(datapath.run("fromNetdev", elsewhere)).toMatchObject({ verdict: tc.next, data: elsewhere });
  });

  it("answers for backends in its own network by a NAT entry", () => {
    datapath.addService([`${nodeIp}:9000`], balanced);
    const { verdict, data } = arrive(request(), nodeIp);
    expect(verdict).toBe(tc.next);
    expect(parseFrame(data)).toMatchObject({ destination: nodeIp, destinationPort: 9000, ...right });
    const reply = ipv4Packet({
      source: nodeIp,
      destination: outsider,
      sourcePort: 9000,
      destinationPort: 50_000,
      tcpFlags: 0x12,
    });
    expect(parseFrame(datapath.run("toNetdev", reply).data)).toMatchObject({ source: vip, sourcePort: 80, ...right });
  });

  it("does all of that over UDP and IPv6", () => {
    datapath.addService([`[${ip6.server}]:8080`], { ...balanced, vip: vip6, protocol: proto.udp });
    const asked = request6({ protocol: proto.udp, payload: Buffer.from("odd") });
    const { verdict, data } = arrive(asked, ip6.server, "2001:db8::1");
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({
      source: outsider6,
      destination: ip6.server,
      destinationPort: 8080,
      l4ChecksumIsRight: true,
    });
    datapath.relabel({ ...server, ip: ip6.server }, LOOPBACK_IFINDEX, server.identity);
    const reply = ipv6Packet({
      source: ip6.server,
      destination: outsider6,
      sourcePort: 8080,
      destinationPort: 50_000,
      protocol: proto.udp,
      payload: Buffer.from("even"),
    });
    expect(parseFrame6(datapath.run("fromContainer", reply).data)).toMatchObject({
      source: vip6,
      sourcePort: 80,
      destination: outsider6,
      l4ChecksumIsRight: true,
    });
    expect(datapath.otherDrops()).toEqual([]);
  });
});

it("keeps wrapped packets for other users where nothing was said about them", () => {
  using plain = new DatapathHarness();
  plain.addHost(nodeIp);
  const frame = wrapped(request(), balancer, server.ip);
  expect(plain.run("fromNetdev", frame)).toMatchObject({ verdict: tc.next, data: frame });
});

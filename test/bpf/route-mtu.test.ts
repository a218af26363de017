import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DatapathHarness, hostIp, ip6, nodeIp, pod, remotePod, tc } from "./harness.js";
import { OverlayEntry } from "./overlay-entry.js";
import { internetChecksum, ipv4Packet, ipv6Packet, parseFrame, parseFrame6, proto } from "./packet-builder.js";

/** A device of this test's own; both ways behind it take less than itself. */
const device = `ctsmtu${process.pid}`;
const far = "198.51.100.77";
const far6 = "2001:db8:77::7";
const MTU = 1000;
const MTU6 = 1300;
const outsider = "203.0.113.7";
const outsider6 = "2001:db8::99";
const nodeIp6 = "fd00:172:18::2";
const ROUTABLE_NODEPORT = 0x42;
const DIRECT = 0x8042;
const tooMuch = { protocol: proto.udp, payload: Buffer.alloc(1400, 1) };

const nodePort = { vip: nodeIp, port: 30_080, protocol: proto.udp };

let ifindex: number;

beforeAll(() => {
  const ip = (...words: readonly string[]): void => void execFileSync("ip", words);
  ip("link", "add", device, "type", "veth", "peer", "name", `${device}p`);
  for (const name of [device, `${device}p`]) ip("link", "set", name, "up");
  ip("route", "add", `${far}/32`, "dev", device, "mtu", "lock", String(MTU));
  ip("route", "add", `${far6}/128`, "dev", device, "mtu", "lock", String(MTU6));
  for (const family of ["ipv4", "ipv6"]) writeFileSync(`/proc/sys/net/${family}/conf/${device}/forwarding`, "1");
  ifindex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, "utf8"));
});
afterAll(() => void execFileSync("ip", ["link", "del", device]));

describe.each([
  ["with an address of the node", {}, ROUTABLE_NODEPORT, 0],
  ["with the client's own", { routingMode: "native", lbMode: "dsr" }, DIRECT, 1],
] as const)("a packet too large for its route, sent on %s", (_name, settings, flags, isTold) => {
  let datapath: DatapathHarness;

  beforeAll(() => {
    datapath = new DatapathHarness({ enableIpv6: true, ...settings });
  });
  beforeEach(() => {
    datapath.reset();
    datapath.addIp6();
    for (const ip of [nodeIp, nodeIp6]) datapath.addHost(ip);
  });
  afterAll(() => datapath?.[Symbol.dispose]());

  it("is answered with what fits", () => {
    datapath.addService([`${far}:8080`], { ...nodePort, flags });
    const sent = ipv4Packet({
      source: outsider,
      destination: nodeIp,
      sourcePort: 50_000,
      destinationPort: 30_080,
      ...tooMuch,
    });
    const { verdict, data } = datapath.run("fromNetdev", sent, { ifindex });
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({ source: nodeIp, destination: outsider, ipChecksumIsRight: true });
    const icmp = data.subarray(34);
    expect([icmp[0], icmp[1], icmp.readUInt16BE(6)]).toEqual([3, 4, MTU - 8 * isTold]);
    expect(internetChecksum(icmp)).toBe(0);
    expect(icmp.subarray(8, 36)).toEqual(sent.subarray(14, 42));
    expect(datapath.translations()).toEqual([]);
  });

  it("is answered with what fits: IPv6", () => {
    datapath.addService([`[${far6}]:8080`], { vip: nodeIp6, port: 30_080, flags, protocol: proto.udp });
    const packet = { source: outsider6, destination: nodeIp6, sourcePort: 50_000, destinationPort: 30_080 };
    const sent = ipv6Packet({ ...packet, ...tooMuch });
    const { verdict, data } = datapath.run("fromNetdev", sent, { ifindex });
    expect(verdict).toBe(tc.redirect);
    const frame = parseFrame6(data);
    expect(frame).toMatchObject({ destination: outsider6, protocol: 58, l4ChecksumIsRight: true });
    expect([frame.layer4[0], frame.layer4[1], frame.layer4.readUInt32BE(4)]).toEqual([2, 0, MTU6 - 24 * isTold]);
    expect(frame.layer4.subarray(8, 56)).toEqual(sent.subarray(14, 62));
  });

  it("goes its way where it fits", () => {
    datapath.addService([`${far}:8080`], { ...nodePort, flags });
    const packet = { source: outsider, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080 };
    const payload = Buffer.alloc(MTU - 28 - 8 * isTold, 1);
    const { data } = datapath.run("fromNetdev", ipv4Packet({ ...packet, protocol: proto.udp, payload }), { ifindex });
    expect(parseFrame(data)).toMatchObject({ destination: far, destinationPort: 8080 });
    expect(datapath.drops()).toEqual([]);
  });

  it("is answered to a backend of this node when it is the client's answer", () => {
    const { server } = pod;
    datapath.addService([`${server.ip}:8080`], { ...nodePort, flags });
    const asks = { source: far, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080 };
    datapath.run("fromNetdev", ipv4Packet({ ...asks, protocol: proto.udp }), { ifindex });
    datapath.relabel(server, ifindex, server.identity);
    const sent = ipv4Packet({
      source: server.ip,
      destination: far,
      sourcePort: 8080,
      destinationPort: 50_000,
      ...tooMuch,
    });
    const { data } = datapath.run("fromContainer", sent, { ifindex });
    const icmp = data.subarray(34);
    expect(parseFrame(data)).toMatchObject({ destination: server.ip });
    expect([icmp[0], icmp[1], icmp.readUInt16BE(6)]).toEqual([3, 4, MTU]);
    expect(icmp.subarray(8, 36)).toEqual(sent.subarray(14, 42));
  });

  it("is answered to a backend of another node when it is the client's answer", () => {
    const backend = "198.51.100.78";
    datapath.addService([`${backend}:8080`], { ...nodePort, flags: ROUTABLE_NODEPORT });
    const asks = { source: far, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080 };
    const { data: there } = datapath.run("fromNetdev", ipv4Packet({ ...asks, protocol: proto.udp }), { ifindex });
    const { sourcePort } = parseFrame(there);
    const back = { source: backend, destination: nodeIp, sourcePort: 8080, destinationPort: sourcePort };
    const sent = ipv4Packet({ ...back, ...tooMuch });
    const { verdict, data } = datapath.run("fromNetdev", sent, { ifindex });
    const icmp = data.subarray(34);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({ source: nodeIp, destination: backend, ipChecksumIsRight: true });
    expect([icmp[0], icmp[1], icmp.readUInt16BE(6)]).toEqual([3, 4, MTU]);
    expect(icmp.subarray(8, 36)).toEqual(sent.subarray(14, 42));
  });
});

/*
 * A customer behind a VPN downloads from a node port: the node that he dials knows the VPN's MTU by its route, the backend is
 * another node's pod, in the tunnel, and sends what its own route takes. Unless somebody tells it, the download stands still.
 */
describe("an answer out of the tunnel that is too large for the client's route", () => {
  let datapath: DatapathHarness;
  let overlay: OverlayEntry;

  beforeAll(() => {
    datapath = new DatapathHarness({ enableIpv6: true });
    overlay = new OverlayEntry();
  });
  beforeEach(() => {
    datapath.reset();
    datapath.addIp6();
    for (const ip of [nodeIp, nodeIp6]) datapath.addHost(ip);
  });
  afterAll(() => {
    overlay?.[Symbol.dispose]();
    datapath?.[Symbol.dispose]();
  });
  const receive = (packet: Buffer) => overlay.receive(datapath, packet, remotePod.identity, ifindex);

  /** What the backend sends to the address that it sees as its client's. */
  const answers = (): ((bytes: number) => Buffer) => {
    datapath.addService([`${remotePod.ip}:8080`], { ...nodePort, flags: ROUTABLE_NODEPORT });
    const asks = { source: far, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080 };
    const { data } = datapath.run("fromNetdev", ipv4Packet({ ...asks, protocol: proto.udp }), { ifindex });
    const { source, sourcePort } = parseFrame(data);
    expect(source).toBe(hostIp);
    const ends = { source: remotePod.ip, destination: source, sourcePort: 8080, destinationPort: sourcePort };
    return (bytes) => ipv4Packet({ ...ends, protocol: proto.udp, payload: Buffer.alloc(bytes, 1) });
  };
  const answers6 = (): ((bytes: number) => Buffer) => {
    const frontend = { vip: nodeIp6, port: 30_080, flags: ROUTABLE_NODEPORT, protocol: proto.udp };
    datapath.addService([`[${ip6.remotePod}]:8080`], frontend);
    const asks = { source: far6, destination: nodeIp6, sourcePort: 50_000, destinationPort: 30_080 };
    const { data } = datapath.run("fromNetdev", ipv6Packet({ ...asks, protocol: proto.udp }), { ifindex });
    const { source, sourcePort } = parseFrame6(data);
    expect(source).toBe(ip6.host);
    const ends = { source: ip6.remotePod, destination: source, sourcePort: 8080, destinationPort: sourcePort };
    return (bytes) => ipv6Packet({ ...ends, protocol: proto.udp, payload: Buffer.alloc(bytes, 1) });
  };

  it("is answered to the backend with what fits", () => {
    const sent = answers()(1400);
    const { verdict, data } = receive(sent);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({ source: hostIp, destination: remotePod.ip, ipChecksumIsRight: true });
    const icmp = data.subarray(34);
    expect([icmp[0], icmp[1], icmp.readUInt16BE(4), icmp.readUInt16BE(6)]).toEqual([3, 4, 0, MTU]);
    expect(internetChecksum(icmp)).toBe(0);
    expect(icmp.subarray(8)).toEqual(sent.subarray(14, 14 + icmp.length - 8));
    expect(data.length - 14).toBe(576);
    expect(datapath.drops()).toEqual(["136 icmp_error.h ingress"]);
  });

  it("is answered to the backend with what fits: IPv6", () => {
    const sent = answers6()(1400);
    const { verdict, data } = receive(sent);
    expect(verdict).toBe(tc.redirect);
    const frame = parseFrame6(data);
    expect(frame).toMatchObject({
      source: ip6.host,
      destination: ip6.remotePod,
      protocol: proto.icmpv6,
      l4ChecksumIsRight: true,
    });
    expect([frame.layer4[0], frame.layer4[1], frame.layer4.readUInt32BE(4)]).toEqual([2, 0, MTU6]);
    expect(frame.layer4.subarray(8)).toEqual(sent.subarray(14, 14 + frame.layer4.length - 8));
    expect(data.length - 14).toBe(1280);
    expect(datapath.drops()).toEqual(["136 icmp_error.h ingress"]);
  });

  it("reaches the client where it fits, from the node port", () => {
    const frontend = { sourcePort: 30_080, destinationPort: 50_000, l4ChecksumIsRight: true };
    const whole = receive(answers()(MTU - 28));
    expect(whole.verdict).toBe(tc.redirect);
    expect(parseFrame(whole.data)).toMatchObject({ source: nodeIp, destination: far, ...frontend });
    const whole6 = receive(answers6()(MTU6 - 48));
    expect(whole6.verdict).toBe(tc.redirect);
    expect(parseFrame6(whole6.data)).toMatchObject({ source: nodeIp6, destination: far6, ...frontend });
    expect(datapath.drops()).toEqual([]);
  });
});

it("an error about a direct answer goes on to the backend, which knows what it quotes", () => {
  using datapath = new DatapathHarness({ enableIpv6: true, routingMode: "native", lbMode: "dsr" });
  datapath.addIp6();
  for (const ip of [nodeIp, nodeIp6]) datapath.addHost(ip);
  const router = "203.0.113.1";
  datapath.addService([`${far}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT, protocol: proto.udp });
  const asks = { source: outsider, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080 };
  datapath.run("fromNetdev", ipv4Packet({ ...asks, protocol: proto.udp }), { ifindex });
  const answer = { source: nodeIp, destination: outsider, sourcePort: 30_080, destinationPort: 50_000 };
  const quoted = ipv4Packet({ ...answer, protocol: proto.udp, payload: Buffer.alloc(64) }).subarray(14, 42);
  const error = ipv4Packet({
    source: router,
    destination: nodeIp,
    protocol: proto.icmp,
    icmp: { type: 3, code: 4 },
    payload: quoted,
  });
  const { verdict, data } = datapath.run("fromNetdev", error, { ifindex });
  expect(verdict).toBe(tc.redirect);
  expect(parseFrame(data)).toMatchObject({ source: router, destination: far, ipChecksumIsRight: true });
  const told = data.subarray(42);
  expect([...told.subarray(12, 16)].join(".")).toBe(far);
  expect([told.readUInt16BE(20), told.readUInt16BE(22)]).toEqual([8080, 50_000]);
  expect(internetChecksum(data.subarray(34))).toBe(0);
  expect(internetChecksum(told.subarray(0, 20))).toBe(0);
});

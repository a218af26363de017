import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeDevice } from "../../src/datapath/entries.js";
import { readEntries } from "../../src/datapath/table.js";
import { IpAddress } from "../../src/lib/ip.js";
import {
  DatapathHarness,
  hostIp,
  ip6,
  LOOPBACK_IFINDEX,
  nodeIp,
  pod,
  ROUTE_MTU,
  remotePod,
  tc,
  vip,
  worldIp,
} from "./harness.js";
import { fragmentHeader, internetChecksum, ipv4Packet, ipv6Packet, parseFrame6, proto } from "./packet-builder.js";
import { u32 } from "./u32.js";

const nodeIp6 = "fd00:172:18::2";
const ROUTABLE_NODEPORT = 0x42;
const RATELIMIT_ICMP = 1;
const LIMIT = 100;

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true });
});
beforeEach(() => {
  datapath.reset();
  datapath.addIp6();
  for (const address of [nodeIp, nodeIp6]) datapath.addHost(address);
  const [ipv4, ipv6] = [IpAddress.parse(nodeIp), IpAddress.parse(nodeIp6)];
  const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ipv4, ipv6 });
  datapath.get("cts_devices").update(device.key, device.value);
});
afterAll(() => datapath[Symbol.dispose]());

/** An error as its receiver reads it. */
interface IcmpError {
  readonly source: string;
  readonly destination: string;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly quoted: Buffer;
  readonly isRight: boolean;
}

function readError4(frame: Buffer): IcmpError {
  const ip = frame.subarray(14, 14 + frame.readUInt16BE(16));
  const icmp = ip.subarray(20);
  return {
    source: IpAddress.fromBytes(ip.subarray(12, 16)).text,
    destination: IpAddress.fromBytes(ip.subarray(16, 20)).text,
    type: icmp[0]!,
    code: icmp[1]!,
    mtu: icmp.readUInt32BE(4),
    quoted: icmp.subarray(8),
    isRight: internetChecksum(ip.subarray(0, 20)) === 0 && internetChecksum(icmp) === 0,
  };
}

function readError6(frame: Buffer): IcmpError {
  const { source, destination, layer4, l4ChecksumIsRight, protocol } = parseFrame6(frame);
  return {
    source,
    destination,
    type: layer4[0]!,
    code: layer4[1]!,
    mtu: layer4.readUInt32BE(4),
    quoted: layer4.subarray(8),
    isRight: l4ChecksumIsRight && protocol === proto.icmpv6,
  };
}

const families = [
  {
    family: "IPv4",
    packet: ipv4Packet,
    read: readError4,
    client: pod.client.ip,
    server: pod.server.ip,
    remote: remotePod.ip,
    world: worldIp,
    outsider: "203.0.113.7",
    host: hostIp,
    node: nodeIp,
    vip,
    icmp: proto.icmp,
    group: "224.0.0.251",
    expired: { type: 11, code: 0 },
    tooBig: { type: 3, code: 4 },
    /** Of the longest error, headers and all. */
    longest: 576,
    errorType: 3,
    headerBytes: 20,
  },
  {
    family: "IPv6",
    packet: ipv6Packet,
    read: readError6,
    client: ip6.client,
    server: ip6.server,
    remote: ip6.remotePod,
    world: ip6.world,
    outsider: "2001:db8:7::7",
    host: ip6.host,
    node: nodeIp6,
    vip: ip6.vip,
    icmp: proto.icmpv6,
    group: "ff02::fb",
    expired: { type: 3, code: 0 },
    tooBig: { type: 2, code: 0 },
    longest: 1280,
    errorType: 1,
    headerBytes: 40,
  },
] as const;

describe.each(families)("a pod's $family packet", (of) => {
  const send = (options: object = {}) => {
    const frame = of.packet({ source: of.client, destination: of.server, sourcePort: 4000, ...options });
    return { ...datapath.run("fromContainer", frame), frame };
  };

  it.each([
    ["another pod", () => of.server],
    ["another node's pod", () => of.remote],
    ["the world", () => of.world],
  ])("for %s whose hops are used up is answered by the node", (_name, destination) => {
    const { verdict, data, frame } = send({ destination: destination(), ttl: 1, protocol: proto.udp });
    expect(verdict).toBe(tc.redirect);
    const { quoted, ...error } = of.read(data);
    expect(error).toEqual({ source: of.host, destination: of.client, ...of.expired, mtu: 0, isRight: true });
    expect(quoted).toEqual(frame.subarray(14));
    expect(data.subarray(0, 12)).toEqual(Buffer.concat([frame.subarray(6, 12), frame.subarray(0, 6)]));
    expect(datapath.drops()).toEqual(["196 icmp_error.h egress"]);
    expect(datapath.connections()).toEqual([]);
  });

  it("for a Service is quoted as it was sent", () => {
    datapath.addService([`${of.family === "IPv6" ? `[${of.server}]` : of.server}:8080`], { vip: of.vip });
    const { data, frame } = send({ destination: of.vip, ttl: 1 });
    expect(of.read(data)).toMatchObject({ ...of.expired, quoted: frame.subarray(14), isRight: true });
  });

  it("is quoted as far as an error may be long, in whole words", () => {
    const { data, frame } = send({ ttl: 1, payload: Buffer.alloc(1401, 0x5a) });
    const { quoted, isRight } = of.read(data);
    expect(quoted.length).toBe(of.longest - of.headerBytes - 8);
    expect(quoted).toEqual(frame.subarray(14, 14 + quoted.length));
    expect(isRight).toBe(true);
    expect(of.read(send({ ttl: 1, protocol: proto.udp, payload: Buffer.from("abc") }).data).isRight).toBe(true);
  });

  it("for the node itself needs no hop", () => {
    const { verdict, data, frame } = send({ destination: of.host, ttl: 1 });
    expect(verdict).toBe(tc.redirect);
    expect(data.subarray(14)).toEqual(frame.subarray(14));
    expect(datapath.drops()).toEqual([]);
  });

  it("for a group on the link needs none either", () => {
    const { verdict } = send({ destination: of.group, ttl: 1, protocol: proto.udp });
    expect(verdict).toBe(tc.next);
  });

  it("that is an error itself is not answered", () => {
    const quoted = of.packet({ source: of.server, destination: of.client }).subarray(14);
    const { verdict } = send({ ttl: 1, protocol: of.icmp, icmp: { type: of.errorType }, payload: quoted });
    expect(verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["196 icmp_error.h egress"]);
  });

  it("is answered a limited number of times a second", () => {
    const verdicts = Array.from({ length: LIMIT + 5 }, () => send({ ttl: 1 }).verdict);
    // A second may end meanwhile: then the bucket is full again.
    expect(verdicts.slice(0, LIMIT)).toEqual(new Array(LIMIT).fill(tc.redirect));
    const refused = verdicts.filter((verdict) => verdict === tc.shot).length;
    const [counted] = [...readEntries(datapath.get("cilium_ratelimit_metrics"))];
    expect(counted?.value.readBigUInt64LE() ?? 0n).toBe(BigInt(refused));
    if (refused > 0) expect(counted?.key).toEqual(u32(RATELIMIT_ICMP));
  });

  it("loses a hop on its way into the tunnel", () => {
    const { verdict, data } = send({ destination: of.remote, ttl: 64 });
    expect(verdict).toBe(tc.redirect);
    expect(data[14 + (of.family === "IPv4" ? 8 : 7)]).toBe(63);
  });

  it("too large for the tunnel is answered with the MTU of the way", () => {
    const fits = Buffer.alloc(ROUTE_MTU - of.headerBytes - 8);
    const udp = { destination: of.remote, protocol: proto.udp };
    const sent = send({ ...udp, payload: fits });
    expect([sent.verdict, sent.data.length]).toEqual([tc.redirect, sent.frame.length]);
    const { verdict, data, frame } = send({ ...udp, payload: Buffer.concat([fits, Buffer.alloc(1)]) });
    expect(verdict).toBe(tc.redirect);
    const { quoted, ...error } = of.read(data);
    expect(error).toEqual({ source: of.host, destination: of.client, ...of.tooBig, mtu: ROUTE_MTU, isRight: true });
    expect(quoted).toEqual(frame.subarray(14, 14 + quoted.length));
    expect(datapath.drops()).toEqual(["136 icmp_error.h egress"]);
  });

  it("too large for its Service's backend behind the tunnel is quoted as it was sent", () => {
    datapath.addService([`${of.family === "IPv6" ? `[${of.remote}]` : of.remote}:8080`], { vip: of.vip });
    const { data, frame } = send({ destination: of.vip, payload: Buffer.alloc(1440) });
    const { quoted, ...error } = of.read(data);
    expect(error).toMatchObject({ ...of.tooBig, mtu: ROUTE_MTU, isRight: true });
    expect(quoted).toEqual(frame.subarray(14, 14 + quoted.length));
  });
});

describe.each(families)("a $family packet from outside", (of) => {
  const arrive = (options: object = {}) => {
    const frame = of.packet({ source: of.outsider, destination: of.node, destinationPort: 30_080, ...options });
    return { ...datapath.run("fromNetdev", frame), frame };
  };
  const serve = (backend: string) =>
    datapath.addService([`${of.family === "IPv6" ? `[${backend}]` : backend}:8080`], {
      vip: of.node,
      port: 30_080,
      flags: ROUTABLE_NODEPORT,
    });

  it("whose hops end before a node port's backend is answered by the node", () => {
    serve(of.remote);
    const { verdict, data, frame, mark } = arrive({ ttl: 1 });
    expect([verdict, mark]).toEqual([tc.redirect, 0x300]);
    const { quoted, ...error } = of.read(data);
    expect(error).toEqual({ source: of.node, destination: of.outsider, ...of.expired, mtu: 0, isRight: true });
    expect(quoted).toEqual(frame.subarray(14));
    expect(datapath.drops()).toEqual(["196 icmp_error.h ingress"]);
  });

  it("too large for the tunnel to the backend is answered with the MTU of the way, quoting the node port", () => {
    serve(of.remote);
    const { verdict, data, frame } = arrive({ payload: Buffer.alloc(1440) });
    expect(verdict).toBe(tc.redirect);
    const { quoted, ...error } = of.read(data);
    expect(error).toEqual({ source: of.node, destination: of.outsider, ...of.tooBig, mtu: ROUTE_MTU, isRight: true });
    expect(quoted).toEqual(frame.subarray(14, 14 + quoted.length));
  });

  it("for the node itself needs no hop", () => {
    expect(arrive({ ttl: 1 }).verdict).toBe(tc.next);
    expect(datapath.drops()).toEqual([]);
  });

  it("for a pod of the node is answered when its hops are used up, unless its source is forged", () => {
    expect(of.read(arrive({ destination: of.client, ttl: 1 }).data)).toMatchObject({ ...of.expired, isRight: true });
    expect(arrive({ destination: of.client, source: of.server, ttl: 1 }).verdict).toBe(tc.shot);
  });
});

describe("packets that may be cut", () => {
  it("go into the tunnel as they are", () => {
    const large = { source: pod.client.ip, destination: remotePod.ip, payload: Buffer.alloc(1480) };
    const { verdict, data } = datapath.run("fromContainer", ipv4Packet({ ...large, fragment: 0 }));
    expect([verdict, data.length]).toEqual([tc.redirect, 14 + 20 + 20 + 1480]);
  });

  it("of IPv4 are not answered for a later fragment, of IPv6 they are", () => {
    const v4 = { source: pod.client.ip, destination: pod.server.ip, protocol: proto.udp, identification: 9 };
    datapath.run("fromContainer", ipv4Packet({ ...v4, fragment: 0x2000, payload: Buffer.alloc(16) }));
    const later = ipv4Packet({ ...v4, fragment: 3, ttl: 1, payload: Buffer.alloc(16) });
    expect(datapath.run("fromContainer", later).verdict).toBe(tc.shot);
    const v6 = { source: ip6.client, destination: ip6.server, protocol: proto.udp };
    const fragment = (offset: number, hasMore: boolean) => [{ number: 44, bytes: fragmentHeader(9, offset, hasMore) }];
    datapath.run("fromContainer", ipv6Packet({ ...v6, extensions: fragment(0, true), payload: Buffer.alloc(16) }));
    const later6 = ipv6Packet({ ...v6, extensions: fragment(24, false), ttl: 1, layer4: Buffer.alloc(16) });
    const { verdict, data } = datapath.run("fromContainer", later6);
    expect(verdict).toBe(tc.redirect);
    expect(readError6(data)).toMatchObject({ type: 3, isRight: true });
  });
});

describe("errors from outside about what no translation is for", () => {
  const quoteOf = (of: Readonly<Record<string, unknown>>) =>
    ipv4Packet({ source: nodeIp, destination: worldIp, protocol: proto.icmp, ...of }).subarray(14);
  const echo = { type: 8, rest: Buffer.from([0, 77, 0, 1]) };
  const arrive = (quoted: Buffer) => {
    const icmp = { type: 3, code: 1, rest: Buffer.alloc(4) };
    const frame = ipv4Packet({ source: worldIp, destination: nodeIp, protocol: proto.icmp, icmp, payload: quoted });
    return { frame, ...datapath.run("fromNetdev", frame) };
  };
  beforeEach(() => {
    const sent = { source: pod.client.ip, destination: worldIp, protocol: proto.icmp, icmp: echo };
    for (const program of ["fromContainer", "toNetdev"] as const) datapath.run(program, ipv4Packet(sent));
    const map = datapath.get("cilium_snat_v4_external");
    for (const { key, value } of [...readEntries(map)]) {
      const withoutIdentifier = Buffer.from(key);
      withoutIdentifier.fill(0, 8, 10);
      map.update(withoutIdentifier, Buffer.from(value));
    }
  });

  it("translate an echo's", () => {
    expect(readError4(arrive(quoteOf({ icmp: echo })).data)).toMatchObject({
      destination: pod.client.ip,
      isRight: true,
    });
  });

  it.each([
    ["ICMP that is no echo", quoteOf({ icmp: { type: 9, rest: Buffer.from([0, 0, 0, 1]) } })],
    ["another version", Buffer.concat([Buffer.from([0x65]), quoteOf({ icmp: echo }).subarray(1)])],
    ["a header cut short", Buffer.concat([Buffer.from([0x44]), quoteOf({ icmp: echo }).subarray(1)])],
  ])("leave %s as it is", (_name, quoted) => {
    const { verdict, data, frame } = arrive(quoted);
    expect([verdict, data]).toEqual([tc.next, frame]);
  });
});

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { collectNatGarbage } from "../../src/datapath/nat-garbage.js";
import { readEntries } from "../../src/datapath/table.js";
import { IpAddress } from "../../src/lib/ip.js";
import { makeInput, Random } from "../fuzz/mutate.js";
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

const { server } = pod;
/** Flags of a frontend: routable, NodePort, and in the second byte direct server return. */
const DIRECT = 0x8042;
const outsider = "203.0.113.7";
const outsider6 = "2001:db8::99";
const nodeIp6 = "fd00:172:18::2";
const otherNode = "172.18.0.3";
const otherNode6 = "fd00:172:18::3";
const right = { ipChecksumIsRight: true, l4ChecksumIsRight: true };
const SMALL_MTU = 1000;
const device = `ctsdsr${process.pid}`;

let datapath: DatapathHarness;
let smallIfindex: number;

beforeAll(() => {
  execFileSync("ip", ["link", "add", device, "mtu", String(SMALL_MTU), "type", "veth", "peer", "name", `${device}p`]);
  smallIfindex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, "utf8"));
  datapath = new DatapathHarness({ enableIpv6: true, routingMode: "native", lbMode: "dsr" });
});
beforeEach(() => {
  datapath.reset();
  datapath.addIp6();
  for (const ip of [nodeIp, nodeIp6]) datapath.addHost(ip);
});
afterAll(() => {
  datapath?.[Symbol.dispose]();
  execFileSync("ip", ["link", "del", device]);
});

const dial = (options: Partial<PacketOptions> = {}, ifindex = 0) =>
  datapath.run(
    "fromNetdev",
    ipv4Packet({ source: outsider, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080, ...options }),
    { ifindex },
  );
const dial6 = (options: Partial<Packet6Options> = {}, ifindex = 0) =>
  datapath.run(
    "fromNetdev",
    ipv6Packet({ source: outsider6, destination: nodeIp6, sourcePort: 50_000, destinationPort: 30_080, ...options }),
    { ifindex },
  );

/** Upstream's option of IPv4: both fields in host order, of a machine that is little-endian. */
const option4 = (address: string, port: number): Buffer => {
  const bytes = Buffer.from([0x9a, 8, 0, 0, 0, 0, 0, 0]);
  bytes.writeUInt16LE(port, 2);
  bytes.writeUInt32LE(Buffer.from(IpAddress.parse(address).bytes).readUInt32BE(), 4);
  return bytes;
};
/** Upstream's destination option header of IPv6, its "next header" still to be filled in. */
const option6 = (address: string, port: number): Buffer => {
  const bytes = Buffer.concat([Buffer.from([0, 2, 0x1b, 20]), IpAddress.parse(address).bytes, Buffer.alloc(4)]);
  bytes.writeUInt16BE(port, 20);
  return bytes;
};
/** The packet with bytes between the IPv4 header and what follows. */
const withOption = (frame: Buffer, option: Buffer): Buffer => {
  const ip = Buffer.concat([frame.subarray(14, 34), option, frame.subarray(34)]);
  ip[0] = 0x40 | (5 + option.length / 4);
  ip.writeUInt16BE(ip.length, 2);
  ip.writeUInt16BE(0, 10);
  ip.writeUInt16BE(internetChecksum(ip.subarray(0, 20 + option.length)), 10);
  return Buffer.concat([frame.subarray(0, 14), ip]);
};

describe("the node that was dialled", () => {
  it("sends a SYN on with the client's address and the frontend in an option", () => {
    datapath.addService([`${remotePod.ip}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT });
    const { data } = dial();
    expect(data.subarray(34, 42)).toEqual(option4(nodeIp, 30_080));
    expect(parseFrame(data)).toMatchObject({
      source: outsider,
      sourcePort: 50_000,
      destination: remotePod.ip,
      destinationPort: 8080,
      ...right,
    });
    expect(datapath.translations()).toEqual([]);
    expect(datapath.connections().map((row) => row.direction)).toEqual(["service"]);
    expect(datapath.otherDrops()).toEqual([]);
  });

  it("tells TCP's frontend in the SYN alone, that of UDP in every packet", () => {
    datapath.addService([`${remotePod.ip}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT });
    dial();
    const later = dial({ tcpFlags: tcpFlag.ack });
    expect(later.data[14]).toBe(0x45);
    expect(parseFrame(later.data)).toMatchObject({ source: outsider, destination: remotePod.ip, ...right });
    datapath.addService([`${remotePod.ip}:53`], {
      vip: nodeIp,
      port: 30_053,
      flags: DIRECT,
      protocol: proto.udp,
      serviceId: 6,
    });
    for (const _ of [1, 2]) {
      const { data } = dial({ protocol: proto.udp, destinationPort: 30_053, payload: Buffer.from("odd") });
      expect(data.subarray(34, 42)).toEqual(option4(nodeIp, 30_053));
      expect(parseFrame(data)).toMatchObject({ destination: remotePod.ip, destinationPort: 53, ...right });
    }
  });

  it("tells it in every packet once a backend came in the middle of a connection", () => {
    datapath.addService([`${remotePod.ip}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT });
    for (const _ of [1, 2]) expect(dial({ tcpFlags: tcpFlag.ack }).data[14]).toBe(0x47);
  });

  it("keeps the options that the packet has", () => {
    datapath.addService([`${remotePod.ip}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT });
    const ends = Buffer.from([1, 1, 1, 0]);
    const packet = ipv4Packet({ source: outsider, destination: nodeIp, sourcePort: 50_000, destinationPort: 30_080 });
    const { data } = datapath.run("fromNetdev", withOption(packet, ends));
    expect(data.subarray(34, 46)).toEqual(Buffer.concat([option4(nodeIp, 30_080), ends]));
    expect(parseFrame(data)).toMatchObject({ destination: remotePod.ip, ...right });
    datapath.reset();
    datapath.addHost(nodeIp);
    datapath.addService([`${remotePod.ip}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT });
    expect(datapath.run("fromNetdev", withOption(packet, Buffer.alloc(36, 1))).verdict).toBe(tc.shot);
    expect(datapath.otherDrops()).toEqual(["135 dsr.h ingress"]);
  });

  it("sends an IPv6 SYN on with the frontend in a destination option", () => {
    datapath.addService([`[${ip6.remotePod}]:8080`], { vip: nodeIp6, port: 30_080, flags: DIRECT });
    const { data } = dial6();
    const option = option6(nodeIp6, 30_080);
    option[0] = proto.tcp;
    expect(data[20]).toBe(60);
    expect(data.subarray(54, 78)).toEqual(option);
    expect(parseFrame6(data, 24)).toMatchObject({
      source: outsider6,
      destination: ip6.remotePod,
      destinationPort: 8080,
      l4ChecksumIsRight: true,
    });
    expect(parseFrame6(dial6({ tcpFlags: tcpFlag.ack }).data)).toMatchObject({ l4ChecksumIsRight: true, protocol: 6 });
  });

  it("tells the client what fits when the option does not", () => {
    datapath.addService([`${remotePod.ip}:53`], { vip: nodeIp, port: 30_053, flags: DIRECT, protocol: proto.udp });
    const request = { protocol: proto.udp, destinationPort: 30_053, payload: Buffer.alloc(SMALL_MTU - 28 - 7, 1) };
    const { verdict, data } = dial(request, smallIfindex);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({ source: nodeIp, destination: outsider, ipChecksumIsRight: true });
    const icmp = data.subarray(34);
    expect([icmp[0], icmp[1], icmp.readUInt16BE(6)]).toEqual([3, 4, SMALL_MTU - 8]);
    expect(internetChecksum(icmp)).toBe(0);
    const sent = ipv4Packet({ source: outsider, destination: nodeIp, sourcePort: 50_000, ...request });
    expect(icmp.subarray(8, 36)).toEqual(sent.subarray(14, 42));
    const fits = dial({ ...request, payload: Buffer.alloc(SMALL_MTU - 28 - 8, 1) }, smallIfindex);
    expect(fits.data.subarray(34, 42)).toEqual(option4(nodeIp, 30_053));
  });

  it("tells the client what fits when the option does not: IPv6", () => {
    const udp = { vip: nodeIp6, port: 30_053, flags: DIRECT, protocol: proto.udp };
    datapath.addService([`[${ip6.remotePod}]:53`], udp);
    const request = { protocol: proto.udp, destinationPort: 30_053, payload: Buffer.alloc(SMALL_MTU - 48 - 23, 1) };
    const { verdict, data } = dial6(request, smallIfindex);
    expect(verdict).toBe(tc.redirect);
    const frame = parseFrame6(data);
    expect(frame).toMatchObject({ source: nodeIp6, destination: outsider6, protocol: 58, l4ChecksumIsRight: true });
    expect([frame.layer4[0], frame.layer4[1], frame.layer4.readUInt32BE(4)]).toEqual([2, 0, SMALL_MTU - 24]);
    const sent = ipv6Packet({ source: outsider6, destination: nodeIp6, sourcePort: 50_000, ...request });
    expect(frame.layer4.subarray(8, 56)).toEqual(sent.subarray(14, 62));
  });

  it("serves its own backends as ever, and Services that want no direct return by SNAT", () => {
    datapath.addService([`${server.ip}:8080`], { vip: nodeIp, port: 30_080, flags: DIRECT });
    expect(parseFrame(dial().data)).toMatchObject({ source: outsider, destination: server.ip, ...right });
    expect(datapath.connection("in")).toMatchObject({ flagNames: ["NodePort"] });
    datapath.reset();
    datapath.addHost(nodeIp);
    datapath.addService([`${remotePod.ip}:8080`], { vip: nodeIp, port: 30_080, flags: 0x42 });
    expect(parseFrame(dial().data)).toMatchObject({ source: nodeIp, destination: remotePod.ip, ...right });
  });
});

describe("the backend's node", () => {
  const told = (options: Partial<PacketOptions> = {}, frontend = option4(otherNode, 30_080)) =>
    datapath.run("fromNetdev", withOption(toServer(options), frontend));
  const toServer = (options: Partial<PacketOptions>) =>
    ipv4Packet({ source: outsider, destination: server.ip, sourcePort: 50_000, destinationPort: 8080, ...options });
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
  const frontend = { source: otherNode, sourcePort: 30_080, destination: outsider, destinationPort: 50_000, ...right };

  it("remembers the frontend, delivers, and answers from there", () => {
    expect(told().verdict).toBe(tc.redirect);
    expect(datapath.connection("out")).toMatchObject({ flagNames: ["DSRInternal"], destinationPort: 8080 });
    const [entry] = [...readEntries(datapath.get("cilium_ct4_global"))].filter(({ key }) => key[13] === 0);
    expect(entry!.value.subarray(0, 16).toString("hex")).toBe(
      `${"00".repeat(12)}${Buffer.from(IpAddress.parse(otherNode).bytes).toString("hex")}`,
    );
    expect(entry!.value.readUInt16BE(40)).toBe(30_080);
    expect(parseFrame(answer().data)).toMatchObject(frontend);
  });

  it("knows TCP's later packets without an option", () => {
    told();
    datapath.run("fromNetdev", toServer({ tcpFlags: tcpFlag.ack }));
    expect(datapath.connection("in")).toMatchObject({ flagNames: ["SeenNonSyn", "NodePort"] });
    expect(parseFrame(answer({ tcpFlags: tcpFlag.ack }).data)).toMatchObject(frontend);
  });

  it("answers from the pod again when the same client dials it itself", () => {
    told();
    datapath.run("fromNetdev", toServer({}));
    expect(parseFrame(answer().data)).toMatchObject({ source: server.ip, sourcePort: 8080 });
  });

  it("answers from another frontend when the same client dials that", () => {
    for (const protocol of [proto.tcp, proto.udp]) {
      told({ protocol });
      told({ protocol }, option4(otherNode, 30_081));
      expect(parseFrame(answer({ protocol }).data)).toMatchObject({ ...frontend, sourcePort: 30_081 });
    }
  });

  it("translates a backend's ICMP errors", () => {
    const request = { protocol: proto.udp, payload: Buffer.from("hi") };
    told(request);
    const quoted = toServer(request).subarray(14);
    const icmp = { type: 3, code: 3 };
    const { data } = answer({ protocol: proto.icmp, icmp, payload: quoted.subarray(0, 28) });
    const inner = data.subarray(42);
    expect(parseFrame(data)).toMatchObject({ source: otherNode, destination: outsider, ipChecksumIsRight: true });
    expect(IpAddress.fromBytes(inner.subarray(16, 20)).text).toBe(otherNode);
    expect(inner.readUInt16BE(22)).toBe(30_080);
  });

  it("drops answers whose frontend it has forgotten, and options without a port", () => {
    told();
    const map = datapath.get("cilium_ct4_global");
    for (const { key } of [...readEntries(map)]) if (key[13] === 0) map.delete(Buffer.from(key));
    expect(answer().verdict).toBe(tc.shot);
    expect(told({ sourcePort: 50_001 }, option4(otherNode, 0)).verdict).toBe(tc.shot);
    expect([...datapath.otherDrops()].sort()).toEqual(["134 dsr.h ingress", "167 dsr.h egress"]);
  });

  it("answers for backends in its own network by a NAT entry that lives with the connection", async () => {
    const request = ipv4Packet({
      source: outsider,
      destination: nodeIp,
      sourcePort: 50_000,
      destinationPort: 9000,
    });
    expect(datapath.run("fromNetdev", withOption(request, option4(otherNode, 30_080))).verdict).toBe(tc.next);
    const reply = ipv4Packet({
      source: nodeIp,
      destination: outsider,
      sourcePort: 9000,
      destinationPort: 50_000,
      tcpFlags: 0x12,
    });
    expect(parseFrame(datapath.run("toNetdev", reply).data)).toMatchObject(frontend);
    expect(await collectNatGarbage(datapath)).toMatchObject({ deleted: 0 });
  });

  it("remembers nothing for a stranger in the name of a pod, whose peer would answer past its policy", () => {
    for (const protocol of [proto.tcp, proto.udp])
      expect(told({ source: pod.client.ip, protocol }).verdict).toBe(tc.shot);
    expect(datapath.connections()).toEqual([]);
    expect(datapath.otherDrops()).toEqual(["132 from_netdev.bpf.c ingress"]);
  });

  it("delivers what it takes as it came, whatever the option", () => {
    const random = new Random(1);
    const frame = withOption(toServer({}), option4(otherNode, 30_080));
    let delivered = 0;
    for (let count = 0; count < 3000; count++) {
      const options = makeInput([frame.subarray(34, 42)], random).subarray(0, 4 * random.below(10));
      const whole = Buffer.concat([options, Buffer.alloc(options.length % 4 === 0 ? 0 : 4 - (options.length % 4))]);
      const protocol = random.pick([proto.tcp, proto.udp]);
      const sent = withOption(toServer({ protocol, tcpFlags: random.pick([2, 16]) }), whole);
      const { verdict, data } = datapath.run("fromNetdev", sent);
      if (verdict !== tc.redirect) continue;
      delivered++;
      const expected = Buffer.from(sent.subarray(14));
      expected[8]! -= 1;
      expected.writeUInt16BE(0, 10);
      expected.writeUInt16BE(internetChecksum(expected.subarray(0, (expected[0]! & 15) * 4)), 10);
      expect(data.subarray(14).toString("hex")).toBe(expected.toString("hex"));
    }
    expect(delivered).toBeGreaterThan(2000);
    expect(datapath.otherDrops().filter((line) => line !== "134 dsr.h ingress")).toEqual([]);
  });

  it("does all of that over IPv6", () => {
    const packet = { source: outsider6, destination: ip6.server, sourcePort: 50_000, destinationPort: 8080 };
    const extensions = [{ number: 60, bytes: option6(otherNode6, 30_080) }];
    expect(datapath.run("fromNetdev", ipv6Packet({ ...packet, extensions })).verdict).toBe(tc.redirect);
    expect(datapath.run("fromNetdev", ipv6Packet({ ...packet, tcpFlags: tcpFlag.ack })).verdict).toBe(tc.redirect);
    datapath.relabel({ ...server, ip: ip6.server }, LOOPBACK_IFINDEX, server.identity);
    const reply = ipv6Packet({
      source: ip6.server,
      destination: outsider6,
      sourcePort: 8080,
      destinationPort: 50_000,
      tcpFlags: 0x12,
    });
    expect(parseFrame6(datapath.run("fromContainer", reply).data)).toMatchObject({
      source: otherNode6,
      sourcePort: 30_080,
      destination: outsider6,
      l4ChecksumIsRight: true,
    });
    expect(datapath.otherDrops()).toEqual([]);
  });
});

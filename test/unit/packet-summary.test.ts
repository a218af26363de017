import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { dissect } from "../../src/model/packet/dissect.js";
import { type PacketForm, summarizePacket } from "../../src/model/packet/summarize.js";
import { ipv4Packet, proto, tcpFlag } from "../bpf/packet-builder.js";

const plain: PacketForm = { isL3Device: false, isIpv6: false };
const ends = { source: "10.0.0.1", destination: "10.0.0.2", sourcePort: 4711, destinationPort: 80 } as const;
const addresses = { source: IpAddress.parse("10.0.0.1"), destination: IpAddress.parse("10.0.0.2") };
const macs = { sourceMac: "02:00:00:00:00:02", destinationMac: "02:00:00:00:00:01" };

function ethernet(etherType: string, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`020000000001020000000002${etherType}`, "hex"), payload]);
}

function ipv6(nextHeader: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length, 4);
  header[6] = nextHeader;
  header.set(IpAddress.parse("fd00::1").bytes, 8);
  header.set(IpAddress.parse("fd00::2").bytes, 24);
  return Buffer.concat([header, payload]);
}

function udp(payload: Uint8Array, destinationPort = 53): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(4711, 0);
  header.writeUInt16BE(destinationPort, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe("what a packet says of its connection", () => {
  it("TCP, with its flags", () => {
    const bytes = ipv4Packet({ ...ends, tcpFlags: tcpFlag.syn | tcpFlag.ack });
    expect(summarizePacket(bytes, plain)).toEqual({
      packet: {
        ...macs,
        etherType: 0x0800,
        ...addresses,
        protocol: proto.tcp,
        sourcePort: 4711,
        destinationPort: 80,
        tcpFlags: ["SYN", "ACK"],
      },
    });
  });

  it("a first fragment has ports, a later one has none", () => {
    const bytes = (fragment: number) =>
      ipv4Packet({ ...ends, protocol: proto.udp, fragment, payload: Buffer.alloc(16) });
    expect(summarizePacket(bytes(0x2000), plain).packet).toMatchObject({ sourcePort: 4711, destinationPort: 80 });
    const later = summarizePacket(bytes(0x2001), plain).packet;
    expect(later).toMatchObject({ ...addresses, protocol: proto.udp, isLaterFragment: true });
    expect(later).not.toHaveProperty("sourcePort");
  });

  it("ICMP", () => {
    const bytes = ipv4Packet({ ...ends, protocol: proto.icmp, icmp: { type: 3, code: 4 } });
    expect(summarizePacket(bytes, plain).packet).toMatchObject({ icmpType: 3, icmpCode: 4, protocol: 1 });
  });

  it("ARP", () => {
    const arp = Buffer.from("00010800060400010200000000020a0000010000000000000a000002", "hex");
    expect(summarizePacket(ethernet("0806", arp), plain)).toEqual({
      packet: { ...macs, etherType: 0x0806, ...addresses },
    });
  });

  it("behind a VLAN tag", () => {
    const inner = ipv4Packet({ ...ends, protocol: proto.udp }).subarray(14);
    const tagged = ethernet("8100", Buffer.concat([Buffer.from("60050800", "hex"), inner]));
    expect(summarizePacket(tagged, plain).packet).toMatchObject({ etherType: 0x0800, ...addresses, protocol: 17 });
    expect(dissect(tagged, "ethernet").layers[1]).toMatchObject({ kind: "vlan", vlanId: 5, priority: 3 });
  });

  it("IPv6, behind extension headers", () => {
    const hopByHop = Buffer.from("3c00050200000100", "hex");
    const destinationOptions = Buffer.from("2c00010400000000", "hex");
    const fragment = Buffer.from("1100000100000007", "hex");
    const bytes = ethernet(
      "86dd",
      ipv6(0, Buffer.concat([hopByHop, destinationOptions, fragment, udp(Buffer.alloc(3))])),
    );
    expect(dissect(bytes, "ethernet").layers.map(({ kind }) => kind)).toEqual([
      "ethernet",
      "ipv6",
      "ipv6-extension",
      "ipv6-extension",
      "udp",
    ]);
    expect(summarizePacket(bytes, { ...plain, isIpv6: true }).packet).toMatchObject({
      source: IpAddress.parse("fd00::1"),
      protocol: 17,
      destinationPort: 53,
    });
    fragment.writeUInt16BE(0x0010, 2);
    const later = ethernet("86dd", ipv6(44, Buffer.concat([fragment, Buffer.alloc(8)])));
    expect(summarizePacket(later, { ...plain, isIpv6: true }).packet).toMatchObject({
      protocol: 17,
      isLaterFragment: true,
    });
  });

  it("devices without Ethernet", () => {
    const bytes = ipv4Packet({ ...ends }).subarray(14);
    const { packet } = summarizePacket(bytes, { isL3Device: true, isIpv6: false });
    expect(packet).toMatchObject({ ...addresses, sourcePort: 4711 });
    expect(packet).not.toHaveProperty("sourceMac");
    const six = ipv6(17, udp(Buffer.alloc(0)));
    expect(summarizePacket(six, { isL3Device: true, isIpv6: true }).packet).toMatchObject({ destinationPort: 53 });
  });

  it.each([
    ["vxlan", "0800000000e6bc00", 8472],
    ["geneve", "0200655800e6bc00014b810100000000", 6081],
  ] as const)("inside of %s", (tunnel, header, port) => {
    const inner = ipv4Packet({ ...ends, tcpFlags: tcpFlag.fin });
    const payload = Buffer.concat([Buffer.from(header, "hex"), inner]);
    const bytes = ipv4Packet({
      source: "172.18.0.2",
      destination: "172.18.0.3",
      protocol: proto.udp,
      destinationPort: port,
      payload,
    });
    expect(summarizePacket(bytes, { ...plain, tunnel })).toMatchObject({
      packet: { ...addresses, tcpFlags: ["FIN"] },
      outer: { tunnel, vni: 0xe6bc, source: IpAddress.parse("172.18.0.2"), destinationPort: port },
    });
    const cut = summarizePacket(bytes.subarray(0, 44), { ...plain, tunnel });
    expect(cut).toMatchObject({ packet: undefined, outer: { tunnel, vni: undefined, destinationPort: port } });
  });

  it("as far as the bytes go", () => {
    const bytes = ipv4Packet({ ...ends });
    expect(summarizePacket(bytes.subarray(0, 40), plain).packet).toMatchObject({ ...addresses, protocol: 6 });
    expect(summarizePacket(bytes.subarray(0, 20), plain).packet).toEqual({ ...macs, etherType: 0x0800 });
    expect(summarizePacket(bytes.subarray(0, 5), plain)).toEqual({ packet: undefined });
  });
});

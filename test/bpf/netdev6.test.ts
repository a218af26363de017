import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeDevice } from "../../src/datapath/entries.js";
import { readEntries } from "../../src/datapath/table.js";
import { IpAddress } from "../../src/lib/ip.js";
import { DatapathHarness, ip6, LOOPBACK_IFINDEX, pod, tc } from "./harness.js";
import { ipv6Packet, type Packet6Options, parseFrame6, proto } from "./packet-builder.js";

const nodeIp = "fd00:172:18::2";
const outsider = "2001:db8::99";
const { client } = pod;

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true });
});
beforeEach(() => {
  datapath.reset();
  datapath.addIp6();
  datapath.addHost(nodeIp);
  const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ipv6: IpAddress.parse(nodeIp) });
  datapath.get("cts_devices").update(device.key, device.value);
});
afterAll(() => datapath[Symbol.dispose]());

const run = (program: "fromContainer" | "toNetdev" | "fromNetdev", options: Partial<Packet6Options>) =>
  datapath.run(program, ipv6Packet({ source: ip6.client, destination: ip6.world, sourcePort: 40_001, ...options }));
const arrive = (options: Partial<Packet6Options>) =>
  run("fromNetdev", { source: ip6.world, destination: nodeIp, ...options });
const echo = (type: number, id: number) => ({ type, rest: Buffer.from([id >> 8, id & 0xff, 0, 1]) });
const translations = (): number => [...readEntries(datapath.get("cilium_snat_v6_external"))].length;

describe("the edge of the node over IPv6", () => {
  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("masquerades and brings the answers back: %s", (_name, protocol) => {
    run("fromContainer", { protocol });
    const out = run("toNetdev", { protocol });
    expect(out.verdict).toBe(tc.next);
    expect(parseFrame6(out.data)).toMatchObject({ source: nodeIp, sourcePort: 40_001, l4ChecksumIsRight: true });
    expect(translations()).toBe(2);
    const back = arrive({ protocol, sourcePort: 80, destinationPort: 40_001, tcpFlags: 0x12 });
    expect(back.verdict).toBe(tc.redirect);
    expect(parseFrame6(back.data)).toMatchObject({
      destination: ip6.client,
      destinationPort: 40_001,
      destinationMac: client.mac.replaceAll(":", ""),
      l4ChecksumIsRight: true,
    });
  });

  it("translates echoes and their answers", () => {
    run("fromContainer", { protocol: proto.icmpv6, icmp: echo(128, 77) });
    const out = run("toNetdev", { protocol: proto.icmpv6, icmp: echo(128, 77) });
    expect(parseFrame6(out.data)).toMatchObject({ source: nodeIp, l4ChecksumIsRight: true });
    const back = arrive({ protocol: proto.icmpv6, icmp: echo(129, 77) });
    expect(back.verdict).toBe(tc.redirect);
    expect(parseFrame6(back.data)).toMatchObject({ destination: ip6.client, l4ChecksumIsRight: true });
  });

  it("brings errors to the pod, what they quote translated", () => {
    run("fromContainer", { sourcePort: 1024 });
    const sent = run("toNetdev", { sourcePort: 1024 }).data.subarray(14);
    const { verdict, data } = arrive({
      source: "2001:db8:ffff::1",
      protocol: proto.icmpv6,
      icmp: { type: 2, code: 0, rest: Buffer.from([0, 0, 5, 0]) },
      payload: sent,
    });
    expect(verdict).toBe(tc.redirect);
    const frame = parseFrame6(data);
    expect(frame).toMatchObject({ destination: ip6.client, l4ChecksumIsRight: true });
    const quoted = frame.layer4.subarray(8);
    expect(IpAddress.fromBytes(quoted.subarray(8, 24)).text).toBe(ip6.client);
    expect(quoted.readUInt16BE(40)).toBe(1024);
  });

  it("forwards node ports to other nodes and answers from the frontend", () => {
    datapath.addService([`[${ip6.remotePod}]:8080`], { vip: nodeIp, port: 30_080, flags: 0x42 });
    const dialled = arrive({ source: outsider, sourcePort: 50_000, destinationPort: 30_080 });
    expect(dialled.verdict).toBe(tc.redirect);
    const there = parseFrame6(dialled.data);
    expect(there).toMatchObject({
      source: ip6.host,
      destination: ip6.remotePod,
      destinationPort: 8080,
      l4ChecksumIsRight: true,
    });
    const answer = arrive({
      source: ip6.remotePod,
      destination: ip6.host,
      sourcePort: 8080,
      destinationPort: there.sourcePort,
      tcpFlags: 0x12,
    });
    expect(parseFrame6(answer.data)).toMatchObject({
      source: nodeIp,
      sourcePort: 30_080,
      destination: outsider,
      destinationPort: 50_000,
      l4ChecksumIsRight: true,
    });
  });

  it("leaves neighbours' talk to the stack", () => {
    expect(arrive({ protocol: proto.icmpv6, icmp: { type: 135 } }).verdict).toBe(tc.next);
    expect(run("toNetdev", { source: nodeIp, protocol: proto.icmpv6, icmp: { type: 136 } }).verdict).toBe(tc.next);
  });
});

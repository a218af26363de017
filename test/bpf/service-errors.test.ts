import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { DatapathHarness, ip6, LOOPBACK_IFINDEX, pod, remotePod, tc, vip } from "./harness.js";
import { OverlayEntry } from "./overlay-entry.js";
import { internetChecksum, ipv4Packet, ipv6Packet, parseFrame, parseFrame6, proto } from "./packet-builder.js";

const CLIENT_PORT = 4000;
const BACKEND_PORT = 8080;

let tunnelled: DatapathHarness;
let native: DatapathHarness;
let overlay: OverlayEntry;
beforeAll(() => {
  tunnelled = new DatapathHarness({ enableIpv6: true });
  native = new DatapathHarness({ enableIpv6: true, routingMode: "native" });
  overlay = new OverlayEntry();
});
beforeEach(() => {
  for (const datapath of [tunnelled, native]) {
    datapath.reset();
    datapath.addIp6();
    // Both pods send, and a test run knows no device but loopback.
    for (const ip of [pod.server.ip, ip6.server])
      datapath.relabel({ ...pod.server, ip }, LOOPBACK_IFINDEX, pod.server.identity);
  }
});
afterAll(() => {
  for (const each of [tunnelled, native, overlay]) each[Symbol.dispose]();
});

const families = [
  {
    family: "IPv4",
    packet: ipv4Packet,
    client: pod.client.ip,
    server: pod.server.ip,
    remote: remotePod.ip,
    router: "203.0.113.1",
    vip,
    icmp: proto.icmp,
    unreachable: { type: 3, code: 3 },
    headerBytes: 20,
    addressBytes: 4,
    /** As the pod's stack reads it. */
    read(frame: Buffer) {
      const icmp = frame.subarray(34);
      const isRight = internetChecksum(icmp) === 0 && internetChecksum(icmp.subarray(8, 28)) === 0;
      return { ...parseFrame(frame), quoted: icmp.subarray(8), isRight };
    },
  },
  {
    family: "IPv6",
    packet: ipv6Packet,
    client: ip6.client,
    server: ip6.server,
    remote: ip6.remotePod,
    router: "2001:db8:7::1",
    vip: ip6.vip,
    icmp: proto.icmpv6,
    unreachable: { type: 1, code: 4 },
    headerBytes: 40,
    addressBytes: 16,
    read(frame: Buffer) {
      const { layer4, l4ChecksumIsRight, ...rest } = parseFrame6(frame);
      return { ...rest, quoted: layer4.subarray(8), isRight: l4ChecksumIsRight };
    },
  },
] as const;

/** Where an error comes in, and from where. */
const ways = [
  {
    way: "through the tunnel",
    deliver: (frame: Buffer) => overlay.receive(tunnelled, frame, remotePod.identity),
    datapath: () => tunnelled,
    isLocal: false,
    verdict: tc.redirect,
  },
  {
    way: "by a native route",
    deliver: (frame: Buffer) => native.run("fromNetdev", frame),
    datapath: () => native,
    isLocal: false,
    verdict: tc.redirect,
  },
  {
    way: "from the node's stack",
    deliver: (frame: Buffer) => native.run("toContainer", frame),
    datapath: () => native,
    isLocal: false,
    verdict: tc.next,
  },
  {
    way: "from a pod of the same node",
    deliver: (frame: Buffer) => tunnelled.run("fromContainer", frame),
    datapath: () => tunnelled,
    isLocal: true,
    verdict: tc.redirect,
  },
] as const;

describe.each(families)("an ICMP error about a pod's packet, $family", (of) => {
  describe.each(ways)("that comes $way", ({ deliver, datapath, isLocal, verdict }) => {
    const backend = isLocal ? of.server : of.remote;
    const endOf = (text: string): string => (of.family === "IPv6" ? `[${text}]` : text);

    /** What the pod sends, and how it goes on. */
    function send(destination: string, destinationPort: number) {
      const frame = of.packet({
        source: of.client,
        destination,
        sourcePort: CLIENT_PORT,
        destinationPort,
        protocol: proto.udp,
        payload: Buffer.from("hello"),
      });
      const { data } = datapath().run("fromContainer", frame);
      return { sent: frame.subarray(14), arrives: data.subarray(14) };
    }

    function hear(source: string, payload: Buffer) {
      const icmp = { source, destination: of.client, protocol: of.icmp, icmp: of.unreachable, payload };
      const result = deliver(of.packet(icmp));
      expect(result.verdict).toBe(verdict);
      return of.read(result.data);
    }

    const quotedEnd = (quoted: Buffer) => ({
      address: IpAddress.fromBytes(quoted.subarray(of.headerBytes - of.addressBytes, of.headerBytes)).text,
      port: quoted.readUInt16BE(of.headerBytes + 2),
    });

    it("to a Service quotes the frontend that it has dialled, and comes from there where the backend has sent it", () => {
      datapath().addService([`${endOf(backend)}:${BACKEND_PORT}`], { vip: of.vip, protocol: proto.udp });
      const { arrives } = send(of.vip, 80);
      expect(quotedEnd(arrives)).toEqual({ address: backend, port: BACKEND_PORT });
      const { quoted, ...error } = hear(backend, arrives);
      expect(quotedEnd(quoted)).toEqual({ address: of.vip, port: 80 });
      expect(error).toMatchObject({ source: of.vip, destination: of.client, isRight: true });
      expect(datapath().drops()).toEqual([]);
    });

    const fromTheWay = () => {
      datapath().addService([`${endOf(backend)}:${BACKEND_PORT}`], { vip: of.vip, protocol: proto.udp });
      const { quoted, ...error } = hear(of.router, send(of.vip, 80).arrives);
      expect(quotedEnd(quoted)).toEqual({ address: of.vip, port: 80 });
      expect(error).toMatchObject({ source: of.router, isRight: true });
    };
    if (!isLocal) it("to a Service quotes the frontend where a node on the way has sent it", fromTheWay);

    it("to a backend itself is left as it is", () => {
      datapath().addService([`${endOf(backend)}:${BACKEND_PORT}`], { vip: of.vip, protocol: proto.udp });
      const { arrives } = send(backend, BACKEND_PORT);
      const { quoted, ...error } = hear(backend, arrives);
      expect(quoted).toEqual(arrives);
      expect(error).toMatchObject({ source: backend, isRight: true });
    });

    it("to whom it never sent one is a packet like others: its policy decides", () => {
      datapath().setPolicy(pod.client.id, []);
      const quoted = of.packet({ source: of.client, destination: backend, protocol: proto.udp }).subarray(14);
      const icmp = { destination: of.client, protocol: of.icmp, icmp: of.unreachable, payload: quoted };
      expect(deliver(of.packet({ source: backend, ...icmp })).verdict).toBe(tc.shot);
      expect(datapath().drops()).toEqual(["133 policy.h ingress"]);
    });
  });
});

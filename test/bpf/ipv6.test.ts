import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { allowAll, DatapathHarness, ip6, pod, tc } from "./harness.js";
import {
  fragmentHeader,
  ipv6Packet,
  macBytes,
  type Packet6Options,
  parseFrame6,
  proto,
  tcpFlag,
} from "./packet-builder.js";
import { toldDrops } from "./told-drops.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true, serviceNoBackendResponse: "drop" });
});
beforeEach(() => {
  datapath.reset();
  datapath.addIp6();
});
afterAll(() => datapath[Symbol.dispose]());

const { client, server } = pod;
const { syn, ack } = tcpFlag;
const ext = { hopByHop: 0, routing: 43, fragment: 44, auth: 51, destination: 60 } as const;
const options8 = Buffer.from("0000010400000000", "hex");
const toServer = { source: ip6.client, destination: ip6.server, destinationPort: 8080 };
const send = (options: Partial<Packet6Options> = {}) =>
  datapath.run("fromContainer", ipv6Packet({ ...toServer, ...options }));

describe("IPv6 from a pod", () => {
  it("goes to the pod next door, hop limit and addresses of the link set", () => {
    const { verdict, data } = send();
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({
      destinationMac: server.mac.replaceAll(":", ""),
      sourceMac: server.nodeMac.replaceAll(":", ""),
      hopLimit: 63,
      l4ChecksumIsRight: true,
    });
    expect(datapath.connection("out")?.destination.text).toBe(ip6.server);
    expect(datapath.connection("in")?.source.text).toBe(ip6.client);
  });

  it("goes to another node's pod through the tunnel, and to the world through the stack", () => {
    expect(send({ destination: ip6.remotePod }).verdict).toBe(tc.redirect);
    expect(send({ destination: ip6.world }).verdict).toBe(tc.next);
    expect(send({ destination: ip6.host }).verdict).toBe(tc.redirect);
  });

  it.each<[string, () => unknown, string]>([
    ["with an address that is not its own", () => send({ source: ip6.server }), "132 from_container.bpf.c egress"],
    ["from a link-local address", () => send({ source: "fe80::5" }), "132 from_container.bpf.c egress"],
    ["that a policy does not allow", () => (datapath.setPolicy(client.id, []), send()), "133 policy.h egress"],
    ["that the receiver does not allow", () => (datapath.setPolicy(server.id, []), send()), "133 policy.h ingress"],
    ["of another version", () => send({ version: 5 }), "134 parse.h egress"],
    ["with a TCP header cut short", () => send({ layer4: Buffer.alloc(10) }), "135 parse_l4.h egress"],
    ["of a protocol without ports", () => send({ protocol: proto.gre }), "137 parse_l4.h egress"],
    [
      "with more extension headers than anybody sends",
      () => send({ extensions: Array.from({ length: 5 }, () => ({ number: ext.destination, bytes: options8 })) }),
      "156 parse.h egress",
    ],
    [
      "with an extension header cut short",
      () => send({ extensions: [{ number: ext.routing, bytes: Buffer.alloc(1) }], layer4: Buffer.alloc(0) }),
      "156 parse.h egress",
    ],
    [
      "that calls itself a router",
      () => send({ source: "fe80::5", destination: "ff02::1", protocol: proto.icmpv6, icmp: { type: 134 }, ttl: 255 }),
      "176 ndp.h egress",
    ],
  ])("is dropped: %s", (_name, run, expected) => {
    run();
    expect(datapath.drops()).toEqual([expected]);
    expect(toldDrops(datapath)).toEqual([expected]);
  });

  it("is dropped where the node serves IPv4 only", () => {
    using other = new DatapathHarness();
    expect(other.run("fromContainer", ipv6Packet(toServer)).verdict).toBe(tc.shot);
    expect(other.drops()).toEqual(["139 from_container.bpf.c egress"]);
  });

  it.each([
    ["hop-by-hop", ext.hopByHop, options8],
    ["a routing header", ext.routing, options8],
    [
      "an authentication header",
      ext.auth,
      Buffer.from("0004000000000000000000000000000000000000000000000000".slice(0, 48), "hex"),
    ],
    ["a destination option of 16 bytes", ext.destination, Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(14)])],
  ])("is seen through %s", (_name, number, bytes) => {
    expect(send({ extensions: [{ number, bytes }] }).verdict).toBe(tc.redirect);
    expect(datapath.connection("out")).toMatchObject({ destinationPort: 8080 });
  });

  it("finds the ports of later fragments by the first", () => {
    const fragment = (offset: number, hasMore: boolean): Partial<Packet6Options> => ({
      protocol: proto.udp,
      extensions: [{ number: ext.fragment, bytes: fragmentHeader(77, offset, hasMore) }],
    });
    expect(send({ ...fragment(1024, false), layer4: Buffer.alloc(64) }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["175 fragment.h egress"]);
    expect(send(fragment(0, true)).verdict).toBe(tc.redirect);
    expect(send({ ...fragment(1024, false), layer4: Buffer.alloc(64) }).verdict).toBe(tc.redirect);
    expect(datapath.connections().filter((row) => row.direction === "out")).toHaveLength(1);
  });

  it("has an ICMP error let through to whoever sent the packet that it quotes", () => {
    datapath.setPolicy(
      client.id,
      allowAll.filter(({ direction }) => direction === "egress"),
    );
    const request = ipv6Packet({ source: ip6.client, destination: ip6.world, sourcePort: 1234, destinationPort: 443 });
    datapath.run("fromContainer", request);
    const error = (quoted: Buffer, destination: string) =>
      ipv6Packet({
        source: "2001:db8::1",
        destination,
        protocol: proto.icmpv6,
        icmp: { type: 2, rest: Buffer.from([0, 0, 5, 0]) },
        payload: quoted.subarray(14),
      });
    const deliver = (packet: Buffer) => datapath.run("toContainer", packet).verdict;
    expect(deliver(error(request, ip6.client))).toBe(tc.next);
    const other = ipv6Packet({ source: ip6.client, destination: ip6.world, sourcePort: 4321, destinationPort: 443 });
    expect(deliver(error(other, ip6.client))).toBe(tc.shot);
  });
});

describe("IPv6 neighbours", () => {
  const solicit = (source: string, target: string, destination = "ff02::1:ff00:1") => {
    const frame = ipv6Packet({
      source,
      destination,
      protocol: proto.icmpv6,
      ttl: 255,
      icmp: { type: 135 },
      payload: Buffer.concat([
        Buffer.from(IpAddress.parse(target).bytes),
        Buffer.from("0101", "hex"),
        macBytes(client.mac),
      ]),
    });
    macBytes(destination.startsWith("ff") ? "33:33:ff:00:00:01" : client.nodeMac).copy(frame, 0);
    macBytes(client.mac).copy(frame, 6);
    return datapath.run("fromContainer", frame);
  };

  it.each([
    ["the gateway", ip6.client, ip6.host],
    ["any other address", ip6.client, ip6.world],
  ])("a pod's solicitation for %s is answered with the host side of its veth", (_name, source, target) => {
    const { verdict, data } = solicit(source, target);
    expect(verdict).toBe(tc.redirect);
    const answer = parseFrame6(data);
    expect(answer).toMatchObject({
      destinationMac: client.mac.replaceAll(":", ""),
      sourceMac: client.nodeMac.replaceAll(":", ""),
      source: target,
      destination: source,
      hopLimit: 255,
      l4ChecksumIsRight: true,
    });
    expect(answer.layer4.subarray(0, 2).toString("hex")).toBe("8800");
    expect(answer.layer4.subarray(4, 8).toString("hex")).toBe("e0000000");
    expect(answer.layer4.subarray(24).toString("hex")).toBe(`0201${client.nodeMac.replaceAll(":", "")}`);
  });

  it("a probe from the pod's link-local address is answered with the address that it asks", () => {
    const { verdict, data } = solicit("fe80::5", ip6.host, ip6.host);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({ destination: "fe80::5", sourceMac: client.nodeMac.replaceAll(":", "") });
  });

  it("a pod's question whether an address is taken is left to the stack", () => {
    expect(solicit("::", ip6.client).verdict).toBe(tc.next);
    expect(datapath.drops()).toEqual([]);
  });

  it("the host's solicitation reaches the pod under any policy", () => {
    datapath.setPolicy(client.id, []);
    const frame = ipv6Packet({
      source: "fe80::1",
      destination: ip6.client,
      protocol: proto.icmpv6,
      icmp: { type: 135 },
      ttl: 255,
    });
    expect(datapath.run("toContainer", frame).verdict).toBe(tc.next);
  });
});

describe("IPv6 Services per packet", () => {
  const dial = (options: Partial<Packet6Options> = {}) =>
    send({ destination: ip6.vip, destinationPort: 80, ...options });

  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("sends %s to the backend and gives the reply the frontend's address back", (_name, protocol) => {
    datapath.addService([`[${ip6.server}]:8080`], { vip: ip6.vip, protocol });
    const { verdict, data } = dial({ protocol, payload: Buffer.from("hello") });
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({
      destination: ip6.server,
      destinationPort: 8080,
      l4ChecksumIsRight: true,
    });
    expect(datapath.connection("service", protocol)?.destination.text).toBe(ip6.vip);
    // The backend's answer, as its node delivers it to the client.
    const reply = ipv6Packet({
      source: ip6.server,
      destination: ip6.client,
      protocol,
      sourcePort: 8080,
      destinationPort: 40_000,
      tcpFlags: syn | ack,
    });
    const back = datapath.run("toContainer", reply);
    expect(back.verdict).toBe(tc.next);
    expect(parseFrame6(back.data)).toMatchObject({ source: ip6.vip, sourcePort: 80, l4ChecksumIsRight: true });
  });

  it("reaches the pod itself, and back", () => {
    datapath.addService([`[${ip6.client}]:8080`], { vip: ip6.vip });
    const there = dial();
    expect(there.verdict).toBe(tc.redirect);
    expect(parseFrame6(there.data)).toMatchObject({
      source: "fe80::1",
      destination: ip6.client,
      l4ChecksumIsRight: true,
    });
    const back = send({
      destination: "fe80::1",
      sourcePort: 8080,
      destinationPort: 40_000,
      tcpFlags: syn | ack,
    });
    expect(back.verdict).toBe(tc.redirect);
    expect(parseFrame6(back.data)).toMatchObject({
      source: ip6.vip,
      sourcePort: 80,
      destination: ip6.client,
      l4ChecksumIsRight: true,
    });
  });

  it("drops a port that the Service does not have, and a Service without backends", () => {
    datapath.addService([`[${ip6.server}]:8080`], { vip: ip6.vip });
    expect(dial({ destinationPort: 81 }).verdict).toBe(tc.shot);
    datapath.addService([], { vip: ip6.vip });
    expect(dial({ sourcePort: 5 }).verdict).toBe(tc.shot);
    expect([...datapath.drops()].sort()).toEqual(["158 from_container.bpf.c egress", "158 service.h egress"]);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { allowAll, DatapathHarness, hostIp, hostMac, pod, remotePod, tc, worldIp } from "./harness.js";
import { OverlayEntry } from "./overlay-entry.js";
import { arpRequest, ipv4Packet, parseFrame } from "./packet-builder.js";
import { toldDrops } from "./told-drops.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const { client, server } = pod;
const markHost = 0x0c00;
const markOf = (identity: number): number => (0x0f00 | (identity << 16) | ((identity >> 16) & 0xff)) >>> 0;
const ipv6Frame = Buffer.concat([Buffer.from("02000000000102000000000286dd", "hex"), Buffer.alloc(40)]);
const toClient = (source: string, options: object = {}) => ipv4Packet({ source, destination: client.ip, ...options });

describe("to-container: what the stack delivers", () => {
  it("takes the host's identity from the mark", () => {
    expect(datapath.run("toContainer", toClient(hostIp), { mark: markHost }).verdict).toBe(tc.next);
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: 1 });
  });

  it("takes any identity from the mark, cluster bits included", () => {
    datapath.run("toContainer", toClient(worldIp), { mark: markOf(0x00030102) });
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: 0x00030102 });
  });

  it("asks the ipcache when there is no mark", () => {
    datapath.run("toContainer", toClient(remotePod.ip));
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: remotePod.identity });
  });

  it("calls an unknown sender world", () => {
    datapath.run("toContainer", toClient(worldIp));
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: 2 });
  });

  it("enforces the pod's ingress policy", () => {
    datapath.setPolicy(client.id, []);
    expect(datapath.run("toContainer", toClient(hostIp), { mark: markHost }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["133 policy.h ingress"]);
  });

  it("lets ARP pass", () => {
    const request = arpRequest({ senderMac: client.nodeMac, sender: hostIp, target: client.ip });
    expect(datapath.run("toContainer", request).verdict).toBe(tc.next);
  });

  it.each([
    [
      "a packet for a pod behind another interface",
      () => ipv4Packet({ source: hostIp, destination: server.ip }),
      "151 to_container.bpf.c ingress",
    ],
    [
      "a packet for nobody",
      () => ipv4Packet({ source: hostIp, destination: worldIp }),
      "151 to_container.bpf.c ingress",
    ],
    ["IPv6", () => ipv6Frame, "139 to_container.bpf.c ingress"],
    ["a broken header", () => toClient(hostIp, { ihl: 2 }), "134 parse.h ingress"],
  ] as const)("drops %s", (_name, packet, expected) => {
    expect(datapath.run("toContainer", packet()).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual([expected]);
    expect(toldDrops(datapath)).toEqual([expected]);
  });
});

describe("from-host: what the node's stack sends to pods", () => {
  it("redirects to the local pod's veth, the host's identity in the mark", () => {
    const { verdict, data, mark } = datapath.run("fromHost", ipv4Packet({ source: hostIp, destination: server.ip }));
    expect([verdict, mark]).toEqual([tc.redirect, markHost]);
    expect(parseFrame(data)).toMatchObject({
      destinationMac: server.mac.replaceAll(":", ""),
      ttl: 63,
      ipChecksumIsRight: true,
    });
  });

  it("keeps the identity of what the node only forwards", () => {
    const { mark } = datapath.run("fromHost", ipv4Packet({ source: remotePod.ip, destination: server.ip }));
    expect(mark).toBe(markOf(remotePod.identity));
    expect(datapath.run("fromHost", ipv4Packet({ source: worldIp, destination: server.ip })).mark).toBe(markOf(2));
  });

  it("does not take who has an identity of this node alone for the node itself: a mark has no room for its scope", () => {
    datapath.addIpcache("203.0.113.0/24", 0x0100_0001);
    const packet = ipv4Packet({ source: "203.0.113.9", destination: client.ip });
    const { mark } = datapath.run("fromHost", packet);
    datapath.run("toContainer", packet, { mark });
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: 0x0100_0001 });
  });

  it("sends to remote pods through the tunnel", () => {
    expect(datapath.run("fromHost", ipv4Packet({ source: hostIp, destination: remotePod.ip })).verdict).toBe(
      tc.redirect,
    );
  });

  it.each([
    [
      "an address of the pod range that nobody has",
      () => ipv4Packet({ source: hostIp, destination: "10.244.0.99" }),
      "151 from_host.bpf.c egress",
    ],
    ["IPv6", () => ipv6Frame, "139 from_host.bpf.c egress"],
    ["a broken header", () => ipv4Packet({ source: hostIp, destination: server.ip, version: 7 }), "134 parse.h egress"],
    [
      "a TTL that has run out",
      () => ipv4Packet({ source: hostIp, destination: server.ip, ttl: 1 }),
      "196 packet.h egress",
    ],
  ] as const)("drops %s", (_name, packet, expected) => {
    expect(datapath.run("fromHost", packet()).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual([expected]);
    expect(toldDrops(datapath)).toEqual([expected]);
  });
});

describe("records of drops", () => {
  it("do not know which way, where neither end is known and both ways were dropped at one place", () => {
    datapath.run("fromHost", ipv4Packet({ source: hostIp, destination: server.ip, version: 7 }));
    expect(toldDrops(datapath)).toEqual(["134 parse.h egress"]);
    datapath.run("toHost", ipv4Packet({ source: client.ip, destination: hostIp, ihl: 1 }));
    datapath.setPolicy(client.id, []);
    datapath.run("toContainer", toClient(hostIp), { mark: markHost });
    expect(toldDrops(datapath)).toEqual(["134 parse.h unknown", "133 policy.h ingress"]);
  });
});

describe("to-host: what our programs deliver to the node", () => {
  it("passes packets for the node's addresses", () => {
    expect(datapath.run("toHost", ipv4Packet({ source: client.ip, destination: hostIp })).verdict).toBe(tc.next);
  });

  it.each([
    ["packets for others", () => ipv4Packet({ source: client.ip, destination: worldIp }), "150 to_host.bpf.c ingress"],
    ["packets for pods", () => ipv4Packet({ source: client.ip, destination: server.ip }), "150 to_host.bpf.c ingress"],
    ["IPv6", () => ipv6Frame, "139 to_host.bpf.c ingress"],
    ["a broken header", () => ipv4Packet({ source: client.ip, destination: hostIp, ihl: 1 }), "134 parse.h ingress"],
  ] as const)("drops %s", (_name, packet, expected) => {
    expect(datapath.run("toHost", packet()).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual([expected]);
    expect(toldDrops(datapath)).toEqual([expected]);
  });
});

describe("from-overlay: what comes out of the tunnel", () => {
  let overlay: OverlayEntry;
  beforeAll(() => {
    overlay = new OverlayEntry();
  });
  afterAll(() => overlay?.[Symbol.dispose]());
  const receive = (packet: Buffer, vni: number, on = datapath) => overlay.receive(on, packet, vni);

  it("delivers to the local pod with the identity of the VNI", () => {
    const { verdict, data } = receive(ipv4Packet({ source: remotePod.ip, destination: server.ip }), remotePod.identity);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({ destinationMac: server.mac.replaceAll(":", ""), ttl: 63 });
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: remotePod.identity, flagNames: ["FromTunnel"] });
  });

  it("takes the one world of the wire for the packet's family's own where pods have both families", () => {
    const packet = ipv4Packet({ source: worldIp, destination: server.ip });
    receive(packet, 2);
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: 2 });
    using dual = new DatapathHarness({ enableIpv6: true });
    receive(packet, 2, dual);
    expect(dual.connection("in")).toMatchObject({ sourceIdentity: 9 });
  });

  it("enforces the pod's ingress policy by that identity", () => {
    const onlyOther = { ...allowAll[0]!, identity: 4242 };
    datapath.setPolicy(server.id, [onlyOther]);
    const packet = ipv4Packet({ source: remotePod.ip, destination: server.ip });
    expect(receive(packet, remotePod.identity).verdict).toBe(tc.shot);
    expect(receive(packet, 4242).verdict).toBe(tc.redirect);
  });

  it("knows a node by its address where it has an identity of its own", () => {
    const own = 0x0200_0001;
    const fromNode = ipv4Packet({ source: "10.244.1.1", destination: server.ip });
    datapath.addIpcache("10.244.1.1/32", own, remotePod.node);
    receive(fromNode, 6);
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: own });
    datapath.clearConnections();
    // Who says that it is a pod is one, whatever its address.
    receive(fromNode, remotePod.identity);
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: remotePod.identity });
  });

  it("hands packets for the node to its stack", () => {
    const { verdict, data } = receive(ipv4Packet({ source: remotePod.ip, destination: hostIp }), remotePod.identity);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data).destinationMac).toBe(hostMac);
  });

  it.each([
    [
      "an address that nobody has here",
      () => ipv4Packet({ source: remotePod.ip, destination: "10.244.0.99" }),
      1003,
      "151 from_overlay.bpf.c ingress",
    ],
    ["this node's own identity from outside", () => toClient(remotePod.ip), 1, "171 from_overlay.bpf.c ingress"],
    ["no identity", () => toClient(remotePod.ip), 0, "171 from_overlay.bpf.c ingress"],
    ["IPv6", () => ipv6Frame, 1003, "139 from_overlay.bpf.c ingress"],
    ["a broken header", () => toClient(remotePod.ip, { ihl: 3 }), 1003, "134 parse.h ingress"],
  ] as const)("drops %s", (_name, packet, vni, expected) => {
    expect(receive(packet(), vni).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual([expected]);
    expect(toldDrops(datapath)).toEqual([expected]);
  });

  it("drops a packet without tunnel metadata", () => {
    expect(datapath.run("fromOverlay", toClient(remotePod.ip)).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["147 from_overlay.bpf.c ingress"]);
  });
});

import { createSocket } from "node:dgram";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeDevice, encodeNonMasqueraded } from "../../src/datapath/entries.js";
import { collectNatGarbage } from "../../src/datapath/nat-garbage.js";
import { readEntries } from "../../src/datapath/table.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { DatapathHarness, hostIp, LOOPBACK_IFINDEX, nodeIp, pod, remotePod, tc, worldIp } from "./harness.js";
import { internetChecksum, ipv4Packet, parseFrame, proto, tcpFlag } from "./packet-builder.js";
import { u32 } from "./u32.js";

const { client, server } = pod;
const SNAT_DONE = 0x300;
const ROUTABLE_NODEPORT = 0x42;
const SOURCE_RANGE = 0x80;
const outsider = "203.0.113.7";
const echo = (type: number, id: number) => ({ type, rest: Buffer.from([id >> 8, id & 0xff, 0, 1]) });

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ ipMasqAgent: true });
});
beforeEach(() => {
  datapath.reset();
  datapath.addHost(nodeIp);
  const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ipv4: IpAddress.parse(nodeIp) });
  datapath.get("cts_devices").update(device.key, device.value);
});
afterAll(() => datapath[Symbol.dispose]());

const leave = (options: object = {}, mark = 0) =>
  datapath.run("toNetdev", ipv4Packet({ source: client.ip, destination: worldIp, sourcePort: 40_001, ...options }), {
    mark,
  });
const arrive = (options: object = {}) =>
  datapath.run("fromNetdev", ipv4Packet({ source: worldIp, destination: nodeIp, ...options }));
const right = { ipChecksumIsRight: true, l4ChecksumIsRight: true };

describe("to-netdev: masquerading", () => {
  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("gives what a pod sends to the world the node's address: %s", (_name, protocol) => {
    const { verdict, data, mark } = leave({ protocol });
    expect([verdict, mark]).toEqual([tc.next, SNAT_DONE]);
    expect(parseFrame(data)).toMatchObject({ source: nodeIp, sourcePort: 40_001, destination: worldIp, ...right });
    expect(datapath.translations()).toEqual([
      `IN ${worldIp}:80 > ${nodeIp}:40001 = ${client.ip}:40001`,
      `OUT ${client.ip}:40001 > ${worldIp}:80 = ${nodeIp}:40001`,
    ]);
  });

  it("keeps the translation for the packets that follow", () => {
    leave();
    const { data } = leave({ tcpFlags: tcpFlag.ack });
    expect(parseFrame(data)).toMatchObject({ source: nodeIp, sourcePort: 40_001, ...right });
    expect(datapath.translations()).toHaveLength(2);
  });

  it("moves ports below its own range up, and another pod's equal one aside", () => {
    const low = parseFrame(leave({ sourcePort: 1024 }).data).sourcePort;
    expect(low).toBeGreaterThan(32_767);
    leave();
    const other = parseFrame(leave({ source: server.ip }).data);
    expect(other).toMatchObject({ source: nodeIp, ...right });
    expect(other.sourcePort).not.toBe(40_001);
  });

  it("translates the identifier of an echo", () => {
    leave({ protocol: proto.icmp, icmp: echo(8, 77) });
    leave({ source: server.ip, protocol: proto.icmp, icmp: echo(8, 77) });
    const outs = datapath.translations().filter((line) => line.startsWith("OUT"));
    expect(outs[0]).toBe(`OUT ${client.ip}:77 > ${worldIp}:0 = ${nodeIp}:77`);
    expect(outs[1]).toMatch(`OUT ${server.ip}:77 > ${worldIp}:0 = ${nodeIp}:`);
    expect(outs[1]).not.toMatch(/:77$/);
  });

  it("drops an echo's answer that nobody has asked for: its identifier is the asker's", () => {
    expect(leave({ protocol: proto.icmp, icmp: echo(0, 77) }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["168 to_netdev.bpf.c egress"]);
    expect(datapath.translations()).toEqual([]);
  });

  it.each([
    ["other pods of the node's range", () => leave({ destination: "10.244.0.99" })],
    ["pods of other nodes", () => leave({ destination: remotePod.ip })],
    ["what was translated already", () => leave({}, SNAT_DONE)],
    ["what the node itself sends", () => leave({ source: nodeIp })],
  ])("leaves alone %s", (_name, send) => {
    expect(send().verdict).toBe(tc.next);
    expect(datapath.translations()).toEqual([]);
  });

  it("leaves other nodes alone, and what the user's list names", () => {
    datapath.addIpcache("172.18.0.3/32", 6);
    leave({ destination: "172.18.0.3" });
    const excluded = encodeNonMasqueraded(IpPrefix.parse("192.0.2.0/24"));
    datapath.get("cilium_ipmasq_v4").update(excluded.key, excluded.value);
    expect(parseFrame(leave().data)).toMatchObject({ source: client.ip, ...right });
    expect(datapath.translations()).toEqual([]);
  });

  it("leaves a pod's answers to whoever dialled it alone", () => {
    datapath.run(
      "toContainer",
      ipv4Packet({ source: worldIp, destination: client.ip, sourcePort: 80, destinationPort: 8080 }),
    );
    const answer = leave({ sourcePort: 8080, destinationPort: 80, tcpFlags: tcpFlag.syn | tcpFlag.ack });
    expect(parseFrame(answer.data)).toMatchObject({ source: client.ip, sourcePort: 8080 });
    expect(datapath.translations()).toEqual([]);
  });

  it("takes no port that the node has a socket on", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "0.0.0.0", resolve));
    const { port } = socket.address();
    const used = parseFrame(leave({ protocol: proto.udp, sourcePort: port }).data).sourcePort;
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    expect(used).not.toBe(port);
  });

  it("lets a connection of the node's own step aside for a translated one", () => {
    leave();
    const own = parseFrame(leave({ source: nodeIp }).data);
    expect(own.source).toBe(nodeIp);
    expect(own.sourcePort).not.toBe(40_001);
    expect(own).toMatchObject(right);
    const next = parseFrame(leave({ source: nodeIp, tcpFlags: tcpFlag.ack }).data);
    expect(next.sourcePort).toBe(own.sourcePort);
    expect(parseFrame(arrive({ sourcePort: 80, destinationPort: own.sourcePort, tcpFlags: 0x12 }).data)).toMatchObject({
      destination: nodeIp,
      destinationPort: 40_001,
      ...right,
    });
  });

  it("counts tries, and drops when no port is free", () => {
    using tight = new DatapathHarness({ nodePortRange: { first: 30_000, last: 65_533 } });
    tight.addHost(nodeIp);
    const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ipv4: IpAddress.parse(nodeIp) });
    tight.get("cts_devices").update(device.key, device.value);
    const verdicts = [1, 2, 3].map(
      (sourcePort) =>
        tight.run("toNetdev", ipv4Packet({ source: client.ip, destination: worldIp, sourcePort })).verdict,
    );
    expect(verdicts).toEqual([tc.next, tc.next, tc.shot]);
    expect(tight.drops()).toEqual(["167 nat.h egress"]);
    const retries = [...readEntries(tight.get("cilium_snat_v4_alloc_retries"))].map(({ value }) =>
      Array.from({ length: value.length / 8 }, (_, cpu) => value.readUInt32LE(cpu * 8)).reduce(
        (sum, count) => sum + count,
        0,
      ),
    );
    expect(retries).toHaveLength(33);
    expect(retries.reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(retries[32]).toBe(1);
  });

  it("masquerades nothing where the setting says so", () => {
    using off = new DatapathHarness({ masqueradeIpv4: false });
    off.run("toNetdev", ipv4Packet({ source: client.ip, destination: worldIp }));
    expect(off.translations()).toEqual([]);
  });
});

describe("from-netdev: what comes back", () => {
  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("brings answers to the pod: %s", (_name, protocol) => {
    datapath.run(
      "fromContainer",
      ipv4Packet({ source: client.ip, destination: worldIp, sourcePort: 40_001, protocol }),
    );
    leave({ protocol });
    const { verdict, data } = arrive({ sourcePort: 80, destinationPort: 40_001, protocol, tcpFlags: 0x12 });
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({
      source: worldIp,
      destination: client.ip,
      destinationPort: 40_001,
      destinationMac: client.mac.replaceAll(":", ""),
      ttl: 63,
      ...right,
    });
  });

  it("brings ICMP errors to the pod, what they quote translated", () => {
    datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: worldIp, sourcePort: 1024 }));
    const sent = leave({ sourcePort: 1024 }).data.subarray(14);
    const { verdict, data } = arrive({
      source: "198.51.100.1",
      protocol: proto.icmp,
      icmp: { type: 3, code: 4, rest: Buffer.from([0, 0, 5, 0x78]) },
      payload: sent.subarray(0, 28),
    });
    expect(verdict).toBe(tc.redirect);
    const icmp = data.subarray(34);
    const quoted = icmp.subarray(8);
    expect(parseFrame(data)).toMatchObject({ destination: client.ip, ipChecksumIsRight: true });
    expect(internetChecksum(icmp)).toBe(0);
    expect(internetChecksum(quoted.subarray(0, 20))).toBe(0);
    expect([quoted.subarray(12, 16).join("."), quoted.readUInt16BE(20)]).toEqual([client.ip, 1024]);
  });

  it("leaves the node's own packets to its stack", () => {
    expect(arrive({ destinationPort: 22 }).verdict).toBe(tc.next);
    expect(arrive({ protocol: proto.gre }).verdict).toBe(tc.next);
    expect(datapath.metrics()).toEqual([]);
  });

  it("delivers to a pod that is dialled by its address, as the world", () => {
    expect(arrive({ destination: server.ip }).verdict).toBe(tc.redirect);
    expect(datapath.connection("in")).toMatchObject({ sourceIdentity: 2 });
  });

  it.each([
    ["a pod of this node", client.ip],
    ["the node itself", hostIp],
    ["a pod behind the tunnel", remotePod.ip],
  ])("drops what claims to come from %s", (_name, source) => {
    expect(arrive({ source, destination: server.ip }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["132 from_netdev.bpf.c ingress"]);
  });
});

describe("native routing", () => {
  it("takes other nodes' pods at their addresses and does not masquerade for them", () => {
    using native = new DatapathHarness({ routingMode: "native", ipv4NativeRoutingCidr: IpPrefix.parse("10.0.0.0/8") });
    const packet = ipv4Packet({ source: remotePod.ip, destination: server.ip });
    expect(native.run("fromNetdev", packet).verdict).toBe(tc.redirect);
    expect(native.connection("in")).toMatchObject({ sourceIdentity: remotePod.identity });
    native.run("toNetdev", ipv4Packet({ source: client.ip, destination: "10.99.0.1" }));
    expect(native.translations()).toEqual([]);
    // No tunnel: the routes of this test's network namespace decide, and loopback does not forward.
    expect(native.run("fromContainer", ipv4Packet({ source: client.ip, destination: remotePod.ip })).verdict).toBe(
      tc.next,
    );
  });
});

describe("node ports from outside", () => {
  const dial = (options: object = {}) =>
    arrive({ source: outsider, sourcePort: 50_000, destinationPort: 30_080, ...options });
  const expose = (backend: string, flags = ROUTABLE_NODEPORT): void =>
    datapath.addService([backend], { vip: nodeIp, port: 30_080, flags });

  it("reach a backend on this node with the client's own address, and answer from the frontend", () => {
    expose(`${server.ip}:8080`);
    const { verdict, data } = dial();
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({
      source: outsider,
      destination: server.ip,
      destinationPort: 8080,
      ...right,
    });
    expect(datapath.connection("in")).toMatchObject({ flagNames: ["NodePort"] });
    datapath.relabel(server, LOOPBACK_IFINDEX, server.identity);
    const answer = datapath.run(
      "fromContainer",
      ipv4Packet({
        source: server.ip,
        destination: outsider,
        sourcePort: 8080,
        destinationPort: 50_000,
        tcpFlags: 0x12,
      }),
    );
    expect(parseFrame(answer.data)).toMatchObject({
      source: nodeIp,
      sourcePort: 30_080,
      destination: outsider,
      ...right,
    });
  });

  it("reach a backend on another node with an address of this node, and its answers leave from the frontend", () => {
    expose(`${remotePod.ip}:8080`);
    const there = dial();
    expect(there.verdict).toBe(tc.redirect);
    const forwarded = parseFrame(there.data);
    expect(forwarded).toMatchObject({ source: hostIp, destination: remotePod.ip, destinationPort: 8080, ...right });
    expect(datapath.connection("out")).toMatchObject({ flagNames: ["NodePort"], destinationPort: 8080 });
    const next = parseFrame(dial({ tcpFlags: tcpFlag.ack }).data);
    expect(next).toMatchObject({
      source: hostIp,
      sourcePort: forwarded.sourcePort,
      destination: remotePod.ip,
      ...right,
    });
    const answer = arrive({
      source: remotePod.ip,
      destination: hostIp,
      sourcePort: 8080,
      destinationPort: forwarded.sourcePort,
      tcpFlags: 0x12,
    });
    expect(parseFrame(answer.data)).toMatchObject({
      source: nodeIp,
      sourcePort: 30_080,
      destination: outsider,
      destinationPort: 50_000,
      ...right,
    });
  });

  it("take nothing that their backends on other nodes open towards clients", () => {
    expose(`${remotePod.ip}:8080`);
    const { sourcePort } = parseFrame(dial().data);
    const opened = arrive({ source: remotePod.ip, destination: hostIp, sourcePort: 8080, destinationPort: sourcePort });
    expect(opened.verdict).toBe(tc.shot);
    expect(datapath.otherDrops()).toEqual(["167 nodeport.h ingress"]);
  });

  it("are closed for Services of the cluster's inside", () => {
    expose(`${server.ip}:8080`, 0);
    expect(dial().verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["174 from_netdev.bpf.c ingress"]);
  });

  it("are not dialled from outside in the name of a pod or of the node", () => {
    for (const backend of [server.ip, remotePod.ip]) {
      expose(`${backend}:8080`);
      for (const source of [client.ip, hostIp]) expect(dial({ source }).verdict).toBe(tc.shot);
    }
    expect(datapath.connections()).toEqual([]);
    expect(datapath.drops()).toEqual(["132 from_netdev.bpf.c ingress"]);
  });

  it.each([
    ["take the clients of the source ranges", outsider, tc.redirect, []],
    ["drop everybody else", worldIp, tc.shot, ["177 service.h ingress"]],
  ])("%s", (_name, source, verdict, drops) => {
    datapath.addService([`${server.ip}:8080`], {
      vip: nodeIp,
      port: 30_080,
      flags: ROUTABLE_NODEPORT | SOURCE_RANGE,
      sourceRanges: ["203.0.113.0/24"],
    });
    expect(dial({ source }).verdict).toBe(verdict);
    expect(datapath.drops()).toEqual(drops);
  });

  it("of a backend in the node's network answer from the frontend", () => {
    expose(`${nodeIp}:8080`);
    const { verdict, data } = dial();
    expect(verdict).toBe(tc.next);
    expect(parseFrame(data)).toMatchObject({ source: outsider, destination: nodeIp, destinationPort: 8080, ...right });
    const answer = leave({
      source: nodeIp,
      sourcePort: 8080,
      destination: outsider,
      destinationPort: 50_000,
      tcpFlags: 0x12,
    });
    expect(parseFrame(answer.data)).toMatchObject({ source: nodeIp, sourcePort: 30_080, ...right });
  });
});

describe("NAT garbage", () => {
  const makeOld = (): void => {
    const map = datapath.get("cilium_snat_v4_external");
    for (const { key, value } of [...readEntries(map)]) {
      const old = Buffer.from(value);
      old.writeBigUInt64LE(0n, 0);
      map.update(key, old);
    }
  };

  it("goes with the connection and not before", async () => {
    datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: worldIp, sourcePort: 40_001 }));
    leave();
    makeOld();
    expect(await collectNatGarbage(datapath)).toMatchObject({ scanned: 2, deleted: 0 });
    datapath.clearConnections();
    expect(await collectNatGarbage(datapath)).toMatchObject({ scanned: 2, deleted: 2 });
    expect(datapath.translations()).toEqual([]);
  });

  it("spares what was written just now", async () => {
    leave();
    expect(await collectNatGarbage(datapath)).toMatchObject({ deleted: 0 });
  });

  it("spares node ports of both kinds of backends while their connections live", async () => {
    datapath.addService([`${nodeIp}:8080`], { vip: nodeIp, port: 30_080, flags: ROUTABLE_NODEPORT });
    arrive({ source: outsider, sourcePort: 50_000, destinationPort: 30_080 });
    datapath.get("cilium_lb4_backends_v3").delete(u32(1));
    datapath.addService([`${remotePod.ip}:8080`], {
      vip: nodeIp,
      port: 30_081,
      flags: ROUTABLE_NODEPORT,
      serviceId: 6,
    });
    arrive({ source: outsider, sourcePort: 50_001, destinationPort: 30_081 });
    makeOld();
    expect(await collectNatGarbage(datapath)).toMatchObject({ scanned: 3, deleted: 0 });
  });
});

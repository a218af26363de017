import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DatapathHarness, pod, remotePod, tc, vip } from "./harness.js";
import { ipv4Packet, parseFrame, proto, tcpFlag } from "./packet-builder.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ serviceNoBackendResponse: "drop" });
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const { client, server } = pod;
const { syn, ack, fin } = tcpFlag;
const dial = (options: object = {}) =>
  datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: vip, destinationPort: 80, ...options }));

describe("Services per packet", () => {
  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("sends %s to the backend, checksums right", (_name, protocol) => {
    datapath.addService([`${server.ip}:8080`], { protocol });
    const { verdict, data } = dial({ protocol, payload: Buffer.from("hello") });
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({
      destination: server.ip,
      destinationPort: 8080,
      ipChecksumIsRight: true,
      l4ChecksumIsRight: true,
    });
  });

  it("leaves a UDP checksum of zero alone", () => {
    datapath.addService([`${server.ip}:8080`], { protocol: proto.udp });
    const { data } = dial({ protocol: proto.udp, udpChecksum: "zero" });
    expect(data.readUInt16BE(14 + 20 + 6)).toBe(0);
    expect(parseFrame(data).destinationPort).toBe(8080);
  });

  it("remembers frontend and backend in a service entry, and the way back in the connection's", () => {
    datapath.addService([`${server.ip}:8080`]);
    dial();
    expect(datapath.connection("service")).toMatchObject({
      backendId: 1n,
      revNatId: 5,
      destinationPort: 80,
      sourceIdentity: 0,
    });
    expect(datapath.connection("service")?.destination.text).toBe(vip);
    expect(datapath.connection("out")).toMatchObject({ revNatId: 5, destinationPort: 8080 });
  });

  it("spreads new connections over all backends", () => {
    datapath.addService(Array.from({ length: 4 }, (_, index) => `10.244.1.${20 + index}:8080`));
    const seen = new Set<string>();
    for (let port = 1000; port < 1100; port++) seen.add(parseFrame(dial({ sourcePort: port }).data).destination);
    expect(seen.size).toBe(4);
  });

  it("keeps a connection on its backend, even when the Service has lost it", () => {
    datapath.addService([`${server.ip}:8080`]);
    dial();
    datapath.addService([`${remotePod.ip}:9090`], { serviceId: 5 });
    // The backend's own entry stays until no connection refers to it; its id is not handed out again.
    datapath.addService([`${server.ip}:8080`]);
    expect(parseFrame(dial({ tcpFlags: ack }).data).destination).toBe(server.ip);
  });

  it("lets an established connection go on when no backend is left, and refuses a new one", () => {
    datapath.addService([`${server.ip}:8080`]);
    dial();
    datapath.addService([]);
    expect(parseFrame(dial({ tcpFlags: ack }).data).destination).toBe(server.ip);
    expect(dial({ sourcePort: 41_000 }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["158 service.h egress"]);
  });

  it("chooses again when the backend's entry is gone", () => {
    datapath.addService([`${server.ip}:8080`, `${remotePod.ip}:8080`]);
    dial();
    const first = Number(datapath.connection("service")!.backendId);
    datapath.removeBackend(first);
    const verdicts = Array.from({ length: 20 }, () => dial({ tcpFlags: ack }).verdict);
    expect(verdicts).toContain(tc.redirect);
    expect(Number(datapath.connection("service")!.backendId)).toBe(3 - first);
  });

  it("chooses again for a new connection on old ports", () => {
    datapath.addService([`${server.ip}:8080`]);
    dial({ tcpFlags: syn });
    dial({ tcpFlags: fin | ack });
    datapath.addService([`${remotePod.ip}:8080`]);
    expect(parseFrame(dial({ tcpFlags: syn }).data).destination).toBe(remotePod.ip);
  });

  it.each([
    ["a Service without backends", () => datapath.addService([]), 80, "158 service.h egress"],
    [
      "a port that the Service does not have",
      () => datapath.addService([`${server.ip}:8080`]),
      81,
      "158 from_container.bpf.c egress",
    ],
  ])("drops a packet for %s", (_name, prepare, destinationPort, expected) => {
    prepare();
    expect(dial({ destinationPort }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual([expected]);
  });

  it("gives the reply the frontend's address back", () => {
    datapath.addService([`${server.ip}:8080`]);
    dial();
    datapath.addPod(server, 1);
    const answer = ipv4Packet({
      source: server.ip,
      destination: client.ip,
      sourcePort: 8080,
      destinationPort: 40_000,
      tcpFlags: syn | ack,
    });
    const { verdict, data } = datapath.run("fromContainer", answer);
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame(data)).toMatchObject({
      source: vip,
      sourcePort: 80,
      ipChecksumIsRight: true,
      l4ChecksumIsRight: true,
    });
  });

  it.each([
    ["over the Service after a direct one", false, vip, 80],
    ["direct after one over the Service", true, server.ip, 8080],
  ])("gives the reply the right address when the same ports go %s", (_name, serviceFirst, source, sourcePort) => {
    const udp = { protocol: proto.udp };
    datapath.addService([`${server.ip}:8080`], udp);
    const direct = () => dial({ ...udp, destination: server.ip, destinationPort: 8080 });
    if (serviceFirst) dial(udp);
    direct();
    if (!serviceFirst) dial(udp);
    datapath.addPod(server, 1);
    const answer = { source: server.ip, destination: client.ip, sourcePort: 8080, destinationPort: 40_000, ...udp };
    expect(parseFrame(datapath.run("fromContainer", ipv4Packet(answer)).data)).toMatchObject({ source, sourcePort });
  });

  it("reaches the pod itself when it is the backend, from an address that its stack takes, and back", () => {
    datapath.addService([`${client.ip}:8080`]);
    datapath.setPolicy(client.id, []);
    const there = dial();
    expect(there.verdict).toBe(tc.redirect);
    expect(parseFrame(there.data)).toMatchObject({
      source: "169.254.42.1",
      sourcePort: 40_000,
      destination: client.ip,
      destinationPort: 8080,
      destinationMac: client.mac.replaceAll(":", ""),
      ttl: 63,
      ipChecksumIsRight: true,
      l4ChecksumIsRight: true,
    });
    expect(datapath.connection("in")).toMatchObject({ revNatId: 5, flagNames: ["LBLoopback"] });
    const answer = {
      source: client.ip,
      destination: "169.254.42.1",
      sourcePort: 8080,
      destinationPort: 40_000,
      tcpFlags: syn | ack,
    };
    const back = datapath.run("fromContainer", ipv4Packet(answer));
    expect(back.verdict).toBe(tc.redirect);
    expect(parseFrame(back.data)).toMatchObject({
      source: vip,
      sourcePort: 80,
      destination: client.ip,
      destinationPort: 40_000,
      ipChecksumIsRight: true,
      l4ChecksumIsRight: true,
    });
    expect(dial({ tcpFlags: ack }).verdict).toBe(tc.redirect);
    expect(
      datapath
        .connections()
        .map((row) => row.direction)
        .sort(),
    ).toEqual(["in", "service"]);
  });

  it("drops what a pod sends to the address of its own connections without having one", () => {
    expect(dial({ destination: "169.254.42.1", destinationPort: 40_000 }).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["151 hairpin.h egress"]);
  });

  it("leaves the reply of a direct connection alone", () => {
    datapath.addService([`${server.ip}:8080`]);
    datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, destinationPort: 8080 }));
    datapath.addPod(server, 1);
    const answer = ipv4Packet({
      source: server.ip,
      destination: client.ip,
      sourcePort: 8080,
      destinationPort: 40_000,
      tcpFlags: syn | ack,
    });
    expect(parseFrame(datapath.run("fromContainer", answer).data)).toMatchObject({
      source: server.ip,
      sourcePort: 8080,
    });
  });

  it("translates the address of later fragments by the ports of the first", () => {
    datapath.addService([`${server.ip}:8080`], { protocol: proto.udp });
    dial({ protocol: proto.udp, identification: 9, fragment: 0x2000, payload: Buffer.alloc(64) });
    const later = dial({ protocol: proto.udp, identification: 9, fragment: 0x0009, payload: Buffer.alloc(64) });
    expect(parseFrame(later.data)).toMatchObject({ destination: server.ip, ipChecksumIsRight: true });
    expect(later.data.subarray(34)).toEqual(Buffer.alloc(64));
  });
});

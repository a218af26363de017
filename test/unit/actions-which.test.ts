import { describe, expect, test } from "vitest";
import { type ConnectionFacts, findConnections } from "../../src/actions/which/connections.js";
import { IpAddress } from "../../src/lib/ip.js";
import type { CtRow, LbBackendRow, LbServiceRow, SockRevNatRow } from "../../src/model/rows.js";
import type { SocketRow } from "../../src/model/sockets.js";

const ip = (text: string) => IpAddress.parse(text);
const client = ip("10.244.0.2");
const backend = ip("10.244.1.3");
const frontend = ip("10.96.0.80");
const now = 1000;

const socket: SocketRow = {
  podAddresses: [client],
  protocol: 6,
  state: "established",
  local: client,
  localPort: 40_000,
  peer: backend,
  peerPort: 8080,
  cookie: 7n,
  pid: 99,
  command: "curl",
};
const clock = { nowSeconds: now, jiffiesHz: undefined };
const entry: CtRow = {
  layout: { release: "1.20", hasRxCounters: false, unknownFields: [] },
  clock,
  map: "tcp4",
  protocol: 6,
  direction: "out",
  isRelated: false,
  source: client,
  sourcePort: 40_000,
  destination: backend,
  destinationPort: 8080,
  state: "established",
  expiresAtSeconds: now + 60,
  packets: 0n,
  bytes: 0n,
  rxFlagsSeen: 0,
  txFlagsSeen: 0,
  lastRxReportSeconds: 0,
  lastTxReportSeconds: 0,
  flags: 0,
  flagNames: [],
  revNatId: 0,
  sourceIdentity: 0,
  backendId: 0n,
  union0: 0n,
};
const reverse: SockRevNatRow = {
  release: "1.20",
  cookie: 7n,
  backend,
  backendPort: 8080,
  frontend,
  frontendPort: 80,
  revNatId: 4,
};
const master: LbServiceRow = {
  release: "1.20",
  address: frontend,
  port: 80,
  protocol: 6,
  scope: "external",
  slot: 0,
  union0: 0,
  backendId: 0,
  count: 1,
  quarantinedCount: 0,
  revNatId: 4,
  flags: 0,
  flags2: 0,
  serviceType: "ClusterIP",
  flagTexts: [],
  affinityTimeoutSeconds: 0,
  algorithm: "default",
  l7ProxyPort: 0,
};
const slot: LbServiceRow = { ...master, slot: 1, backendId: 3, backend: { address: backend, port: 8080, protocol: 6 } };
const backendRow: LbBackendRow = {
  release: "1.20",
  backendId: 3,
  address: backend,
  port: 8080,
  protocol: 6,
  state: "active",
  clusterId: 0,
  zone: 0,
};

function find(facts: Partial<ConnectionFacts>) {
  return findConnections({
    conntrack: [],
    sockets: [],
    socketReverseNat: [],
    services: [master, slot],
    backends: [backendRow],
    clock,
    ...facts,
  });
}

test("a connection over IPv6 of a pod with both families has the pod's IPv6 address, and the entry that belongs to it", () => {
  const [own, peer] = [ip("fd00:10:244::2"), ip("fd00:10:244:1::3")];
  const overIpv6 = { ...socket, podAddresses: [client, own], local: own, peer };
  const found = find({ sockets: [overIpv6], conntrack: [{ ...entry, map: "tcp6", source: own, destination: peer }] });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ source: own, verdict: "direct" });
});

describe("findConnections", () => {
  test("a live socket with an entry in the reverse map dialled that frontend", () => {
    const [found, ...others] = find({ sockets: [socket], socketReverseNat: [reverse], conntrack: [entry] });
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      verdict: "through-service",
      isLive: true,
      frontend: { port: 80 },
      backend: { port: 8080 },
    });
    expect(found?.frontend?.address.text).toBe("10.96.0.80");
    expect(found?.evidence.join("\n")).toContain("cilium_lb4_reverse_sk: cookie 7");
    expect(found?.evidence.join("\n")).toContain(
      "conntrack OUT 10.244.0.2:40000 -> 10.244.1.3:8080 established, 60 s left",
    );
  });

  test("another socket's entry proves nothing about this one", () => {
    const [found] = find({ sockets: [socket], socketReverseNat: [{ ...reverse, cookie: 8n }] });
    expect(found).toMatchObject({ verdict: "direct", frontend: undefined });
  });

  test("a live socket without an entry dialled the backend itself", () => {
    const [found] = find({ sockets: [socket] });
    expect(found).toMatchObject({ verdict: "direct", isLive: true });
    expect(found?.evidence[0]).toContain("socket established of curl(99); cookie 7 has no entry");
  });

  test("without cookies nothing is proven, at best likely", () => {
    const sockets = [{ ...socket, cookie: undefined }];
    expect(find({ sockets })[0]?.verdict).toBe("undecided");
    expect(find({ sockets, socketReverseNat: [reverse] })[0]?.verdict).toBe("likely-through-service");
  });

  test("translation packet by packet: the socket's peer is the frontend, conntrack's service entry names the backend", () => {
    const service: CtRow = {
      ...entry,
      direction: "service",
      destination: frontend,
      destinationPort: 80,
      backendId: 3n,
      revNatId: 4,
    };
    const out: CtRow = { ...entry, revNatId: 4 };
    const found = find({ sockets: [{ ...socket, peer: frontend, peerPort: 80 }], conntrack: [service, out] });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ verdict: "through-service", frontend: { port: 80 }, backend: { port: 8080 } });
    expect(found[0]?.evidence).toContain("conntrack SVC 10.96.0.80:80 has backend 3 = 10.244.1.3:8080");
  });

  test("the socket is gone, the RevNAT of its entry is left", () => {
    const [found] = find({ conntrack: [{ ...entry, revNatId: 4, state: "closed" }] });
    expect(found).toMatchObject({ verdict: "through-service", isLive: false, frontend: { port: 80 } });
    expect(found?.evidence[0]).toContain("its RevNAT 4 is 10.96.0.80:80");
  });

  test("the socket is gone: what all others dialled is likely", () => {
    const [found] = find({ conntrack: [{ ...entry, state: "closing" }], socketReverseNat: [reverse] });
    expect(found).toMatchObject({ verdict: "likely-through-service", isLive: false, frontend: { port: 80 } });
  });

  test("the socket is gone and the others do not agree: undecided, with what could have been", () => {
    const other = { ...reverse, cookie: 9n, frontend: ip("10.96.0.81") };
    const [found] = find({ conntrack: [entry], socketReverseNat: [reverse, other] });
    expect(found).toMatchObject({ verdict: "undecided", isLive: true });
    expect(found?.evidence[1]).toContain("whether 10.96.0.80:80 or the backend itself was dialled is not known");
  });

  test("an unconnected UDP socket went wherever the reverse map says", () => {
    const udp: SocketRow = { ...socket, protocol: 17, state: "unconnected", peer: ip("0.0.0.0"), peerPort: 0 };
    const second = { ...reverse, backend: ip("10.244.1.4") };
    const found = find({ sockets: [udp], socketReverseNat: [reverse, second] });
    expect(found.map((connection) => connection.backend.address.text)).toEqual(["10.244.1.3", "10.244.1.4"]);
  });

  test("listeners and related ICMP errors are no connections", () => {
    expect(
      find({ sockets: [{ ...socket, state: "listen", peerPort: 0 }], conntrack: [{ ...entry, isRelated: true }] }),
    ).toEqual([]);
  });

  test("an expired entry is not live, whatever its state", () => {
    const [found] = find({ conntrack: [{ ...entry, expiresAtSeconds: now - 1 }] });
    expect(found?.isLive).toBe(false);
  });
});

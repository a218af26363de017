import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { HOST_ENDPOINT_ID } from "../../src/model/host-endpoint.js";
import { DatapathHarness, hostIp, ip6, nodeIp, pod, remotePod, tc, worldIp } from "./harness.js";
import { ipv4Packet, ipv6Packet, proto, tcpFlag } from "./packet-builder.js";

const { client, server } = pod;
const otherNode = "172.18.0.3";
const WORLD = 9;
const REMOTE_NODE = 6;
const SNAT_DONE = 0x300;

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableHostFirewall: true, enableIpv6: true });
});
beforeEach(() => {
  datapath.reset();
  datapath.addHost(nodeIp);
  datapath.addIp6();
  datapath.addIpcache("0.0.0.0/0", WORLD);
  datapath.addIpcache(`${otherNode}/32`, REMOTE_NODE);
  datapath.addIpcache(`${client.ip}/32`, client.identity);
});
afterAll(() => datapath[Symbol.dispose]());

function rule(direction: PolicyEntry["direction"], identity: number, port = 0): PolicyEntry {
  const ports =
    port === 0 ? { protocol: 0, port, portPrefixLength: 0 } : { protocol: proto.tcp, port, portPrefixLength: 16 };
  return { direction, identity, ...ports, verdict: "allow" };
}
const setPolicy = (...entries: readonly PolicyEntry[]) => datapath.setPolicy(HOST_ENDPOINT_ID, entries);

type Ends = Parameters<typeof ipv4Packet>[0];
/** What the node's processes send and receive, at each place where it leaves or reaches them. */
const places = {
  "from the network": { direction: "ingress", peer: worldIp, identity: WORLD, program: "fromNetdev" },
  "from a pod": { direction: "ingress", peer: client.ip, identity: client.identity, program: "toHost" },
  "from a pod of another node": {
    direction: "ingress",
    peer: remotePod.ip,
    identity: remotePod.identity,
    program: "toHost",
  },
  "to the network": { direction: "egress", peer: worldIp, identity: WORLD, program: "toNetdev" },
  "to a pod": { direction: "egress", peer: server.ip, identity: server.identity, program: "fromHost" },
  "to a pod of another node": {
    direction: "egress",
    peer: remotePod.ip,
    identity: remotePod.identity,
    program: "fromHost",
  },
} as const;

/** A packet between the node and its peer: `forward` as the place has it, else the answer, at the place where that passes. */
function send(place: keyof typeof places, options: Omit<Ends, "source" | "destination"> & { forward?: boolean } = {}) {
  const { direction, peer, program } = places[place];
  const { forward = true, ...rest } = options;
  const own = program === "fromNetdev" || program === "toNetdev" ? nodeIp : hostIp;
  const isFromNode = (direction === "egress") === forward;
  const opposite = { fromNetdev: "toNetdev", toNetdev: "fromNetdev", toHost: "fromHost", fromHost: "toHost" } as const;
  const ends = isFromNode ? { source: own, destination: peer } : { source: peer, destination: own };
  return datapath.run(
    forward ? program : opposite[program],
    ipv4Packet({ ...ends, sourcePort: 40_001, destinationPort: 22, ...rest }),
  );
}
const answer = { forward: false, sourcePort: 22, destinationPort: 40_001, tcpFlags: tcpFlag.syn | tcpFlag.ack };
const isDropped = ({ verdict }: { readonly verdict: number }) => verdict === tc.shot;

describe.each(Object.keys(places) as (keyof typeof places)[])("the node's own traffic %s", (place) => {
  const { direction, identity } = places[place];

  it("passes until the node's policy is there: the agent itself needs the network", () => {
    datapath.removePolicy(HOST_ENDPOINT_ID);
    expect(isDropped(send(place))).toBe(false);
  });

  it("is denied where no rule allows it, and counted as such", () => {
    setPolicy(rule(direction === "ingress" ? "egress" : "ingress", 0));
    expect(isDropped(send(place))).toBe(true);
    expect(datapath.drops()).toEqual([`133 policy.h ${direction}`]);
  });

  it("is allowed by identity and port, and answers follow their connection", () => {
    setPolicy(rule(direction, identity, 22));
    expect(isDropped(send(place))).toBe(false);
    expect(isDropped(send(place, { destinationPort: 23 }))).toBe(true);
    // Nothing is allowed the other way round but what answers.
    expect(isDropped(send(place, answer))).toBe(false);
    expect(isDropped(send(place, { ...answer, sourcePort: 23 }))).toBe(true);
    setPolicy(rule(direction, identity + 1));
    expect(isDropped(send(place, { tcpFlags: tcpFlag.ack }))).toBe(true);
  });
});

describe("the node's policy", () => {
  it("has nothing to say of what pods send and receive", () => {
    setPolicy();
    const through = ipv4Packet({ source: client.ip, destination: remotePod.ip });
    expect(isDropped(datapath.run("toNetdev", through))).toBe(false);
    expect(isDropped(datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip })))).toBe(
      false,
    );
    expect(isDropped(datapath.run("fromHost", ipv4Packet({ source: remotePod.ip, destination: server.ip })))).toBe(
      false,
    );
  });

  it("leaves translated packets alone: they are their senders'", () => {
    setPolicy();
    const masqueraded = ipv4Packet({ source: nodeIp, destination: worldIp });
    expect(isDropped(datapath.run("toNetdev", masqueraded, { mark: SNAT_DONE }))).toBe(false);
  });

  it("lets tunnels between nodes pass, and nobody else on their port", () => {
    setPolicy();
    const tunnel = (peer: string) => ({ protocol: proto.udp, sourcePort: 50_000, destinationPort: 8472, source: peer });
    expect(isDropped(datapath.run("fromNetdev", ipv4Packet({ ...tunnel(otherNode), destination: nodeIp })))).toBe(
      false,
    );
    expect(isDropped(datapath.run("fromNetdev", ipv4Packet({ ...tunnel(worldIp), destination: nodeIp })))).toBe(true);
    expect(isDropped(datapath.run("toNetdev", ipv4Packet({ ...tunnel(nodeIp), destination: otherNode })))).toBe(false);
    expect(isDropped(datapath.run("toNetdev", ipv4Packet({ ...tunnel(nodeIp), destination: worldIp })))).toBe(true);
  });

  it("takes ICMP errors about connections that it allowed, and no others", () => {
    setPolicy(rule("egress", WORLD, 22));
    const sent = { source: nodeIp, destination: worldIp, sourcePort: 40_001, destinationPort: 22 };
    datapath.run("toNetdev", ipv4Packet(sent));
    const about = (quoted: Ends) =>
      ipv4Packet({
        source: "203.0.113.1",
        destination: nodeIp,
        protocol: proto.icmp,
        icmp: { type: 3, code: 3 },
        payload: ipv4Packet(quoted).subarray(14),
      });
    expect(isDropped(datapath.run("fromNetdev", about(sent)))).toBe(false);
    expect(isDropped(datapath.run("fromNetdev", about({ ...sent, destinationPort: 23 })))).toBe(true);
  });

  it("holds for IPv6 too, but for neighbours", () => {
    setPolicy(rule("ingress", 2, 22));
    const to = (destinationPort: number) => ipv6Packet({ source: ip6.world, destination: ip6.host, destinationPort });
    expect(isDropped(datapath.run("fromNetdev", to(22)))).toBe(false);
    expect(isDropped(datapath.run("fromNetdev", to(23)))).toBe(true);
    const answers = ipv6Packet({ source: ip6.host, destination: ip6.world, sourcePort: 22, tcpFlags: tcpFlag.ack });
    expect(isDropped(datapath.run("toNetdev", answers))).toBe(true);
  });

  it("is not passed by what it cannot read: other protocols, too many extension headers, parts without a first one", () => {
    setPolicy(rule("ingress", 0, 22));
    const ends = { source: worldIp, destination: nodeIp, destinationPort: 22 };
    const header = { number: 60, bytes: Buffer.from("0000010400000000", "hex") };
    const hidden = (count: number) =>
      ipv6Packet({
        source: ip6.world,
        destination: ip6.host,
        destinationPort: 22,
        extensions: Array(count).fill(header),
      });
    expect(isDropped(datapath.run("fromNetdev", ipv4Packet({ ...ends, protocol: proto.gre })))).toBe(true);
    expect(isDropped(datapath.run("fromNetdev", ipv4Packet({ ...ends, fragment: 3 })))).toBe(true);
    expect([4, 5].map((count) => isDropped(datapath.run("fromNetdev", hidden(count))))).toEqual([false, true]);
    expect(datapath.drops()).toEqual(["133 policy.h ingress"]);
    setPolicy(rule("ingress", WORLD));
    expect(isDropped(datapath.run("fromNetdev", ipv4Packet({ ...ends, protocol: proto.gre })))).toBe(false);
  });

  it("takes nobody outside for the node or one of its pods", () => {
    setPolicy(rule("ingress", client.identity), rule("ingress", 1));
    for (const source of [client.ip, hostIp])
      expect(isDropped(datapath.run("fromNetdev", ipv4Packet({ source, destination: nodeIp })))).toBe(true);
    expect(datapath.drops()).toEqual(["132 from_netdev.bpf.c ingress"]);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { allowAll, DatapathHarness, pod, tc } from "./harness.js";
import { ipv4Packet, proto, tcpFlag } from "./packet-builder.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const { client, server } = pod;
const send = (options: object = {}) =>
  datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, ...options })).verdict;

function rule(direction: "ingress" | "egress", fields: Partial<PolicyEntry> = {}): PolicyEntry {
  return { direction, identity: 0, protocol: 0, port: 0, portPrefixLength: 0, verdict: "allow", ...fields };
}

describe("policy", () => {
  it("fails closed while an endpoint has no policy map", () => {
    datapath.removePolicy(client.id);
    expect(send()).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["203 policy.h egress"]);
  });

  it("denies what no entry allows, on the sender's side and on the receiver's", () => {
    datapath.setPolicy(client.id, []);
    expect(send()).toBe(tc.shot);
    datapath.setPolicy(client.id, allowAll);
    datapath.setPolicy(server.id, []);
    expect(send()).toBe(tc.shot);
    expect([...datapath.drops()].sort()).toEqual(["133 policy.h egress", "133 policy.h ingress"]);
  });

  it("names a deny entry apart from a missing allow", () => {
    datapath.setPolicy(client.id, [rule("egress"), rule("egress", { identity: server.identity, verdict: "deny" })]);
    expect(send()).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["181 policy.h egress"]);
  });

  it("lets a deny for any identity win over an allow for one", () => {
    datapath.setPolicy(client.id, [
      rule("egress", { identity: server.identity }),
      rule("egress", { protocol: proto.tcp, port: 80, portPrefixLength: 16, verdict: "deny" }),
    ]);
    expect(send()).toBe(tc.shot);
    expect(send({ destinationPort: 81 })).toBe(tc.redirect);
  });

  it.each([
    ["the very port", { protocol: proto.tcp, port: 80, portPrefixLength: 16 }, 80, true],
    ["another port", { protocol: proto.tcp, port: 80, portPrefixLength: 16 }, 81, false],
    ["a port inside a prefix", { protocol: proto.tcp, port: 8080, portPrefixLength: 14 }, 8083, true],
    ["a port outside a prefix", { protocol: proto.tcp, port: 8080, portPrefixLength: 14 }, 8084, false],
    ["any port of the protocol", { protocol: proto.tcp }, 12_345, true],
    ["another protocol", { protocol: proto.udp }, 80, false],
    ["the peer's identity", { identity: server.identity }, 80, true],
    ["another identity", { identity: 4242 }, 80, false],
  ] as const)("matches %s: %o, port %i → %s", (_name, fields, destinationPort, isAllowed) => {
    datapath.setPolicy(client.id, [rule("egress", fields)]);
    expect(send({ destinationPort })).toBe(isAllowed ? tc.redirect : tc.shot);
  });

  it("does not take an egress entry for an ingress one", () => {
    datapath.setPolicy(server.id, [rule("egress")]);
    expect(send()).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["133 policy.h ingress"]);
  });

  it("lets replies follow their connection, although nothing allows them", () => {
    expect(send()).toBe(tc.redirect);
    datapath.addPod(server, 1, [rule("ingress")]);
    datapath.setPolicy(client.id, [rule("egress")]);
    const answer = ipv4Packet({
      source: server.ip,
      destination: client.ip,
      sourcePort: 80,
      destinationPort: 40_000,
      tcpFlags: tcpFlag.syn | tcpFlag.ack,
    });
    expect(datapath.run("fromContainer", answer).verdict).toBe(tc.redirect);
  });

  it("checks forward packets of an established connection again", () => {
    expect(send()).toBe(tc.redirect);
    datapath.setPolicy(client.id, []);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.shot);
  });

  it("remembers what a connection was allowed until a policy changes", () => {
    expect(send()).toBe(tc.redirect);
    datapath.setPolicyUnannounced(client.id, []);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.redirect);
    // Any change asks again, that of another endpoint's policy too.
    datapath.setPolicy(server.id, allowAll);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.shot);
  });

  it("remembers nothing while a change is being made", () => {
    const change = datapath.policyEpoch.change();
    expect(send()).toBe(tc.redirect);
    datapath.setPolicyUnannounced(client.id, []);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.shot);
    change[Symbol.dispose]();
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.shot);
  });

  it("asks again when the identity at the other end changes", () => {
    datapath.setPolicy(client.id, [rule("egress", { identity: server.identity })]);
    expect(send()).toBe(tc.redirect);
    datapath.setPolicy(server.id, allowAll);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.redirect);
    datapath.relabel(server, 77, 4242);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.shot);
  });

  it("remembers for the receiver's policy too", () => {
    expect(send()).toBe(tc.redirect);
    datapath.setPolicyUnannounced(server.id, []);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.redirect);
    datapath.setPolicy(server.id, []);
    expect(send({ tcpFlags: tcpFlag.ack })).toBe(tc.shot);
  });

  it("asks for every ICMP message: one entry may stand for several types", () => {
    datapath.setPolicy(client.id, [rule("egress", { protocol: proto.icmp, port: 13, portPrefixLength: 16 })]);
    const icmp = (type: number) => send({ protocol: proto.icmp, icmp: { type } });
    expect(icmp(13)).toBe(tc.redirect);
    expect(icmp(17)).toBe(tc.shot);
  });

  it("creates no connection for a packet that it denies", () => {
    datapath.setPolicy(client.id, []);
    send();
    expect(datapath.connections()).toEqual([]);
  });
});

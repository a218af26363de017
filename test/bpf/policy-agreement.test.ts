import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CompiledPolicy } from "../../src/model/policy/compiled-policy.js";
import { decideVerdict } from "../../src/model/policy/decide-verdict.js";
import { identities, PolicyFixture } from "../support/policy-fixture.js";
import "../support/property-seed.js";
import { policies } from "../support/random-policies.js";
import { DatapathHarness, ip6, pod, tc } from "./harness.js";
import { ipv4Packet, ipv6Packet, proto } from "./packet-builder.js";

type Direction = "ingress" | "egress";

/** Entries of the harness's policy maps. */
const MAX_ENTRIES = 256;
const peers = [identities.web, identities.cart, identities.job, identities.otherWeb, identities.health];
const ports = [1, 53, 80, 81, 82, 443, 5353, 8080, 65_535];

/** The same two pods in both families. */
const families = {
  IPv4: { client: pod.client.ip, server: pod.server.ip, build: ipv4Packet, icmp: proto.icmp, types: [8, 13] },
  IPv6: { client: ip6.client, server: ip6.server, build: ipv6Packet, icmp: proto.icmpv6, types: [128, 144] },
} as const;
type Family = (typeof families)[keyof typeof families];

function packetsOf({ icmp, types }: Family) {
  return [
    ...ports.flatMap((port) => [proto.tcp, proto.udp].map((protocol) => ({ protocol, port }))),
    ...types.map((port) => ({ protocol: icmp, port })),
  ];
}

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true });
});
afterAll(() => datapath[Symbol.dispose]());

type Spec = Readonly<Record<string, unknown>>;
interface Drawn {
  readonly metadata: { readonly namespace?: string };
  readonly spec: Spec;
  readonly specs?: readonly Spec[];
}

/** For the namespaces and labels of the fixture, and about its subject: a policy of somebody else says nothing here. */
const drawnPolicies = policies.map((drawn): readonly unknown[] => {
  const names = { red: "shop", blue: "batch", a: "web" };
  const text = JSON.stringify(drawn).replace(/"(red|blue|a)"/g, (_, name: keyof typeof names) => `"${names[name]}"`);
  return (JSON.parse(text) as readonly Drawn[]).map(({ metadata, spec, specs = [], ...rest }) => ({
    ...rest,
    metadata: metadata.namespace === undefined ? metadata : { ...metadata, namespace: "shop" },
    spec: aboutEverybody(spec),
    ...(specs.length > 0 && { specs: specs.map(aboutEverybody) }),
  }));
});

function aboutEverybody(spec: Spec): Spec {
  const selectors = ["podSelector", "endpointSelector"].filter((name) => spec[name] !== undefined);
  return { ...spec, ...Object.fromEntries(selectors.map((name) => [name, {}])) };
}

/** Each packet is a connection of its own. */
function send({ client, server, build, icmp }: Family, protocol: number, port: number, sourcePort: number): boolean {
  const transport = protocol === icmp ? { icmp: { type: port } } : { sourcePort, destinationPort: port };
  const packet = build({ source: client, destination: server, protocol, ...transport });
  return datapath.run("fromContainer", packet).verdict === tc.redirect;
}

/** Sends every packet from or to every peer. @returns how many were denied by an entry, and how many for want of one */
function sendAll(compiled: CompiledPolicy, direction: Direction, family: Family) {
  const isEgress = direction === "egress";
  const peer = isEgress ? { ...pod.server, ip: family.server } : { ...pod.client, ip: family.client };
  datapath.reset();
  datapath.addIp6();
  datapath.setPolicy(isEgress ? pod.client.id : pod.server.id, compiled.entries);
  const wanted = { allow: 0, deny: 0, "default-deny": 0 };
  peers.forEach(({ id: identity }, peerIndex) => {
    datapath.relabel(peer, isEgress ? 77 : 1, identity);
    packetsOf(family).forEach(({ protocol, port }, index) => {
      const { verdict } = decideVerdict(compiled, { direction, identity, protocol, port });
      const isDelivered = send(family, protocol, port, 10_000 + 100 * peerIndex + index);
      expect(isDelivered, JSON.stringify({ identity, protocol, port })).toBe(verdict === "allow");
      wanted[verdict]++;
    });
  });
  return wanted;
}

function countDrops(reason: number, direction: Direction): number {
  const rows = datapath.metrics().filter((row) => row.reason === reason && row.direction === direction);
  return rows.reduce((sum, row) => sum + Number(row.packets), 0);
}

describe("a compiled policy in the kernel", () => {
  it.each([
    ["egress", "IPv4"],
    ["ingress", "IPv4"],
    ["egress", "IPv6"],
    ["ingress", "IPv6"],
  ] as const)("decides %s over %s as decideVerdict says, and for the same reason", (direction, family) => {
    const seen = { allow: 0, deny: 0, "default-deny": 0 };
    fc.assert(
      fc.property(drawnPolicies, (drawn) => {
        const { compiled } = new PolicyFixture(drawn);
        fc.pre(compiled.entries.length <= MAX_ENTRIES);
        const wanted = sendAll(compiled, direction, families[family]);
        expect(countDrops(181, direction)).toBe(wanted.deny);
        expect(countDrops(133, direction)).toBe(wanted["default-deny"]);
        for (const verdict of ["allow", "deny", "default-deny"] as const) seen[verdict] += wanted[verdict];
      }),
      { numRuns: 40 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
  });
});

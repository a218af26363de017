import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PolicyObject } from "../../src/model/network-policy-objects.js";
import { parsePolicy } from "../../src/model/policy/parse-policy.js";
import { identities, PolicyFixture, protocol } from "../support/policy-fixture.js";
import { policies } from "../support/random-policies.js";

type Path = readonly (string | number)[];

/** Wrong wherever a policy has a list, an object, a number or a word. */
const garbage = fc.constantFrom<unknown>(-1, "!!", true);

/** Every place inside a value. */
function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  return [
    path,
    ...[...keys].flatMap((key) => pathsOf((value as Record<string | number, unknown>)[key], [...path, key])),
  ];
}

function replace(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) return value.map((item, index) => (index === key ? replace(item, rest, by) : item));
  const fields = value as Record<string, unknown>;
  return { ...fields, [key]: replace(fields[key], rest, by) };
}

/** What a policy is about cannot be guessed, and deny rules deny less without a part: all the rest must not allow more. */
function isNarrowing(path: Path): boolean {
  const inSpec = path[0] === "spec" ? path[1] : path[0] === "specs" ? path[2] : undefined;
  return inSpec !== undefined && !["podSelector", "endpointSelector", "nodeSelector"].includes(String(inSpec));
}

/** Only what allows: deny rules have properties of their own. */
function withoutDenies(policy: unknown): unknown {
  return JSON.parse(
    JSON.stringify(policy, (key, value) => (key === "ingressDeny" || key === "egressDeny" ? undefined : value)),
  );
}

const peers = [...Object.keys(identities), "192.0.2.1", "192.0.2.9", "2001:db8::1"];
const packets = [
  ...[1, 53, 80, 81, 8080, 5353].flatMap((port) => [protocol.tcp, protocol.udp].map((proto) => [proto, port] as const)),
  [protocol.sctp, 80] as const,
  [protocol.icmp, 8] as const,
  [protocol.icmp6, 129] as const,
];

function allowedBy(policy: unknown): ReadonlySet<string> {
  const subject = JSON.stringify(policy).includes("nodeSelector") ? "node" : "web";
  const fixture = new PolicyFixture([policy], { subject });
  const allowed = (["ingress", "egress"] as const).flatMap((direction) =>
    peers.flatMap((peer) => {
      const passing = packets.filter(([proto, port]) => fixture[direction](peer, proto, port) === "allow");
      return passing.map((packet) => [direction, peer, ...packet].join(" "));
    }),
  );
  return new Set(allowed);
}

/** The same policies about the namespace and the labels of the fixture's cluster. */
const policy = policies
  .filter((all) => all.length > 0)
  .map(([first]) =>
    JSON.parse(JSON.stringify(withoutDenies(first)).replaceAll('"red"', '"shop"').replaceAll('"a"', '"web"')),
  );

describe("a policy with garbage in one place", () => {
  it("never allows more than without, and says where the garbage is", () => {
    let told = 0;
    fc.assert(
      fc.property(policy, fc.nat(), garbage, (whole, choice, by) => {
        const paths = pathsOf(whole).filter(isNarrowing);
        fc.pre(paths.length > 0);
        const path = paths[choice % paths.length]!;
        const spoilt = replace(whole, path, by);
        const before = allowedBy(whole);
        for (const packet of allowedBy(spoilt)) expect(before, `${path.join(".")} = ${String(by)}`).toContain(packet);
        const { problems } = parsePolicy(spoilt as PolicyObject, { clusterName: "default" });
        if (problems.length > 0) told++;
      }),
      { numRuns: 100 },
    );
    expect(told).toBeGreaterThan(60);
  });

  it("is read without a fault, whatever there is", () => {
    // What JSON and YAML can hold; words that objects inherit are keys like any other there.
    const keys = fc.oneof(fc.string(), fc.constantFrom("toString", "valueOf", "constructor", "matchLabels", "cidr"));
    const anything = fc.anything({ key: keys, maxDepth: 4 });
    fc.assert(
      fc.property(policy, fc.nat(), anything, (whole, choice, by) => {
        const paths = pathsOf(whole).filter(([first]) => first === "spec" || first === "specs");
        fc.pre(paths.length > 0);
        const spoilt = replace(whole, paths[choice % paths.length]!, by) as PolicyObject;
        parsePolicy(spoilt, { clusterName: "default" });
      }),
      { numRuns: 500 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { type Label, parseLabel, sortLabels } from "../../src/model/labels.js";
import type { PolicyObject } from "../../src/model/network-policy-objects.js";
import { compilePolicy } from "../../src/model/policy/compile-policy.js";
import type { CompiledPolicy, PolicyPacket } from "../../src/model/policy/compiled-policy.js";
import { decideVerdict } from "../../src/model/policy/decide-verdict.js";
import { parsePolicy } from "../../src/model/policy/parse-policy.js";
import type { PolicyIdentity } from "../../src/model/policy/policy-identity.js";
import type { PolicyRule } from "../../src/model/policy/policy-rule.js";
import { prefixLabels } from "../../src/model/policy/prefix-labels.js";
import { cidrsOf } from "../../src/model/policy/rule-peers.js";
import { SelectorCache } from "../../src/model/policy/selector-cache.js";
import { type End, naiveVerdict, type Pod, type Reserved } from "../support/naive-policy.js";
import { fixedEnds, pods, policies } from "../support/random-policies.js";

const families = { ipv4: true, ipv6: true };
const clusterName = "default";
const UNKNOWN = 99_999;
/** Neighbours of every port that rules name, for the protocols that have ports; types for ICMP. */
const edgePorts = [0, 1, 52, 53, 54, 79, 80, 81, 82, 83, 443, 444, 8079, 8080, 8081, 65_534, 65_535];
const icmpTypes = [0, 3, 8, 128, 129];
const portsOfProtocol: Readonly<Record<number, readonly number[]>> = {
  1: icmpTypes,
  6: edgePorts,
  17: edgePorts,
  58: icmpTypes,
  132: edgePorts,
  47: [0],
};
const protocols = Object.keys(portsOfProtocol).map(Number);

function labelsOf(pod: Pod): readonly Label[] {
  const k8s = (key: string, value: string) => ({ source: "k8s", key, value });
  const namespace = { ...pod.namespaceLabels, "kubernetes.io/metadata.name": pod.namespace };
  return sortLabels([
    ...Object.entries(pod.labels).map(([key, value]) => k8s(key, value)),
    ...Object.entries(namespace).map(([key, value]) => k8s(`io.cilium.k8s.namespace.labels.${key}`, value)),
    k8s("io.kubernetes.pod.namespace", pod.namespace),
    k8s("io.cilium.k8s.policy.cluster", clusterName),
  ]);
}

const reservedIds: Readonly<Record<string, number>> = { host: 1, health: 4, "remote-node": 6, "kube-apiserver": 7 };

/** Ends and the identities that an agent gives them: the same for the same labels, one a prefix that rules name. */
function createWorld(ends: readonly End[], rules: readonly PolicyRule[]) {
  const byLabels = new Map<string, PolicyIdentity>();
  const identities = new Map<number, PolicyIdentity>();
  const add = (identity: PolicyIdentity) => identities.set(identity.id, identity);
  add({ id: 9, labels: [parseLabel("reserved:world-ipv4")] });
  add({ id: 10, labels: [parseLabel("reserved:world-ipv6")] });
  const prefixes = cidrsOf(rules).map((prefix, index) => ({ prefix, id: 0x100_0001 + index }));
  for (const { prefix, id } of prefixes) add({ id, labels: prefixLabels(prefix, families), prefixes: [prefix] });
  const idOf = (end: End): number => {
    if (end.kind === "reserved") return reservedIds[end.names[0]!]!;
    if (end.kind === "pod") return byLabels.get(JSON.stringify(labelsOf(end)))!.id;
    const address = IpAddress.parse(end.address);
    const found = prefixes.filter(({ prefix }) => prefix.contains(address));
    const longest = found.sort((a, b) => b.prefix.length - a.prefix.length)[0];
    return longest?.id ?? (address.family === 4 ? 9 : 10);
  };
  for (const end of ends) {
    if (end.kind === "reserved") {
      add({ id: idOf(end), labels: end.names.map((name) => parseLabel(`reserved:${name}`)) });
    }
    if (end.kind !== "pod") continue;
    const labels = labelsOf(end);
    const key = JSON.stringify(labels);
    const known = byLabels.get(key);
    const namedPorts = [...(known?.namedPorts ?? []), ...end.ports];
    const identity = { id: known?.id ?? 1000 + byLabels.size, labels, namedPorts };
    byLabels.set(key, identity);
    add(identity);
  }
  return { identities: [...identities.values()], idOf };
}

/** Pods of one identity have the ports of all of them: one pod an identity keeps the two evaluators comparable. */
function withoutTwins(all: readonly Pod[]): readonly Pod[] {
  return [...new Map(all.map((pod) => [JSON.stringify(labelsOf(pod)), pod])).values()];
}

const mode = fc.constantFrom("default" as const, "default" as const, "always" as const, "never" as const);
const scenario = fc.record({ pods, policies, mode }).map((facts) => {
  const ends: readonly End[] = [...withoutTwins(facts.pods), ...fixedEnds];
  const rules = facts.policies.flatMap((policy) => parsePolicy(policy as PolicyObject, { clusterName }).rules);
  return { ...facts, ends, rules, ...createWorld(ends, rules) };
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function subjectsOf({ ends }: Scenario): readonly (Pod | Reserved)[] {
  return ends.filter((end) => end.kind === "pod" || (end.kind === "reserved" && end.names[0] === "host")) as Pod[];
}

function compile({ mode, identities }: Scenario, subject: Pod | Reserved, rules: readonly PolicyRule[]) {
  const selectors = new SelectorCache(families);
  selectors.upsert(identities);
  return compilePolicy({ subject: factsOf(subject), rules, selectors, mode });
}

function factsOf(subject: Pod | Reserved) {
  if (subject.kind === "pod") {
    return { kind: "endpoint", labels: labelsOf(subject), namedPorts: subject.ports } as const;
  }
  const labels = Object.entries(subject.nodeLabels ?? {}).map(([key, value]) => ({ source: "k8s", key, value }));
  return { kind: "node", labels } as const;
}

describe("compiled policies", () => {
  it("decide every packet as the policies say when they are read literally", () => {
    let denied = 0;
    fc.assert(
      fc.property(scenario, (world) => {
        for (const subject of subjectsOf(world)) {
          const compiled = compile(world, subject, world.rules);
          for (const peer of world.ends) denied += expectAgreement(world, compiled, subject, peer);
        }
      }),
      { numRuns: 25 },
    );
    expect(denied).toBeGreaterThan(1000);
  });

  it("have no entry that could be left out", () => {
    fc.assert(
      fc.property(scenario, (world) => {
        for (const subject of subjectsOf(world)) {
          const compiled = compile(world, subject, world.rules);
          for (const entry of compiled.entries) expectNeeded(compiled, entry);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("are the same whatever the order of the policies and of the identities", () => {
    fc.assert(
      fc.property(scenario, fc.infiniteStream(fc.nat()), (world, order) => {
        const shuffle = <T>(items: readonly T[]) => {
          const ranked = items.map((item) => ({ item, rank: order.next().value as number }));
          return ranked.sort((a, b) => a.rank - b.rank).map(({ item }) => item);
        };
        for (const subject of subjectsOf(world)) {
          const other = { ...world, identities: shuffle(world.identities) };
          expect(compile(other, subject, shuffle(world.rules)).entries).toEqual(
            compile(world, subject, world.rules).entries,
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("are the same whether identities were there before the selectors or came and went afterwards", () => {
    fc.assert(
      fc.property(scenario, fc.infiniteStream(fc.boolean()), (world, choice) => {
        const selectors = new SelectorCache(families);
        const isEarly = world.identities.map(() => choice.next().value as boolean);
        selectors.upsert(world.identities.filter((_, index) => isEarly[index]));
        // Under another's labels at first, and one that will be gone.
        const late = world.identities.filter((_, index) => !isEarly[index]);
        selectors.upsert(late.map(({ id }, index) => ({ id, labels: world.identities[index]!.labels })));
        selectors.upsert([{ id: UNKNOWN, labels: world.identities[0]!.labels }]);
        const options = (subject: Pod | Reserved) => ({
          subject: factsOf(subject),
          rules: world.rules,
          mode: world.mode,
        });
        for (const subject of subjectsOf(world)) compilePolicy({ ...options(subject), selectors });
        selectors.upsert(late);
        selectors.remove([UNKNOWN]);
        for (const subject of subjectsOf(world)) {
          expect(compilePolicy({ ...options(subject), selectors }).entries).toEqual(
            compile(world, subject, world.rules).entries,
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** @returns how many packets were denied: a property that never denies proves little */
function expectAgreement(world: Scenario, compiled: CompiledPolicy, subject: Pod | Reserved, peer: End): number {
  let denied = 0;
  const options = { mode: world.mode, cluster: clusterName };
  for (const direction of ["ingress", "egress"] as const) {
    for (const protocol of protocols) {
      for (const port of portsOfProtocol[protocol]!) {
        const naive = naiveVerdict(world.policies, { direction, subject, peer, protocol, port }, options);
        const packet = { direction, identity: world.idOf(peer), protocol, port };
        const decided = decideVerdict(compiled, packet).verdict;
        if (decided !== naive) {
          throw new Error(`${JSON.stringify({ subject, peer, ...packet })}: ${decided}, but it should be ${naive}`);
        }
        if (decided !== "allow") denied++;
      }
    }
  }
  return denied;
}

function expectNeeded(compiled: CompiledPolicy, entry: PolicyEntry): void {
  const without = { ...compiled, entries: compiled.entries.filter((one) => one !== entry) };
  const isTelling = (packet: PolicyPacket) =>
    decideVerdict(compiled, packet).verdict !== decideVerdict(without, packet).verdict;
  if (!packetsOf(compiled, entry).some(isTelling)) throw new Error(`not needed: ${JSON.stringify(entry)}`);
}

/** Enough of the packets that an entry is about: verdicts change at the first and after the last port of entries only. */
function packetsOf({ entries }: CompiledPolicy, entry: PolicyEntry): readonly PolicyPacket[] {
  const { direction, protocol } = entry;
  const edges = entries.flatMap(({ port, portPrefixLength }) => [port, port + 2 ** (16 - portPrefixLength)]);
  const all = [...new Set([0, ...edges])].filter((port) => port <= 0xffff);
  const identity = entry.identity === 0 ? UNKNOWN : entry.identity;
  const ofProtocols = protocol === 0 ? [...protocols, 255] : [protocol];
  return ofProtocols.flatMap((one) => all.map((port) => ({ direction, identity, protocol: one, port })));
}

describe("prefixes", () => {
  it("cover each other as their addresses do", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const prefix = fc
      .constantFrom(4, 16)
      .chain((length) =>
        fc
          .tuple(bytes(length), fc.nat(length * 8))
          .map(([address, bits]) => IpPrefix.of(IpAddress.fromBytes(address), bits)),
      );
    fc.assert(
      fc.property(prefix, prefix, fc.nat(128), (one, other, bits) => {
        const inside = IpPrefix.of(other.address, Math.min(other.length, bits));
        expect(inside.covers(other)).toBe(true);
        expect(one.covers(other)).toBe(one.length <= other.length && one.contains(other.address));
      }),
    );
  });
});

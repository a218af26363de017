import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance } from "../../src/lib/nearest-name.js";
import { formatDurationMs, parseDurationMs } from "../../src/lib/time.js";
import type {
  KubeEndpointSlice,
  KubeService,
  LabelSelector,
  LabelSelectorRequirement,
} from "../../src/model/kubernetes.js";
import { formatLabel, fromSecurityLabels, parseLabel, sortLabels, toSecurityLabels } from "../../src/model/labels.js";
import { translateService } from "../../src/model/load-balancing.js";
import { matchesSelector } from "../../src/model/selectors.js";
import { testServiceNode } from "../support/service-node.js";

const source = fc.constantFrom("k8s", "reserved", "gen", "cidr");
const key = fc.stringMatching(/^[a-z][a-z0-9./-]{0,20}$/);
const value = fc.stringMatching(/^[A-Za-z0-9._:=-]{0,20}$/);
const label = fc.record({ source, key, value });

describe("labels", () => {
  it("are the same after being written and read", () => {
    fc.assert(
      fc.property(label, (one) => {
        expect(parseLabel(formatLabel(one))).toEqual(one);
      }),
    );
  });

  it("sort to the same whatever their order, and survive CiliumIdentity", () => {
    const set = fc.uniqueArray(label, { selector: (one) => `${one.source}:${one.key}` });
    fc.assert(
      fc.property(set, fc.infiniteStream(fc.nat()), (labels, order) => {
        const shuffled = labels.map((one) => ({ one, rank: order.next().value as number }));
        const other = shuffled.sort((a, b) => a.rank - b.rank).map(({ one }) => one);
        expect(sortLabels(other)).toEqual(sortLabels(labels));
        expect(fromSecurityLabels(toSecurityLabels(labels))).toEqual(sortLabels(labels));
      }),
    );
  });
});

const word = fc.constantFrom("a", "b", "c");
const labels = fc.dictionary(word, word);
const requirement: fc.Arbitrary<LabelSelectorRequirement> = fc.record({
  key: word,
  operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist"),
  values: fc.array(word, { maxLength: 2 }),
});
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 3 }) },
  { requiredKeys: [] },
);

/** The definition read literally: every pair and every expression, one by one, by counting what breaks it. */
function naiveMatch(wanted: LabelSelector, given: Record<string, string>): boolean {
  let broken = 0;
  for (const name in wanted.matchLabels) if (given[name] !== wanted.matchLabels[name]) broken++;
  for (const { key: name, operator, values = [] } of wanted.matchExpressions ?? []) {
    const isThere = name in given;
    const isAmong = isThere && values.some((candidate) => candidate === given[name]);
    if (operator === "In" && !isAmong) broken++;
    if (operator === "NotIn" && isAmong) broken++;
    if (operator === "Exists" && !isThere) broken++;
    if (operator === "DoesNotExist" && isThere) broken++;
  }
  return broken === 0;
}

describe("selectors", () => {
  it("agree with a naive evaluator", () => {
    fc.assert(
      fc.property(selector, labels, (wanted, given) => {
        expect(matchesSelector(wanted, given)).toBe(naiveMatch(wanted, given));
      }),
      { numRuns: 1000 },
    );
  });
});

const conditions = fc.record(
  { ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() },
  { requiredKeys: [] },
);
const endpoint = fc.record({ addresses: fc.tuple(fc.nat(20).map((n) => `10.0.0.${n}`)), conditions });
const slices = fc.array(fc.array(endpoint, { maxLength: 6 }), { maxLength: 4 }).map((groups) =>
  groups.map((endpoints, index): KubeEndpointSlice => {
    const metadata = { name: `s${index}`, namespace: "shop" };
    return { apiVersion: "v1", kind: "EndpointSlice", metadata, addressType: "IPv4", endpoints, ports: [{ port: 80 }] };
  }),
);
const service: KubeService = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "shop" },
  spec: { clusterIP: "10.96.0.1", ports: [{ port: 80 }] },
};

describe("backends of a Service", () => {
  it("do not depend on the order of slices, and hold every ready endpoint once", () => {
    fc.assert(
      fc.property(slices, (given) => {
        const [frontend] = translateService(service, given, testServiceNode()).frontends;
        const backends = frontend!.backends.map(({ address, state }) => `${address} ${state}`);
        const reversed = translateService(service, [...given].reverse(), testServiceNode()).frontends[0]!.backends;
        expect(reversed.map(({ address, state }) => `${address} ${state}`)).toEqual(backends);
        const all = given.flatMap((one) => one.endpoints);
        const ready = new Set(all.filter((one) => one.conditions?.ready ?? true).map((one) => one.addresses[0]!));
        const active = backends.filter((text) => text.endsWith(" active"));
        expect(new Set(active)).toEqual(new Set([...ready].map((address) => `${address} active`)));
        expect(new Set(backends).size).toBe(backends.length);
        expect(backends.slice(0, active.length)).toEqual(active);
        expect(frontend!.activeCount).toBe(ready.size > 0 ? ready.size : backends.length);
      }),
    );
  });
});

describe("leaves", () => {
  it("read the durations that they write", () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), (durationMs) => {
        expect(parseDurationMs(formatDurationMs(durationMs))).toBeCloseTo(durationMs, 3);
      }),
    );
  });

  it("measure an edit distance: zero only for the same word, the same in both directions, at most the longer word", () => {
    const text = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

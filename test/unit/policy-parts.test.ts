import { describe, expect, it } from "vitest";
import { IpPrefix } from "../../src/lib/ip.js";
import { formatLabel, parseLabel } from "../../src/model/labels.js";
import type { PolicyObject } from "../../src/model/network-policy-objects.js";
import { decideConnection } from "../../src/model/policy/decide-verdict.js";
import { parsePolicy } from "../../src/model/policy/parse-policy.js";
import type { RuleOrigin } from "../../src/model/policy/policy-rule.js";
import {
  createPolicySelector,
  createRequirement,
  matchesPolicySelector,
} from "../../src/model/policy/policy-selector.js";
import { parsePrefixLabelKey, prefixLabels } from "../../src/model/policy/prefix-labels.js";
import { cidrsOf, selectorsOf } from "../../src/model/policy/rule-peers.js";
import { RuleTable } from "../../src/model/policy/rule-table.js";
import { SelectorCache } from "../../src/model/policy/selector-cache.js";
import { ciliumPolicy, identities, kubePolicy, PolicyFixture, podLabels, protocol } from "../support/policy-fixture.js";

const dualStack = { ipv4: true, ipv6: true };
const { tcp } = protocol;

describe("labels of a prefix", () => {
  it.each([
    ["10.0.0.0/8", "cidr:10.0.0.0/8"],
    ["192.0.2.1/32", "cidr:192.0.2.1/32"],
    ["2001:db8::/32", "cidr:2001-db8--0/32"],
    ["::1/128", "cidr:0--1/128"],
    ["::/8", "cidr:0--0/8"],
  ])("of %s are %s and its world", (text, label) => {
    const prefix = IpPrefix.parse(text);
    const labels = prefixLabels(prefix, dualStack).map(formatLabel);
    expect(labels).toEqual([label, `reserved:world-ipv${prefix.address.family}`]);
    expect(parsePrefixLabelKey(label.slice("cidr:".length))?.text).toBe(prefix.text);
  });

  it("are the world alone for everything, and not of a family in a cluster of one", () => {
    const all = IpPrefix.parse("0.0.0.0/0");
    expect(prefixLabels(all, dualStack).map(formatLabel)).toEqual(["reserved:world-ipv4"]);
    expect(prefixLabels(all, { ipv4: true, ipv6: false }).map(formatLabel)).toEqual(["reserved:world"]);
    expect(parsePrefixLabelKey("app")).toBeUndefined();
  });
});

describe("selectors", () => {
  it("have one key whatever the order that they were written in", () => {
    const parts = [
      createRequirement("k8s:app", "in", ["b", "a", "b"]),
      createRequirement("tier", "exists"),
      createRequirement("any:x", "not-in", ["1"]),
      createRequirement("k8s:y", "not-exists"),
    ];
    const selector = createPolicySelector(parts);
    expect(selector.key).toBe("!k8s:y,any:tier,any:x notin (1),k8s:app in (a,b)");
    expect(createPolicySelector([...parts, ...parts].reverse()).key).toBe(selector.key);
  });

  it("match prefixes by what they contain", () => {
    const inside = createPolicySelector([createRequirement("cidr:10.0.0.0/8", "exists")]);
    const labelsOf = (text: string) => prefixLabels(IpPrefix.parse(text), dualStack);
    expect(matchesPolicySelector(inside, labelsOf("10.1.0.0/16"))).toBe(true);
    expect(matchesPolicySelector(inside, labelsOf("11.0.0.0/16"))).toBe(false);
    expect(matchesPolicySelector(inside, podLabels("shop", { app: "web" }))).toBe(false);
  });
});

describe("the selector cache", () => {
  const web = {
    kind: "selector",
    selector: createPolicySelector([createRequirement("app", "in", ["web"])]),
  } as const;
  const ten = { kind: "cidr", prefix: IpPrefix.parse("10.0.0.0/8"), except: [] } as const;

  it("says whether anything that policies ask has changed", () => {
    const cache = new SelectorCache(dualStack);
    cache.upsert([identities.web]);
    expect([...cache.select(web)!]).toEqual([1001]);
    expect(cache.upsert([{ ...identities.job, namedPorts: [] }])).toBe(false);
    expect(cache.upsert([identities.otherWeb])).toBe(true);
    expect([...cache.select(web)!]).toEqual([1001, 1004]);
    expect(cache.upsert([{ ...identities.web, namedPorts: [] }])).toBe(true);
    expect([...cache.withNamedPorts]).toEqual([]);
    expect(cache.upsert([{ ...identities.otherWeb, labels: podLabels("batch", {}) }])).toBe(true);
    expect(cache.remove([1003])).toBe(false);
    expect(cache.remove([1001])).toBe(true);
    expect(cache.remove([1001])).toBe(false);
    expect(cache.select(web)!.size).toBe(0);
    expect(cache.get(1001)).toBeUndefined();
  });

  it("does not take a pod for its address, and a node only where its addresses are told", () => {
    const cache = new SelectorCache(dualStack);
    const prefix = IpPrefix.parse("10.1.0.0/16");
    cache.upsert([
      { id: 1, labels: [parseLabel("reserved:host")] },
      { id: 2, labels: podLabels("shop", {}), prefixes: [prefix] },
      { id: 6, labels: [parseLabel("reserved:remote-node")] },
      { id: 3, labels: prefixLabels(prefix, dualStack), prefixes: [prefix] },
    ]);
    expect([...cache.select(ten)!]).toEqual([3]);
    const addresses = ["172.18.0.2/32", "10.1.2.3/32"].map(IpPrefix.parse);
    cache.upsert([{ id: 1, labels: [parseLabel("reserved:host")], prefixes: addresses }]);
    expect([...cache.select(ten)!].sort()).toEqual([1, 3]);
    expect([...cache.select({ ...ten, except: [addresses[1]!] })!]).toEqual([3]);
  });

  it("finds the world of a cluster of one family", () => {
    const cache = new SelectorCache({ ipv4: true, ipv6: false });
    cache.upsert([{ id: 2, labels: [parseLabel("reserved:world")] }]);
    const everything = (text: string) => ({ kind: "cidr", prefix: IpPrefix.parse(text), except: [] }) as const;
    expect([...cache.select(everything("0.0.0.0/0"))!]).toEqual([2]);
    expect(cache.select(everything("::/0"))!.size).toBe(0);
  });

  it("forgets what no rule asks any more", () => {
    const cache = new SelectorCache(dualStack);
    cache.upsert([identities.web]);
    const before = cache.select(web);
    cache.select(ten);
    cache.retain([web]);
    expect(cache.select(web)).toBe(before);
    cache.retain([]);
    expect(cache.select(web)).not.toBe(before);
  });
});

describe("the rule table", () => {
  const origin = (path: string): RuleOrigin => ({ kind: "NetworkPolicy", namespace: "a", name: "b", path, labels: [] });

  const [one, two] = [origin("spec.ingress[0]"), origin("spec.ingress[1]")];

  it("numbers a set of rules once, whatever its order", () => {
    const table = new RuleTable();
    expect(table.cookieOf([])).toBe(0);
    const cookie = table.cookieOf([one, two]);
    expect(table.cookieOf([two, one, two])).toBe(cookie);
    expect(table.cookieOf([two])).not.toBe(cookie);
    expect(table.rulesOf(cookie)).toEqual([one, two]);
    expect([table.rulesOf(0), table.rulesOf(77)]).toEqual([[], []]);
    expect(table.entries()).toEqual([
      [cookie, [one, two]],
      [table.cookieOf([two]), [two]],
    ]);
  });

  it("gives the same number after a restart of the agent, whatever came before", () => {
    const [before, after] = [new RuleTable(), new RuleTable()];
    const cookie = before.cookieOf([one, two]);
    after.cookieOf([two]);
    expect(after.cookieOf([two, one])).toBe(cookie);
    // Another release must not number anew either: counters and events of before would name other rules.
    expect(cookie).toBe(0x23c8_c245);
  });

  it("says what a rule is now, not what it was described as before", () => {
    const table = new RuleTable();
    const cookie = table.cookieOf([origin("spec.ingress[0]")]);
    expect(table.cookieOf([{ ...origin("spec.ingress[0]"), description: "new" }])).toBe(cookie);
    expect(table.rulesOf(cookie)[0]!.description).toBe("new");
  });
});

describe("a connection", () => {
  const onlyWeb = kubePolicy({
    podSelector: { matchLabels: { app: "cart" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 80 }] }],
  });
  const noEgress = kubePolicy({ podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Egress"] }, "no-egress");
  const end = (policies: readonly unknown[], subject: "web" | "cart" | "job") => ({
    identity: identities[subject].id,
    policy: new PolicyFixture(policies, { subject }).compiled,
  });

  it("is allowed when both ends allow it", () => {
    const decided = decideConnection(end([onlyWeb], "web"), end([onlyWeb], "cart"), { protocol: tcp, port: 80 });
    expect(decided).toMatchObject({ isAllowed: true, egress: { verdict: "allow" }, ingress: { verdict: "allow" } });
  });

  it("that one end denies is denied, and tells the missing allow and who denies by default", () => {
    const decided = decideConnection(end([onlyWeb], "job"), end([onlyWeb], "cart"), { protocol: tcp, port: 80 });
    expect(decided.isAllowed).toBe(false);
    expect(decided.ingress).toMatchObject({
      verdict: "default-deny",
      missing: { direction: "ingress", identity: 1003, protocol: tcp, port: 80 },
      defaultDenyBy: [{ name: "policy", path: "spec.ingress[0]" }],
    });
  });

  it("does not reach the other end when its own denies", () => {
    const both = [onlyWeb, noEgress];
    const decided = decideConnection(end(both, "web"), end(both, "cart"), { protocol: tcp, port: 80 });
    expect(decided).toMatchObject({ isAllowed: false, egress: { verdict: "default-deny" } });
    expect(decided.ingress).toBeUndefined();
  });

  it("is up to the end that has a policy", () => {
    const world = { identity: identities.world4.id };
    expect(decideConnection(world, end([onlyWeb], "cart"), { protocol: tcp, port: 80 }).isAllowed).toBe(false);
    expect(decideConnection(end([onlyWeb], "web"), world, { protocol: tcp, port: 80 }).isAllowed).toBe(true);
  });
});

it("an entry names the first of many rules, so that one more among them changes nothing in the map", () => {
  const allow = (name: string) => kubePolicy({ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }, name);
  const names = Array.from({ length: 40 }, (_, index) => `p${index + 10}`);
  const fixture = new PolicyFixture(names.map(allow));
  const reasons = fixture.reasons("ingress", "job", tcp, 80);
  expect(reasons).toHaveLength(16);
  expect(reasons[0]).toBe("NetworkPolicy shop p10 spec.ingress[0]");
  expect(fixture.entries("ingress")).toEqual(new PolicyFixture([...names, "p99"].map(allow)).entries("ingress"));
});

it("prefixes and selectors of rules are listed once, and never the whole world", () => {
  const toCIDRSet = [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }, { cidr: "0.0.0.0/0" }, { cidr: "10.1.0.0/16" }];
  const spec = { endpointSelector: {}, egress: [{ toCIDRSet }, { toEntities: ["host", "all"] }] };
  const { rules } = parsePolicy(ciliumPolicy(spec) as PolicyObject, { clusterName: "default" });
  expect(cidrsOf([...rules, ...rules]).map(String)).toEqual(["10.0.0.0/8", "10.1.0.0/16"]);
  expect(selectorsOf(rules).map(({ key }) => key)).toEqual(["k8s:io.kubernetes.pod.namespace=shop", "reserved:host"]);
});

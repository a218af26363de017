import { describe, expect, it } from "vitest";
import { kubePolicy, PolicyFixture, protocol } from "../support/policy-fixture.js";

const { tcp, udp, sctp, icmp } = protocol;

/** The usual recipes, and the corners of the API. The subject is `web` in the namespace `shop`. */
describe("a NetworkPolicy", () => {
  it("denies all ingress, but for the own node, and leaves egress alone", () => {
    const policy = new PolicyFixture([kubePolicy({ podSelector: {} })]);
    expect(policy.ingress("cart", tcp, 80)).toBe("default-deny");
    expect(policy.ingress("192.0.2.1", tcp, 80)).toBe("default-deny");
    expect(policy.ingress("remoteNode", tcp, 80)).toBe("default-deny");
    expect(policy.ingress("host", tcp, 80)).toBe("allow");
    expect(policy.egress("cart", tcp, 80)).toBe("allow");
    expect(policy.reasons("ingress", "cart", tcp, 80)).toEqual(["NetworkPolicy shop policy spec.ingress"]);
    expect(policy.compiled.ingress).toMatchObject({ isEnforced: true, hasDefaultDeny: true });
    expect(policy.compiled.egress).toMatchObject({ isEnforced: false, hasDefaultDeny: false });
  });

  it("denies all of both directions", () => {
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] })]);
    expect(policy.ingress("cart", icmp, 8)).toBe("default-deny");
    expect(policy.egress("host", udp, 53)).toBe("default-deny");
    expect(policy.entries("egress")).toEqual([]);
    expect(policy.entries("ingress")).toEqual(["1 0 0/0 allow"]);
  });

  it("allows everything with one entry", () => {
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, ingress: [{}], egress: [{}] })]);
    expect(policy.entries("ingress")).toEqual(["0 0 0/0 allow"]);
    expect(policy.entries("egress")).toEqual(["0 0 0/0 allow"]);
    expect(policy.reasons("egress", "job", tcp, 1)).toEqual(["NetworkPolicy shop policy spec.egress[0]"]);
  });

  it("selects pods of its own namespace only", () => {
    const other = kubePolicy({ podSelector: {} }, "policy", "batch");
    const others = kubePolicy({ podSelector: { matchLabels: { app: "cart" } } });
    expect(new PolicyFixture([other, others]).compiled.ingress.isEnforced).toBe(false);
    expect(new PolicyFixture([other, others], { subject: "cart" }).compiled.ingress.isEnforced).toBe(true);
    expect(new PolicyFixture([other, others], { subject: "job" }).compiled.ingress.isEnforced).toBe(true);
  });

  it("takes pod selectors for the own namespace, and namespace selectors for whole namespaces", () => {
    const from = (peer: unknown) => new PolicyFixture([kubePolicy({ podSelector: {}, ingress: [{ from: [peer] }] })]);
    const pods = from({ podSelector: { matchLabels: { app: "web" } } });
    expect([pods.ingress("web", tcp, 1), pods.ingress("otherWeb", tcp, 1)]).toEqual(["allow", "default-deny"]);
    const namespaces = from({ namespaceSelector: { matchLabels: { team: "blue" } } });
    expect([namespaces.ingress("job", tcp, 1), namespaces.ingress("cart", tcp, 1)]).toEqual(["allow", "default-deny"]);
    const named = { matchLabels: { "kubernetes.io/metadata.name": "batch" } };
    const both = from({ namespaceSelector: named, podSelector: { matchLabels: { app: "web" } } });
    expect([both.ingress("otherWeb", tcp, 1), both.ingress("job", tcp, 1)]).toEqual(["allow", "default-deny"]);
    const every = from({ namespaceSelector: {} });
    expect(["web", "job", "remoteNode", "192.0.2.1"].map((peer) => every.ingress(peer, tcp, 1))).toEqual([
      ...["allow", "allow"],
      ...["default-deny", "default-deny"],
    ]);
  });

  it("knows all operators of expressions", () => {
    const select = (expression: unknown) =>
      new PolicyFixture([
        kubePolicy({ podSelector: {}, ingress: [{ from: [{ podSelector: { matchExpressions: [expression] } }] }] }),
      ]);
    const verdicts = (expression: unknown) => ["web", "cart"].map((peer) => select(expression).ingress(peer, tcp, 1));
    expect(verdicts({ key: "app", operator: "In", values: ["cart", "x"] })).toEqual(["default-deny", "allow"]);
    expect(verdicts({ key: "tier", operator: "NotIn", values: ["front"] })).toEqual(["default-deny", "allow"]);
    expect(verdicts({ key: "tier", operator: "Exists" })).toEqual(["allow", "default-deny"]);
    expect(verdicts({ key: "tier", operator: "DoesNotExist" })).toEqual(["default-deny", "allow"]);
  });

  it("matches ipBlock outside the cluster only, and not what is excepted", () => {
    const ipBlock = { cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "192.0.2.0/24"] };
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, egress: [{ to: [{ ipBlock }] }] })]);
    expect(policy.egress("198.51.100.7", tcp, 443)).toBe("allow");
    expect(policy.egress("192.0.2.7", tcp, 443)).toBe("default-deny");
    expect(policy.egress("2001:db8::1", tcp, 443)).toBe("default-deny");
    expect(policy.egress("cart", tcp, 443)).toBe("default-deny");
    expect(policy.egress("remoteNode", tcp, 443)).toBe("default-deny");
  });

  it("opens what one rule excepts where another rule names it", () => {
    const blocks = [{ cidr: "192.0.2.0/24", except: ["192.0.2.128/25"] }, { cidr: "192.0.2.200/32" }];
    const to = blocks.map((ipBlock) => ({ ipBlock }));
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, egress: [{ to }] })]);
    const verdicts = ["192.0.2.1", "192.0.2.129", "192.0.2.200"].map((peer) => policy.egress(peer, tcp, 1));
    expect(verdicts).toEqual(["allow", "default-deny", "allow"]);
  });

  it("takes ports of a protocol, ranges and whole protocols", () => {
    const ports = [{ port: 80 }, { port: 8000, endPort: 8010, protocol: "UDP" }, { protocol: "SCTP" }];
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, ingress: [{ ports }] })]);
    expect([79, 80, 81].map((port) => policy.ingress("job", tcp, port))).toEqual([
      ...["default-deny", "allow", "default-deny"],
    ]);
    expect([7999, 8000, 8010, 8011].map((port) => policy.ingress("job", udp, port))).toEqual([
      ...["default-deny", "allow", "allow", "default-deny"],
    ]);
    expect(policy.ingress("192.0.2.1", sctp, 9999)).toBe("allow");
    expect(policy.ingress("job", icmp, 8)).toBe("default-deny");
    expect(policy.entries("ingress")).toEqual([
      ...["0 6 80/16 allow", "0 17 8000/13 allow", "0 17 8008/15 allow", "0 17 8010/16 allow", "0 132 0/0 allow"],
      "1 0 0/0 allow",
    ]);
  });

  it("finds named ports at the subject for ingress and at each peer for egress", () => {
    const ports = [{ port: "http" }, { port: "dns", protocol: "UDP" }, { port: "http", protocol: "UDP" }];
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, ingress: [{ ports }], egress: [{ ports }] })]);
    expect(policy.ingress("job", tcp, 8080)).toBe("allow");
    expect(policy.ingress("job", udp, 5353)).toBe("allow");
    expect(policy.ingress("job", udp, 8080)).toBe("default-deny");
    expect(policy.egress("cart", tcp, 8080)).toBe("allow");
    // A pod without such a port, and nobody at all.
    expect(policy.egress("job", tcp, 8080)).toBe("default-deny");
    expect(policy.egress("192.0.2.1", tcp, 8080)).toBe("default-deny");
  });

  it("adds up with others: allowed is what any of them allows", () => {
    const one = kubePolicy({ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }, "one");
    const two = kubePolicy({ podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }, "two");
    const policy = new PolicyFixture([one, two]);
    expect(policy.ingress("job", tcp, 80)).toBe("allow");
    expect(policy.ingress("cart", tcp, 81)).toBe("allow");
    expect(policy.ingress("job", tcp, 81)).toBe("default-deny");
    expect(policy.reasons("ingress", "cart", tcp, 81)).toEqual(["NetworkPolicy shop two spec.ingress[0]"]);
    expect(policy.reasons("ingress", "job", tcp, 81)).toHaveLength(2);
  });

  it("asks policyTypes which of its rules are in force", () => {
    const spec = { podSelector: {}, ingress: [{}], egress: [{ ports: [{ port: 53 }] }] };
    const egressOnly = new PolicyFixture([kubePolicy({ ...spec, policyTypes: ["Egress"] })]);
    expect(egressOnly.compiled.ingress.isEnforced).toBe(false);
    expect(egressOnly.problems).toEqual(["spec.ingress: is not in force: spec.policyTypes has no Ingress"]);
    expect(new PolicyFixture([kubePolicy(spec)]).egress("cart", tcp, 80)).toBe("default-deny");
  });

  it.each<[string, unknown, string]>([
    ["an address for a prefix", { ipBlock: { cidr: "192.0.2.1" } }, "ipBlock.cidr"],
    ["an exception elsewhere", { ipBlock: { cidr: "192.0.2.0/24", except: ["10.0.0.0/8"] } }, "ipBlock.except[0]"],
    ["both kinds of peers", { ipBlock: { cidr: "192.0.2.0/24" }, podSelector: {} }, "from[0]"],
    ["no peer", {}, "from[0]"],
    ["a wrong operator", { podSelector: { matchExpressions: [{ key: "a", operator: "Gt" }] } }, "operator"],
    ["no values", { podSelector: { matchExpressions: [{ key: "a", operator: "In" }] } }, "values"],
    ["a wrong value", { podSelector: { matchLabels: { app: 7 } } }, "matchLabels[app]"],
    ["an unknown field", { podSelector: {}, service: "x" }, "from[0].service"],
    ["no object", "everybody", "from[0]"],
  ])("leaves out a peer with %s, says where, and keeps the rest and its default deny", (_, peer, where) => {
    const from = [peer, { podSelector: { matchLabels: { app: "cart" } } }];
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, ingress: [{ from }] })]);
    expect(policy.parsed.problems).toHaveLength(1);
    expect(policy.parsed.problems[0]!.path).toContain(where);
    expect(policy.ingress("cart", tcp, 80)).toBe("allow");
    expect(policy.ingress("job", tcp, 80)).toBe("default-deny");
    expect(policy.ingress("192.0.2.1", tcp, 80)).toBe("default-deny");
  });

  it.each<[string, unknown]>([
    ["port 0", { port: 0 }],
    ["port 65536", { port: 65_536 }],
    ["a number as text", { port: "80" }],
    ["a protocol that has no ports", { protocol: "ICMP" }],
    ["a range backwards", { port: 80, endPort: 79 }],
    ["a range without begin", { endPort: 80 }],
    ["a range from a name", { port: "http", endPort: 9000 }],
    ["what objects inherit", { protocol: "constructor" }],
  ])("leaves out %s and does not become a rule for every port", (_, port) => {
    const policy = new PolicyFixture([kubePolicy({ podSelector: {}, ingress: [{ ports: [port] }] })]);
    expect(policy.parsed.problems).toHaveLength(1);
    expect(policy.entries("ingress")).toEqual(["1 0 0/0 allow"]);
  });

  it("that says nobody knows whom it selects is left out as a whole", () => {
    const policy = new PolicyFixture([kubePolicy({ podSelector: { matchLabels: { "": "x" } } })]);
    expect(policy.parsed.rules).toEqual([]);
    expect(policy.parsed.problems[0]!.path).toBe("spec.podSelector.matchLabels[]");
  });
});

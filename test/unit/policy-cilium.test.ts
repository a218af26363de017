import { describe, expect, it } from "vitest";
import { IpPrefix } from "../../src/lib/ip.js";
import { ciliumPolicy, clusterwidePolicy, kubePolicy, PolicyFixture, protocol } from "../support/policy-fixture.js";

const { tcp, udp, sctp, icmp, icmp6 } = protocol;
const allOf = { endpointSelector: {} };
const everybody = [
  "host",
  "remoteNode",
  "apiServer",
  "health",
  "init",
  "ingress",
  "web",
  "job",
  "192.0.2.1",
  "2001:db8::1",
];

const ingress = (rule: unknown, others: unknown = {}) =>
  ciliumPolicy({ ...allOf, ingress: [rule], ...(others as object) });
const egress = (rule: unknown, others: unknown = {}) =>
  ciliumPolicy({ ...allOf, egress: [rule], ...(others as object) });

function allowed(policy: PolicyFixture, direction: "ingress" | "egress"): readonly string[] {
  return everybody.filter((peer) => policy[direction](peer, tcp, 80) === "allow");
}

describe("peers of a CiliumNetworkPolicy", () => {
  it.each<[string, unknown, readonly string[]]>([
    ["all of its namespace", {}, ["host", "web"]],
    ["another namespace by name", { matchLabels: { "k8s:io.kubernetes.pod.namespace": "batch" } }, ["host", "job"]],
    ["a key without source", { matchLabels: { app: "web" } }, ["host", "web"]],
    ["a key of Kubernetes", { matchLabels: { "k8s:app": "web" } }, ["host", "web"]],
    ["a key of any source", { matchLabels: { "any:app": "web" } }, ["host", "web"]],
    ["a key of another source", { matchLabels: { "container:app": "web" } }, ["host"]],
    [
      "namespaces by their labels",
      { matchLabels: { "k8s:io.cilium.k8s.namespace.labels.team": "blue" } },
      ["host", "job"],
    ],
    ["reserved labels", { matchLabels: { "reserved:remote-node": "" } }, ["host", "remoteNode", "apiServer"]],
    ["reserved labels in short", { matchLabels: { $health: "" } }, ["host", "health"]],
    [
      "another cluster",
      { matchLabels: { "k8s:io.cilium.k8s.policy.cluster": "other", "k8s:io.kubernetes.pod.namespace": "batch" } },
      ["host"],
    ],
  ])("are %s", (_, selector, peers) => {
    expect(allowed(new PolicyFixture([ingress({ fromEndpoints: [selector] })]), "ingress")).toEqual(peers);
  });

  it.each<[string, readonly string[]]>([
    ["all", everybody],
    ["world", ["host", "192.0.2.1", "2001:db8::1"]],
    ["world-ipv4", ["host", "192.0.2.1"]],
    ["world-ipv6", ["host", "2001:db8::1"]],
    ["cluster", ["host", "remoteNode", "apiServer", "health", "init", "ingress", "web", "job"]],
    ["cluster-mesh", ["host", "remoteNode", "apiServer", "health", "init", "ingress", "web", "job"]],
    ["host", ["host"]],
    ["remote-node", ["host", "remoteNode", "apiServer"]],
    ["kube-apiserver", ["host", "apiServer"]],
    ["health", ["host", "health"]],
    ["init", ["host", "init"]],
    ["ingress", ["host", "ingress"]],
    ["unmanaged", ["host"]],
    ["none", ["host"]],
  ])("are the entity %s", (entity, peers) => {
    expect(allowed(new PolicyFixture([ingress({ fromEntities: [entity] })]), "ingress")).toEqual(peers);
  });

  it("are prefixes, addresses, and prefixes with exceptions", () => {
    const cidr = new PolicyFixture([egress({ toCIDR: ["192.0.2.0/31", "2001:db8::1"] })]);
    expect(allowed(cidr, "egress")).toEqual(["192.0.2.1", "2001:db8::1"]);
    const rule = { toCIDRSet: [{ cidr: "192.0.2.0/24", except: ["192.0.2.0/30"] }] };
    const set = new PolicyFixture([egress(rule)]);
    expect([set.egress("192.0.2.1", tcp, 80), set.egress("192.0.2.9", tcp, 80)]).toEqual(["default-deny", "allow"]);
    const world = new PolicyFixture([egress({ toCIDR: ["::/0"] })]);
    expect(allowed(world, "egress")).toEqual(["2001:db8::1"]);
  });

  it("are who is behind Services", () => {
    const prefixes = [IpPrefix.parse("192.0.2.1/32")];
    const services = [
      { namespace: "batch", name: "jobs", labels: { for: "jobs" }, selector: { app: "job" }, prefixes: [] },
      { namespace: "shop", name: "outside", labels: {}, prefixes },
    ];
    const to = (...toServices: readonly unknown[]) =>
      allowed(
        new PolicyFixture([egress({ toServices, toPorts: [{ ports: [{ port: "80" }] }] })], { services }),
        "egress",
      );
    expect(to({ k8sService: { serviceName: "jobs", namespace: "batch" } })).toEqual(["job"]);
    expect(to({ k8sService: { serviceName: "jobs", namespace: "shop" } })).toEqual([]);
    expect(to({ k8sService: { serviceName: "outside" } })).toEqual(["192.0.2.1"]);
    const byLabels = { k8sServiceSelector: { selector: { matchLabels: { for: "jobs" } } } };
    expect(to(byLabels, { k8sService: { serviceName: "outside" } })).toEqual(["job", "192.0.2.1"]);
    expect(to({ k8sService: { serviceName: "nowhere" } })).toEqual([]);
  });

  it("are nobody where a list is empty, and everybody where ports are all that a rule says", () => {
    expect(allowed(new PolicyFixture([egress({})]), "egress")).toEqual([]);
    expect(allowed(new PolicyFixture([egress({ toEndpoints: [] })]), "egress")).toEqual([]);
    const ports = { toPorts: [{ ports: [{ port: "80" }] }] };
    expect(allowed(new PolicyFixture([egress({ toEndpoints: [], ...ports })]), "egress")).toEqual([]);
    expect(allowed(new PolicyFixture([egress(ports)]), "egress")).toEqual(everybody);
  });
});

describe("ports of a CiliumNetworkPolicy", () => {
  const ports = (...list: readonly unknown[]) => new PolicyFixture([egress({ toPorts: [{ ports: list }] })]);

  it("are of TCP, UDP and SCTP unless they say otherwise", () => {
    expect(ports({ port: "80" }).entries("egress")).toEqual([
      "0 6 80/16 allow",
      "0 17 80/16 allow",
      "0 132 80/16 allow",
    ]);
    expect(ports({ port: "80", protocol: "tcp" }).entries("egress")).toEqual(["0 6 80/16 allow"]);
    expect(ports({ port: "0", protocol: "ANY" }).entries("egress")).toEqual([
      ...["0 6 0/0 allow", "0 17 0/0 allow", "0 132 0/0 allow"],
    ]);
  });

  it("are ranges and names", () => {
    expect(ports({ port: "80", endPort: 83, protocol: "TCP" }).entries("egress")).toEqual(["0 6 80/14 allow"]);
    const named = ports({ port: "HTTP", protocol: "TCP" });
    expect(named.entries("egress")).toEqual(["1001 6 8080/16 allow", "1002 6 8080/16 allow"]);
    expect([named.egress("web", tcp, 8080), named.egress("job", tcp, 8080)]).toEqual(["allow", "default-deny"]);
  });

  it("are types of ICMP by number and name", () => {
    const fields = [{ type: 8 }, { type: "EchoReply" }, { family: "IPv6", type: "EchoRequest" }];
    const policy = new PolicyFixture([egress({ icmps: [{ fields }] })]);
    expect([0, 8, 3].map((type) => policy.egress("web", icmp, type))).toEqual(["allow", "allow", "default-deny"]);
    expect([128, 129].map((type) => policy.egress("web", icmp6, type))).toEqual(["allow", "default-deny"]);
    expect(policy.egress("web", tcp, 8)).toBe("default-deny");
  });
});

describe("deny rules", () => {
  const deny = (rule: unknown) => clusterwidePolicy({ ...allOf, ingressDeny: [rule] }, "deny");

  it("win over allow rules, be they wider or narrower, for everybody or for one", () => {
    const allow = ingress({ fromEndpoints: [{}], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] });
    const narrow = new PolicyFixture([allow, deny({ fromEntities: ["all"] })]);
    expect(narrow.ingress("web", tcp, 80)).toBe("deny");
    expect(narrow.entries("ingress")).toEqual(["0 0 0/0 deny"]);
    const wide = new PolicyFixture([
      ingress({ fromEntities: ["all"] }),
      deny({ fromEndpoints: [{}], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] }),
    ]);
    expect([wide.ingress("web", tcp, 80), wide.ingress("web", tcp, 81)]).toEqual(["deny", "allow"]);
    expect(wide.ingress("192.0.2.1", tcp, 80)).toBe("allow");
    expect(wide.reasons("ingress", "job", tcp, 80)).toEqual([
      "CiliumClusterwideNetworkPolicy deny spec.ingressDeny[0]",
    ]);
  });

  it("win over what the own node is allowed", () => {
    const policy = new PolicyFixture([deny({ fromEntities: ["host"] })]);
    expect(policy.ingress("host", tcp, 80)).toBe("deny");
  });

  it("deny by default what no rule allows, unless told not to", () => {
    const rule = { fromEndpoints: [{ matchLabels: { app: "job" } }] };
    expect(new PolicyFixture([deny(rule)]).ingress("cart", tcp, 1)).toBe("default-deny");
    const spec = { ...allOf, ingressDeny: [rule], enableDefaultDeny: { ingress: false } };
    const open = new PolicyFixture([clusterwidePolicy(spec)]);
    expect([open.ingress("cart", tcp, 1), open.ingress("job", tcp, 1)]).toEqual(["allow", "deny"]);
    expect(open.compiled.ingress).toMatchObject({ isEnforced: true, hasDefaultDeny: false });
    expect(open.entries("ingress")).toEqual(["0 0 0/0 allow", "1003 0 0/0 deny"]);
  });
});

describe("the subject", () => {
  it("of a clusterwide policy is any endpoint, but never a node", () => {
    const policy = clusterwidePolicy({ ...allOf, ingress: [{}] });
    expect(new PolicyFixture([policy], { subject: "job" }).compiled.ingress.isEnforced).toBe(true);
    expect(new PolicyFixture([policy], { subject: "health" }).compiled.ingress.isEnforced).toBe(true);
    expect(new PolicyFixture([policy], { subject: "node" }).compiled.ingress.isEnforced).toBe(false);
  });

  it("of a host policy is a node by its labels; its own processes are no exception there", () => {
    const host = (role: string) =>
      clusterwidePolicy({
        nodeSelector: { matchLabels: { role } },
        ingress: [{ fromEntities: ["world"], toPorts: [{ ports: [{ port: "22", protocol: "TCP" }] }] }],
      });
    const policy = new PolicyFixture([host("worker")], { subject: "node" });
    expect([22, 23].map((port) => policy.ingress("192.0.2.1", tcp, port))).toEqual(["allow", "default-deny"]);
    expect(policy.ingress("host", tcp, 22)).toBe("default-deny");
    expect(new PolicyFixture([host("worker")]).compiled.ingress.isEnforced).toBe(false);
    expect(new PolicyFixture([host("edge")], { subject: "node" }).compiled.ingress.isEnforced).toBe(false);
  });

  it("of a namespaced policy stays in its namespace, whatever it says", () => {
    const endpointSelector = { matchLabels: { "k8s:io.kubernetes.pod.namespace": "batch" } };
    const policy = ciliumPolicy({ endpointSelector, ingress: [{}] });
    const fixture = new PolicyFixture([policy]);
    expect(fixture.compiled.ingress.isEnforced).toBe(true);
    expect(fixture.problems).toEqual(["spec.endpointSelector: selects in namespace shop whatever it says of another"]);
    expect(new PolicyFixture([policy], { subject: "job" }).compiled.ingress.isEnforced).toBe(false);
  });

  it("that has no labels yet is denied everything but what its policies allow", () => {
    const policy = new PolicyFixture([], { subject: "init" });
    expect([policy.ingress("web", tcp, 80), policy.egress("web", tcp, 80)]).toEqual(["default-deny", "default-deny"]);
    const init = { matchLabels: { "reserved:init": "" } };
    const spec = { endpointSelector: init, egress: [{ toEntities: ["host"] }] };
    expect(new PolicyFixture([clusterwidePolicy(spec)], { subject: "init" }).egress("host", udp, 53)).toBe("allow");
  });
});

describe("enforcement modes", () => {
  const policy = kubePolicy({ podSelector: {} });

  it("never: nothing is asked of policies", () => {
    const never = new PolicyFixture([policy], { mode: "never" });
    expect(never.ingress("cart", tcp, 80)).toBe("allow");
    expect(never.entries("ingress")).toEqual(["0 0 0/0 allow"]);
    expect(never.compiled.ingress.isEnforced).toBe(false);
    expect(new PolicyFixture([], { mode: "never", subject: "init" }).egress("cart", tcp, 80)).toBe("allow");
  });

  it("always: what no policy allows is denied, even without policies; the own node still probes", () => {
    const always = new PolicyFixture([], { mode: "always" });
    expect(allowed(always, "ingress")).toEqual(["host"]);
    expect(allowed(always, "egress")).toEqual([]);
    expect(always.reasons("egress", "cart", tcp, 80)).toEqual([]);
    const strict = new PolicyFixture([], { mode: "always", allowsLocalHost: false });
    expect(allowed(strict, "ingress")).toEqual([]);
  });
});

describe("what is invalid or not supported", () => {
  it.each<[string, unknown, string]>([
    ["DNS names", { toFQDNs: [{ matchName: "x.io" }] }, "spec.egress[0].toFQDNs"],
    ["groups", { toGroups: [{ aws: {} }] }, "spec.egress[0].toGroups"],
    ["nodes", { toNodes: [{}] }, "spec.egress[0].toNodes"],
    ["requirements", { toRequires: [{}], toEntities: ["all"] }, "spec.egress[0].toRequires"],
    ["authentication", { toEntities: ["all"], authentication: { mode: "required" } }, "spec.egress[0].authentication"],
    ["CIDR groups", { toCIDRSet: [{ cidrGroupRef: "x" }] }, "spec.egress[0].toCIDRSet[0].cidrGroupRef"],
    ["peers in two ways", { toEntities: ["all"], toCIDR: ["192.0.2.0/24"] }, "spec.egress[0]"],
    ["an unknown entity", { toEntities: ["everyone"] }, "spec.egress[0].toEntities[0]"],
    [
      "a wrong selector",
      { toEndpoints: [{ matchLabels: { "a b": "c" } }] },
      "spec.egress[0].toEndpoints[0].matchLabels[a b]",
    ],
    ["a wrong prefix", { toCIDR: ["192.0.2.0/33"] }, "spec.egress[0].toCIDR[0]"],
    ["no list", { toEntities: "all" }, "spec.egress[0].toEntities"],
    [
      "ports and types",
      { toPorts: [{ ports: [{ port: "1" }] }], icmps: [{ fields: [{ type: 8 }] }] },
      "spec.egress[0]",
    ],
    ["an unknown field", { toEntities: ["all"], toAnything: 1 }, "spec.egress[0].toAnything"],
    ["no Service", { toServices: [{}] }, "spec.egress[0].toServices[0]"],
  ])("allows nothing, names %s, and keeps the default deny", (_, rule, path) => {
    const policy = new PolicyFixture([egress(rule)]);
    expect(policy.parsed.problems.map((problem) => problem.path)).toEqual([path]);
    expect(policy.entries("egress")).toEqual([]);
    expect(policy.compiled.egress.hasDefaultDeny).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ["HTTP rules", { ports: [{ port: "80" }], rules: { http: [{ method: "GET" }] } }, "rules.http"],
    ["DNS rules", { ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }, "rules.dns"],
    ["Kafka rules", { ports: [{ port: "9092" }], rules: { kafka: [{ topic: "a" }] } }, "rules.kafka"],
    ["terminated TLS", { ports: [{ port: "443" }], terminatingTLS: { secret: { name: "x" } } }, "terminatingTLS"],
    ["originated TLS", { ports: [{ port: "443" }], originatingTLS: { secret: { name: "x" } } }, "originatingTLS"],
    ["server names", { ports: [{ port: "443" }], serverNames: ["x.io"] }, "serverNames"],
    ["a listener", { ports: [{ port: "443" }], listener: { name: "x" } }, "listener"],
    ["an extended protocol", { ports: [{ protocol: "GRE", port: "0" }] }, "ports[0].protocol"],
    ["ICMP among ports", { ports: [{ protocol: "ICMP", port: "8" }] }, "ports[0].protocol"],
    ["a number that is no text", { ports: [{ port: 80 }] }, "ports[0].port"],
    ["a protocol that is no word", { ports: [{ port: "80", protocol: { toString: null } }] }, "ports[0].protocol"],
    ["an octal number", { ports: [{ port: "080" }] }, "ports[0].port"],
    ["a range from 0", { ports: [{ port: "0", endPort: 9 }] }, "ports[0].endPort"],
    ["a range backwards", { ports: [{ port: "80", endPort: 79 }] }, "ports[0].endPort"],
    ["too many ports", { ports: Array.from({ length: 41 }, () => ({ port: "1" })) }, "ports"],
  ])("leaves out ports with %s and keeps the other ports of the rule", (_, port, path) => {
    const good = { ports: [{ port: "8443", protocol: "TCP" }] };
    const policy = new PolicyFixture([egress({ toEntities: ["all"], toPorts: [port, good] })]);
    expect(policy.parsed.problems.map((problem) => problem.path)).toEqual([`spec.egress[0].toPorts[0].${path}`]);
    expect(policy.entries("egress")).toEqual(["0 6 8443/16 allow"]);
  });

  it.each<[string, unknown]>([
    ["another family", { family: "IPv5", type: 8 }],
    ["a name of the other family", { family: "IPv4", type: "PacketTooBig" }],
    ["a type above 255", { type: 256 }],
    ["what objects inherit", { type: "constructor" }],
  ])("leaves out types of ICMP with %s", (_, field) => {
    const policy = new PolicyFixture([egress({ icmps: [{ fields: [field] }] })]);
    expect(policy.parsed.problems).toHaveLength(1);
    expect(policy.entries("egress")).toEqual([]);
  });

  it("leaves a spec without the right subject out, and keeps the other specs", () => {
    const specs = [
      { ingress: [{}] },
      { ...allOf, nodeSelector: {}, ingress: [{}] },
      { nodeSelector: {}, ingress: [{}] },
      { ...allOf },
      { ...allOf, egress: [{ toEntities: ["host"] }] },
    ];
    const policy = { ...(ciliumPolicy(undefined) as object), specs };
    const { rules, problems } = new PolicyFixture([policy]).parsed;
    expect(rules.map(({ origin }) => origin.path)).toEqual(["specs[4].egress[0]"]);
    expect(problems.map(({ path }) => path)).toEqual(["specs[0]", "specs[1]", "specs[2].nodeSelector", "specs[3]"]);
    expect(new PolicyFixture([ciliumPolicy(undefined)]).problems).toEqual(["spec: must be given, or specs"]);
  });

  it("says that a default deny without rules does nothing, as upstream", () => {
    const policy = new PolicyFixture([egress({}, { enableDefaultDeny: { ingress: true } })]);
    expect(policy.problems).toEqual([
      'spec.enableDefaultDeny.ingress: does nothing without ingress rules: add "ingress: [{}]"',
    ]);
    expect(policy.compiled.ingress.isEnforced).toBe(false);
  });

  it("takes what asks for nothing: empty rules of layer 7, disabled authentication, a port rule without ports", () => {
    const rule = {
      toEntities: ["all"],
      authentication: { mode: "disabled" },
      toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [] } }, {}],
    };
    const policy = new PolicyFixture([egress(rule)]);
    expect(policy.problems).toEqual([]);
    expect(policy.entries("egress")).toEqual(["0 6 80/16 allow"]);
    expect(policy.egress("web", sctp, 80)).toBe("default-deny");
  });
});

it("a rule carries its origin as upstream labels it", () => {
  const spec = {
    ...allOf,
    description: "why",
    log: { value: "tag" },
    labels: [
      { key: "team", value: "red" },
      { key: "x", value: "y", source: "k8s" },
    ],
    ingress: [{}],
  };
  expect(new PolicyFixture([ciliumPolicy(spec)]).parsed.rules[0]!.origin).toEqual({
    kind: "CiliumNetworkPolicy",
    namespace: "shop",
    name: "policy",
    path: "spec.ingress[0]",
    labels: [
      "k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy",
      "k8s:io.cilium.k8s.policy.name=policy",
      "k8s:io.cilium.k8s.policy.namespace=shop",
      "k8s:io.cilium.k8s.policy.uid=7",
      "k8s:x=y",
      "unspec:team=red",
    ],
    description: "why",
    log: "tag",
  });
});

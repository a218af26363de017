import fc from "fast-check";
import type { End, Pod } from "./naive-policy.js";

/** Small worlds, so that rules meet packets: few labels, few ports with neighbours, prefixes inside each other. */

const word = fc.constantFrom("a", "b", "c");
const labels = fc.dictionary(fc.constantFrom("app", "tier"), word, { maxKeys: 2 });
const portName = fc.constantFrom("http", "dns");
const protocolNumber = fc.constantFrom(6, 17, 132);

const pod: fc.Arbitrary<Pod> = fc
  .record({
    namespace: fc.constantFrom("red", "blue"),
    labels,
    ports: fc.uniqueArray(fc.record({ name: portName, port: fc.constantFrom(80, 81, 53), protocol: protocolNumber }), {
      selector: ({ name }) => name,
      maxLength: 2,
    }),
  })
  .map((facts) => ({ kind: "pod", namespaceLabels: { team: facts.namespace === "red" ? "a" : "b" }, ...facts }));

/** Ends that every cluster has. */
export const fixedEnds: readonly End[] = [
  { kind: "reserved", names: ["host"], nodeLabels: { role: "a" } },
  { kind: "reserved", names: ["remote-node"] },
  { kind: "reserved", names: ["kube-apiserver", "remote-node"] },
  { kind: "reserved", names: ["health"] },
  ...[
    "192.0.2.0",
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.9",
    "198.51.100.1",
    "2001:db8::",
    "2001:db8::5",
    "2001:db9::1",
  ].map((address): End => ({ kind: "outside", address })),
];

export const pods = fc.array(pod, { minLength: 1, maxLength: 5 });

// --- selectors

function selector(keys: readonly string[]) {
  const expression = fc.oneof(
    fc.record({
      key: fc.constantFrom(...keys),
      operator: fc.constantFrom("In", "NotIn"),
      values: fc.uniqueArray(word, { minLength: 1, maxLength: 2 }),
    }),
    fc.record({ key: fc.constantFrom(...keys), operator: fc.constantFrom("Exists", "DoesNotExist") }),
  );
  return fc.record(
    {
      matchLabels: fc.dictionary(fc.constantFrom(...keys), word, { maxKeys: 1 }),
      matchExpressions: fc.array(expression, { maxLength: 1 }),
    },
    { requiredKeys: [] },
  );
}
const podSelector = selector(["app", "tier"]);
const namespaceSelector = fc.oneof(
  selector(["team"]),
  fc.constantFrom("red", "blue").map((name) => ({ matchLabels: { "kubernetes.io/metadata.name": name } })),
);
const sourcedSelector = fc.oneof(
  { weight: 4, arbitrary: selector(["app", "k8s:app", "any:tier", "reserved:app"]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { matchLabels: { "k8s:io.kubernetes.pod.namespace": "red" } },
      { matchLabels: { "io.kubernetes.pod.namespace": "blue" } },
      { matchLabels: { "k8s:io.cilium.k8s.namespace.labels.team": "b" } },
      { matchLabels: { "reserved:host": "" } },
      { matchExpressions: [{ key: "reserved:remote-node", operator: "Exists" }] },
    ),
  },
);

// --- peers and ports

const prefixes = {
  "192.0.2.0/24": ["192.0.2.0/31", "192.0.2.2/32", "192.0.2.8/29"],
  "192.0.2.0/29": ["192.0.2.0/30", "192.0.2.1/32"],
  "0.0.0.0/0": ["192.0.2.0/24", "198.51.0.0/16"],
  "2001:db8::/32": ["2001:db8::/126"],
  "::/0": ["2001:db8::/32", "2001:db8::/128"],
} as const;
const cidrRule = fc
  .constantFrom(...Object.entries(prefixes))
  .chain(([cidr, inside]) => fc.record({ cidr: fc.constant(cidr), except: fc.subarray([...inside]) }));

const portNumber = fc.constantFrom(1, 53, 79, 80, 81, 82, 443, 8080, 65535);
const range = fc.tuple(portNumber, portNumber).map(([a, b]) => ({ port: Math.min(a, b), endPort: Math.max(a, b) }));
const kubeProtocol = fc.constantFrom("TCP", "UDP", "SCTP");
const kubePort = fc.oneof(
  fc.record({ protocol: kubeProtocol, port: fc.oneof(portNumber, portName) }, { requiredKeys: [] }),
  fc.tuple(kubeProtocol, range).map(([protocol, ports]) => ({ protocol, ...ports })),
);
const kubePeer = fc.oneof(
  fc.record({ podSelector, namespaceSelector }, { requiredKeys: [] }).filter((peer) => Object.keys(peer).length > 0),
  cidrRule.map((ipBlock) => ({ ipBlock })),
);

const ciliumProtocol = fc.constantFrom("TCP", "UDP", "SCTP", "ANY");
const ciliumPort = fc.oneof(
  fc.record({ port: fc.oneof(portNumber.map(String), portName, fc.constant("0")), protocol: ciliumProtocol }),
  fc.tuple(ciliumProtocol, range).map(([protocol, { port, endPort }]) => ({ protocol, port: String(port), endPort })),
);
const portRule = fc.record(
  {
    ports: fc.array(ciliumPort, { maxLength: 2 }),
    rules: fc.constant({ http: [{ method: "GET" }] }),
  },
  { requiredKeys: ["ports"] },
);
const icmpRule = fc.record({
  fields: fc.array(
    fc.oneof(
      fc.record({ family: fc.constant("IPv4"), type: fc.constantFrom(0, 8, "EchoRequest", "3") }),
      fc.record({ family: fc.constant("IPv6"), type: fc.constantFrom(128, "EchoReply") }),
    ),
    { maxLength: 2 },
  ),
});
const entityName = fc.constantFrom(
  ...["all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "health", "none", "kube-apiserver"],
);

function ciliumRule(from: "from" | "to") {
  const list = (items: fc.Arbitrary<unknown>) => fc.array(items, { maxLength: 2 });
  const peers = fc.oneof(
    fc.constant({}),
    list(sourcedSelector).map((items) => ({ [`${from}Endpoints`]: items })),
    list(entityName).map((items) => ({ [`${from}Entities`]: items })),
    list(fc.constantFrom(...Object.keys(prefixes), "192.0.2.9")).map((items) => ({ [`${from}CIDR`]: items })),
    list(cidrRule).map((items) => ({ [`${from}CIDRSet`]: items })),
  );
  const ports = fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: list(portRule).map((toPorts) => ({ toPorts })) },
    { weight: 1, arbitrary: list(icmpRule).map((icmps) => ({ icmps })) },
  );
  const refused = from === "to" ? { toFQDNs: [{ matchName: "x.io" }] } : { authentication: { mode: "required" } };
  const extra = fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constant(refused) });
  return fc.tuple(peers, ports, extra).map((parts) => Object.assign({}, ...parts));
}

// --- policies

const name = fc.stringMatching(/^[a-z]{6}$/);

const kubePolicy = fc.record({
  apiVersion: fc.constant("networking.k8s.io/v1"),
  kind: fc.constant("NetworkPolicy"),
  metadata: fc.record({ name, namespace: fc.constantFrom("red", "blue") }),
  spec: fc.record(
    {
      podSelector,
      policyTypes: fc.subarray(["Ingress", "Egress"], { minLength: 1 }),
      ingress: fc.array(
        fc.record(
          { from: fc.array(kubePeer, { maxLength: 2 }), ports: fc.array(kubePort, { maxLength: 2 }) },
          { requiredKeys: [] },
        ),
        { maxLength: 2 },
      ),
      egress: fc.array(
        fc.record(
          { to: fc.array(kubePeer, { maxLength: 2 }), ports: fc.array(kubePort, { maxLength: 2 }) },
          { requiredKeys: [] },
        ),
        { maxLength: 2 },
      ),
    },
    { requiredKeys: ["podSelector"] },
  ),
});

const sections = {
  ingress: fc.array(ciliumRule("from"), { maxLength: 2 }),
  ingressDeny: fc.array(ciliumRule("from"), { maxLength: 2 }),
  egress: fc.array(ciliumRule("to"), { maxLength: 2 }),
  egressDeny: fc.array(ciliumRule("to"), { maxLength: 2 }),
  enableDefaultDeny: fc.record({ ingress: fc.boolean(), egress: fc.boolean() }, { requiredKeys: [] }),
};
const endpointSpec = fc.record(
  { endpointSelector: selector(["app", "k8s:tier"]), ...sections },
  { requiredKeys: ["endpointSelector"] },
);
const nodeSpec = fc.record({ nodeSelector: selector(["role"]), ...sections }, { requiredKeys: ["nodeSelector"] });

const ciliumPolicy = fc.record(
  {
    apiVersion: fc.constant("cilium.io/v2"),
    kind: fc.constant("CiliumNetworkPolicy"),
    metadata: fc.record({ name, namespace: fc.constantFrom("red", "blue") }),
    spec: endpointSpec,
    specs: fc.array(endpointSpec, { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ["apiVersion", "kind", "metadata", "spec"] },
);
const clusterwidePolicy = fc.record({
  apiVersion: fc.constant("cilium.io/v2"),
  kind: fc.constant("CiliumClusterwideNetworkPolicy"),
  metadata: fc.record({ name }),
  spec: fc.oneof(endpointSpec, nodeSpec),
});

export const policies = fc.uniqueArray(fc.oneof(kubePolicy, ciliumPolicy, clusterwidePolicy), {
  selector: ({ metadata }) => metadata.name,
  maxLength: 4,
});

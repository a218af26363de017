import { describe, expect, it } from "vitest";
import { formatManifestProblem } from "../../src/state/manifests/manifest-problem.js";
import { parseManifests } from "../../src/state/manifests/parse-manifests.js";

const parse = (text: string) => parseManifests([{ path: "m.yaml", text }]);
const problemsOf = (text: string) => parse(text).problems.map(formatManifestProblem);

describe("manifests of policies", () => {
  it("become objects with every field of their API", () => {
    const spec = {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { app: "web" } } },
            { namespaceSelector: { matchExpressions: [{ key: "team", operator: "Exists" }] } },
            { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
          ],
          ports: [{ protocol: "SCTP", port: 80, endPort: 90 }, { port: "http" }],
        },
        {},
      ],
      egress: [],
    };
    const metadata = { name: "deny", namespace: "shop" };
    const policy = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec };
    const { objects, problems } = parse(JSON.stringify(policy));
    expect(problems).toEqual([]);
    expect(objects.map(({ object }) => object)).toEqual([policy]);
  });

  it("of upstream's kinds keep what a later release understands", () => {
    const spec = {
      endpointSelector: { matchLabels: { "k8s:app": "web" } },
      enableDefaultDeny: { ingress: false },
      ingressDeny: [{ fromEntities: ["world"], icmps: [{ fields: [{ family: "IPv4", type: 8 }] }] }],
      egress: [
        {
          toFQDNs: [{ matchName: "example.com" }],
          toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], rules: { http: [{ method: "GET" }] } }],
        },
        { toServices: [{ k8sService: { serviceName: "db", namespace: "shop" } }] },
        { toCIDRSet: [{ cidrGroupRef: "partners", except: ["192.0.2.0/24"] }] },
      ],
      description: "what it is for",
      labels: [{ key: "team", value: "a" }],
      log: { value: "web" },
    };
    for (const kind of ["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"]) {
      const isClusterwide = kind !== "CiliumNetworkPolicy";
      const metadata = { name: "web", ...(isClusterwide ? {} : { namespace: "default" }) };
      const policy = { apiVersion: "cilium.io/v2", kind, metadata, spec, specs: [spec] };
      const { objects, problems } = parse(JSON.stringify(policy));
      expect(problems).toEqual([]);
      expect(objects.map(({ object }) => object)).toEqual([policy]);
    }
  });

  it("are refused with the place of what their API does not have", () => {
    expect(
      problemsOf(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web}
spec:
  endpointSelector: {}
  ingres: []
  ingress:
    - fromEndpoint: [{}]
      toPorts: [{ports: [{port: 80}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {}
  policyTypes: [ingress]
`),
    ).toEqual([
      "m.yaml:7:3: unknown field spec.ingres in CiliumNetworkPolicy default/web: did you mean ingress?",
      "m.yaml:9:7: unknown field spec.ingress[0].fromEndpoint in CiliumNetworkPolicy default/web: did you mean fromEndpoints?",
      "m.yaml:10:33: spec.ingress[0].toPorts[0].ports[0].port in CiliumNetworkPolicy default/web must be text: put it in quotes, not 80",
      'm.yaml:17:17: spec.policyTypes[0] in NetworkPolicy default/web must be one of Ingress, Egress, not "ingress": did you mean Ingress?',
    ]);
  });

  it("keep what agents refuse, and say at its place what will not be in force", () => {
    const { objects, problems, notes } = parse(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web}
spec:
  endpointSelector: {}
  ingress:
    - fromCIDR:
        - 10.0.0.0/8
        - nowhere
    - toPorts:
        - ports: [{port: "80", protocol: TCP}]
          rules: {http: [{method: GET}]}
  egress:
    - toFQDNs: [{matchName: example.com}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: fine}
spec: {podSelector: {}}
`);
    expect([objects.length, problems]).toEqual([2, []]);
    expect(notes.map(formatManifestProblem)).toEqual([
      'm.yaml:10:11: spec.ingress[0].fromCIDR[1] in CiliumNetworkPolicy default/web is not in force: "nowhere" is not an IPv4 or IPv6 address',
      "m.yaml:13:25: spec.ingress[1].toPorts[0].rules.http in CiliumNetworkPolicy default/web is not in force: layer 7 rules are not supported yet",
      "m.yaml:15:16: spec.egress[0].toFQDNs in CiliumNetworkPolicy default/web is not in force: DNS names are not supported yet",
    ]);
  });
});

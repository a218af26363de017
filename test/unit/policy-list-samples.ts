import { knownPolicyList, policyRuleList, policySelectorList } from "../../src/output/lists/policy-rule-lists.js";
import { policyVerdictList } from "../../src/output/lists/policy-verdict-list.js";
import { type Sample, sample } from "./list-sample.js";

export const policySamples: readonly Sample[] = [
  sample(policyVerdictList, [
    {
      ...{ from: "shop/client", to: "shop/web", fromIdentity: 300, toIdentity: 301, protocol: 6, port: 80 },
      ...{ direction: "ingress", verdict: "default-deny", reason: "no policy allows it" },
      rules: ["NetworkPolicy/shop/web spec.ingress"],
    },
    {
      ...{ from: "world", to: "shop/web", fromIdentity: 2, toIdentity: 301, protocol: 1, port: 8 },
      ...{ direction: "egress", verdict: "allow", reason: "no policy asks", rules: [] },
    },
  ]),
  sample(policyRuleList, [
    {
      ...{ kind: "NetworkPolicy", namespace: "shop", name: "web", path: "spec.ingress[0]", subject: "k8s:app=web" },
      ...{ direction: "ingress", verdict: "allow", hasDefaultDeny: true, peers: ["*"], ports: ["80/TCP"] },
      labels: ["k8s:io.cilium.k8s.policy.name=web"],
      description: "for the web",
    },
    {
      ...{ kind: "CiliumClusterwideNetworkPolicy", name: "all", path: "spec.egress", subject: "*" },
      ...{ direction: "egress", verdict: "deny", hasDefaultDeny: false, peers: [], ports: [], labels: [] },
    },
  ]),
  sample(knownPolicyList, [
    {
      ...{ node: "a", agentRevision: 4, kind: "NetworkPolicy", namespace: "shop", name: "web", uid: "7", revision: 3 },
      ...{ state: "partial", endpoints: [7, 8], problems: [{ path: "spec.ingress[1]", reason: "must be an object" }] },
      rules: [
        {
          ...{ kind: "NetworkPolicy", namespace: "shop", name: "web", path: "spec.ingress[0]", subject: "k8s:app=web" },
          ...{ direction: "ingress", verdict: "allow", hasDefaultDeny: true, peers: ["*"], ports: ["80/TCP"] },
          labels: ["k8s:io.cilium.k8s.policy.name=web"],
        },
      ],
    },
    {
      ...{ node: "b", agentRevision: 1, kind: "CiliumClusterwideNetworkPolicy", name: "all", revision: 1 },
      ...{ state: "none", endpoints: [], problems: [], rules: [] },
    },
  ]),
  sample(policySelectorList, [{ selector: "k8s:app=web", rules: 2, identities: [0, 300] }]),
];

import { labelSelector, portNumber, protocol } from "./common-schemas.js";
import { anything, boolean, list, object, oneOf, portReference, type Schema, text } from "./schema.js";

/**
 * Fields of policies as their APIs have them. What a value means, and whether this version can do it, `parsePolicy` says: of fields
 * that are for later releases only the name is known here.
 */
function known(...names: readonly string[]): Readonly<Record<string, Schema>> {
  return Object.fromEntries(names.map((name) => [name, anything]));
}

const networkPolicyPeer = object({
  podSelector: labelSelector,
  namespaceSelector: labelSelector,
  ipBlock: object({ "cidr!": text, except: list(text) }),
});

const networkPolicyPorts = list(object({ protocol, port: portReference, endPort: portNumber }));

/** networking.k8s.io/v1. */
export const networkPolicySpec = object({
  podSelector: labelSelector,
  ingress: list(object({ from: list(networkPolicyPeer), ports: networkPolicyPorts })),
  egress: list(object({ to: list(networkPolicyPeer), ports: networkPolicyPorts })),
  policyTypes: list(oneOf("Ingress", "Egress")),
});

const cidrRules = list(object({ cidr: text, except: list(text), ...known("cidrGroupRef", "cidrGroupSelector") }));

const portRules = {
  toPorts: list(
    object({
      ports: list(object({ port: text, endPort: anything, protocol: text })),
      ...known("rules", "listener", "terminatingTLS", "originatingTLS", "serverNames"),
    }),
  ),
  icmps: list(object({ fields: list(object({ family: text, "type!": anything })) })),
  ...known("authentication"),
};

const ingressRules = list(
  object({
    fromEndpoints: list(labelSelector),
    fromEntities: list(text),
    fromCIDR: list(text),
    fromCIDRSet: cidrRules,
    ...known("fromNodes", "fromGroups", "fromRequires"),
    ...portRules,
  }),
);

const serviceReference = object({
  k8sService: object({ serviceName: text, namespace: text }),
  k8sServiceSelector: object({ "selector!": labelSelector, namespace: text }),
});

const egressRules = list(
  object({
    toEndpoints: list(labelSelector),
    toEntities: list(text),
    toCIDR: list(text),
    toCIDRSet: cidrRules,
    toServices: list(serviceReference),
    ...known("toNodes", "toGroups", "toRequires", "toFQDNs"),
    ...portRules,
  }),
);

const ciliumRule = object({
  endpointSelector: labelSelector,
  nodeSelector: labelSelector,
  ingress: ingressRules,
  ingressDeny: ingressRules,
  egress: egressRules,
  egressDeny: egressRules,
  enableDefaultDeny: object({ ingress: boolean, egress: boolean }),
  labels: list(object({ "key!": text, value: text, source: text })),
  description: text,
  log: object({ value: text }),
});

/** cilium.io/v2, of both kinds. */
export const ciliumPolicyFields = { spec: ciliumRule, specs: list(ciliumRule) };

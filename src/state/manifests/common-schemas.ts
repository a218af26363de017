import { formed, ignoring, integer, list, map, object, oneOf, silentlyIgnored, text } from "./schema.js";

/** RFC 1123 label: names of namespaces, ports of containers, containers. */
export const dnsLabel = formed(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  'a DNS label (lower-case letters, digits and "-", at most 63 characters)',
);
/** RFC 1123 subdomain: names of most objects. */
export const dnsName = formed(
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
  'a DNS name (lower-case letters, digits, "-" and ".")',
);
/** IANA service name: at most 15 characters with a letter. */
export const portName = formed(
  /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/,
  'a port name (at most 15 lower-case letters, digits and "-")',
);
export const servicePortName = dnsLabel;
export const labelValue = formed(
  /^(([A-Za-z0-9][A-Za-z0-9_.-]{0,61})?[A-Za-z0-9])?$/,
  "a label value (at most 63 letters, digits, '-', '_' and '.')",
);
export const portNumber = integer(1, 65_535);
export const protocol = oneOf("TCP", "UDP", "SCTP");
export const labels = map(labelValue);
export const labelSelector = object({
  matchLabels: labels,
  matchExpressions: list(
    object({ "key!": text, "operator!": oneOf("In", "NotIn", "Exists", "DoesNotExist"), values: list(text) }),
  ),
});

/** What the API server writes; exports of live objects carry it. */
const serverFields = {
  uid: silentlyIgnored,
  resourceVersion: silentlyIgnored,
  creationTimestamp: silentlyIgnored,
  generation: silentlyIgnored,
  selfLink: silentlyIgnored,
  managedFields: silentlyIgnored,
  ownerReferences: silentlyIgnored,
};

const metadataFields = {
  labels,
  annotations: map(text),
  ...serverFields,
  ...ignoring("finalizers", "generateName", "deletionTimestamp", "deletionGracePeriodSeconds"),
};

export const namespacedMetadata = object({ "name!": dnsName, namespace: dnsLabel, ...metadataFields });
export const clusterMetadata = object({ "name!": dnsName, ...metadataFields });
export const templateMetadata = object({ name: silentlyIgnored, namespace: silentlyIgnored, ...metadataFields });

import { be, ip4, ip6, u64 } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

const keyOf = (address: typeof ip4) => ({
  namespace: u64("netns_cookie"),
  address: address("address"),
  port: be("port"),
});

/** Pods that reach a Service itself where a local redirect policy leads everybody else to a local pod. Since 1.16. */
export const skipMap = smallMap(
  [source("cilium_skip_lb4", keyOf(ip4), {}), source("cilium_skip_lb6", keyOf(ip6), {})],
  {
    name: "lb-skip",
    kind: "LbSkipList",
    summary: "List the pods whose connections to a frontend are not redirected to a local pod",
    madeWhen: "local redirect policies are on (since 1.16)",
    fields: {
      namespace: { header: "NETNS", type: "counter", doc: "cookie of the pod's network namespace" },
      address: { header: "FRONTEND", type: "address", doc: "that the pod dials", port: (row) => row.port },
      port: { type: "port", doc: "that the pod dials" },
      service: { header: "SERVICE", type: "name", doc: "the Service", frontendOf: (row) => row },
    },
    order: (row) => [row.namespace, row.address, row.port],
    nameOf: (row) => `${row.namespace}-${row.address}-${row.port}`,
    filters: { hasServices: true, traits: (row) => ({ ends: [row] }) },
  },
);

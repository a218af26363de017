import type { IpFamily } from "../../../src/lib/ip.js";
import { BenchLab } from "../bench-lab.js";
import { Cleanup } from "../cleanup.js";
import { sweepNamespaces } from "../namespaces.js";
import type { TrafficResult } from "../results.js";
import { measureRounds } from "../rounds.js";
import { openRoutedVeth } from "../routed-veth.js";
import type { Topology } from "../topology.js";
import type { Cores, Mode } from "../traffic.js";
import { type Between, openTwoNodes } from "../two-nodes.js";
import type { Stage, StageContext } from "./stage.js";

/** Pods' packets in another family or on another way than in the main table, beside plain ways of the same kind. */
interface RoutingCase {
  readonly title: string;
  readonly lab: string;
  readonly family: IpFamily;
  /** Of the plain way across nodes. */
  readonly between: Between;
  readonly settings: Readonly<Record<string, string>>;
}

const measured: readonly { readonly mode: Mode; readonly cores: Cores }[] = [
  { mode: "TCP_CRR", cores: "two cores" },
  { mode: "TCP_CRR", cores: "one core" },
  { mode: "TCP_RR", cores: "two cores" },
  { mode: "STREAM", cores: "two cores" },
];

function routingStage(one: RoutingCase): Stage {
  return { title: one.title, measure: (context) => Cleanup.during((cleanup) => measureCase(one, context, cleanup)) };
}

export const ipv6Stage = routingStage({
  title: "IPv6",
  lab: "bench-v6",
  family: 6,
  between: "kernel VXLAN",
  settings: {},
});

/** Of a lab whose nodes share a network. */
export const nativeRouting = {
  "routing-mode": "native",
  "auto-direct-node-routes": "true",
  "ipv4-native-routing-cidr": "10.244.0.0/16",
} as const;

export const nativeStage = routingStage({
  title: "Native routing",
  lab: "bench-native",
  family: 4,
  between: "routes",
  settings: nativeRouting,
});

async function measureCase(one: RoutingCase, { settings }: StageContext, cleanup: Cleanup) {
  const { family, between } = one;
  await sweepNamespaces();
  const lab = cleanup.use(await BenchLab.open(one.lab, "socket LB", { family, settings: one.settings }));
  const scopes: Readonly<Record<"same node" | "across nodes", readonly Topology[]>> = {
    "same node": [
      cleanup.use(await openRoutedVeth("plain: routed veth", "ra", family)),
      cleanup.use(await openRoutedVeth("plain again (A/A)", "rb", family)),
      lab.sameNode,
    ],
    "across nodes": [
      cleanup.use(await openTwoNodes(`plain: ${between}`, "ya", { family, between })),
      cleanup.use(await openTwoNodes("plain again (A/A)", "yb", { family, between })),
      lab.acrossNodes,
    ],
  };
  const traffic: TrafficResult[] = [];
  for (const how of measured) {
    for (const scope of ["same node", "across nodes"] as const)
      traffic.push(await measureRounds({ ...how, scope, services: 1 }, scopes[scope], settings));
  }
  return { traffic, tables: [] };
}

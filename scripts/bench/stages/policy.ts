import { setTimeout as delay } from "node:timers/promises";
import { resourceTypes } from "../../../src/model/kubernetes.js";
import type { CiliumNetworkPolicy } from "../../../src/model/network-policy-objects.js";
import { FolderStateSource } from "../../../src/state/folder-state-source.js";
import { BenchLab } from "../bench-lab.js";
import { benchNamespace, pod, service } from "../lab-manifests.js";
import { measureRounds } from "../rounds.js";
import { firstPort, modes, serverCommand } from "../traffic.js";
import { policyProgramTable } from "./policy-costs.js";
import type { Stage, StageTable } from "./stage.js";

/** Rules on the egress of a client and on the ingress of its server; 0 twice, to see how far two equal things differ. */
const ways = [
  { app: "none-a", address: "10.96.201.1", name: "no policy", rules: 0 },
  { app: "none-b", address: "10.96.201.2", name: "no policy (A/A)", rules: 0 },
  { app: "rules-10", address: "10.96.201.3", name: "10 rules", rules: 10 },
  { app: "rules-1000", address: "10.96.201.4", name: "1,000 rules", rules: 1_000 },
  { app: "rules-10000", address: "10.96.201.5", name: "10,000 rules", rules: 10_000 },
] as const;
type Way = (typeof ways)[number];

const rulesOfObject = 500;
/** Every other port: neighbours would share an entry of the map. */
const [firstRulePort, portStep] = [20_000, 2] as const;
const deadlineMs = 300_000;

export const policyStage: Stage = {
  title: "Policy",
  async measure({ settings }) {
    const objects = ways.flatMap(({ app, address }) => [
      pod(`client-${app}`, `client-${app}`, "bench-1", ["/bin/sleep", "infinity"]),
      pod(`server-${app}`, `server-${app}`, "bench-1", serverCommand),
      service(`server-${app}`, address),
    ]);
    await using lab = await BenchLab.open("bench-policy", "socket LB", { objects });
    await applyPolicies(lab);
    const entries = await untilEntries(lab, settings.signal);
    const topologies = ways.map(({ app, name, address }) => lab.way(name, `client-${app}`, address));
    const frame = { scope: "same node", services: 1, mode: "TCP_CRR" } as const;
    const traffic = [
      await measureRounds({ ...frame, cores: "two cores" }, topologies, settings),
      await measureRounds({ ...frame, cores: "one core" }, topologies, settings),
    ];
    return { traffic, tables: [entryTable(entries), policyProgramTable(ways.map(({ rules }) => rules))] };
  },
};

async function applyPolicies(lab: BenchLab): Promise<void> {
  await using state = await FolderStateSource.open(lab.stateDir);
  for (const way of ways) {
    for (let first = 0; first < way.rules; first += rulesOfObject) {
      const last = Math.min(first + rulesOfObject, way.rules);
      for (const object of policiesOf(way, first, last))
        await state.create(resourceTypes.ciliumNetworkPolicies, object);
    }
  }
}

/** Rules `first` … `last - 1`: the traffic's ports are in the last one of all. */
function policiesOf({ app, rules }: Way, first: number, last: number): readonly CiliumNetworkPolicy[] {
  const trafficPorts = modes.map((_, index) => ({ port: `${firstPort + index}`, protocol: "TCP" }));
  const toPorts = (index: number): object[] => [
    {
      ports: index === rules - 1 ? trafficPorts : [{ port: `${firstRulePort + index * portStep}`, protocol: "TCP" }],
    },
  ];
  const indexes = Array.from({ length: last - first }, (_, offset) => first + offset);
  const peer = (side: string): object[] => [{ matchLabels: { app: `${side}-${app}` } }];
  const policy = (side: string, direction: object): CiliumNetworkPolicy =>
    ({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: `${side}-${app}-${first}`, namespace: benchNamespace },
      spec: { endpointSelector: { matchLabels: { app: `${side}-${app}` } }, ...direction },
    }) as CiliumNetworkPolicy;
  return [
    policy("client", { egress: indexes.map((index) => ({ toEndpoints: peer("server"), toPorts: toPorts(index) })) }),
    policy("server", { ingress: indexes.map((index) => ({ fromEndpoints: peer("client"), toPorts: toPorts(index) })) }),
  ];
}

/** Entries of each pod's policy map, when the rules are in force. */
async function untilEntries(lab: BenchLab, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  await using state = await FolderStateSource.open(lab.stateDir);
  const endpoints = (await state.list(resourceTypes.ciliumEndpoints)).items;
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    const rows = await lab.items("bpf", "policy", "list", "--node", "bench-1", "--max-rows", "1000000");
    const counts = new Map<unknown, number>();
    for (const { endpointId } of rows) counts.set(endpointId, (counts.get(endpointId) ?? 0) + 1);
    const entries = new Map(endpoints.map(({ metadata, status }) => [metadata.name, counts.get(status?.id) ?? 0]));
    const isWhole = ({ app, rules }: Way): boolean =>
      ["client", "server"].every((side) => (entries.get(`${side}-${app}`) ?? 0) > rules);
    if (ways.every(isWhole)) return entries;
    if (Date.now() > deadline) throw new Error(`policies are not in force: ${JSON.stringify([...entries])}`);
    await delay(2_000);
  }
}

function entryTable(entries: ReadonlyMap<string, number>): StageTable {
  return {
    title: "Entries of the policy maps",
    intro: "Read from the node before the traffic.",
    head: ["pod", "entries"],
    rows: [...entries].map(([name, count]) => [name, count.toLocaleString("en-US")]).sort(),
  };
}

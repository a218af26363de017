import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import type { CiliumNetworkPolicy, CiliumPolicySpec } from "../../src/model/network-policy-objects.js";
import { AgentCluster, type AgentNode, until } from "./agent-node.js";
import { endpoints } from "./pod-traffic.js";
import { MortalAgent, writesToDieAt } from "./support/mortal-agent.js";

const pods = ["client", "web", "other"] as const;
const client = { matchLabels: { app: "client" } };
/** Between these no order of edits is safe: the map is exchanged, of every endpoint. */
const specs: Readonly<Record<"before" | "after", CiliumPolicySpec>> = {
  before: { endpointSelector: {}, ingress: [{ fromEndpoints: [client] }] },
  after: {
    endpointSelector: {},
    ingress: [{ fromEntities: ["all"] }],
    ingressDeny: [{ fromEndpoints: [client], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] }],
  },
};
const ref = { namespace: "shop", name: "flip" };

let cluster: AgentCluster;
let a: AgentNode;
let mortal: MortalAgent;
let ids: readonly number[];

beforeAll(async () => {
  cluster = await AgentCluster.create();
  a = await cluster.addNode("a");
  mortal = new MortalAgent(a);
  await a.start();
  for (const name of pods) await cluster.createPod(name, "a", { app: name });
  for (const name of pods) await a.add(name);
  ids = (await endpoints(a)).map(({ id }) => id);
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const folder = () => join(a.bpffs, "tc/globals");

function entriesOf(map: BpfMap): readonly string[] {
  const entries: string[] = [];
  for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key))
    entries.push(`${key.toString("hex")}=${map.lookup(key)?.toString("hex")}`);
  return entries.sort();
}

/** By endpoint: what the programs judge by, found as they find it. */
function judgedBy(): readonly (readonly string[])[] {
  using index = BpfMap.openPinned(join(folder(), "cts_policy_maps"), { readOnly: true });
  return ids.map((id) => {
    const key = Buffer.alloc(4);
    key.writeUInt32LE(id);
    using map = BpfMap.openById(index.lookup(key)!.readUInt32LE(), { readOnly: true });
    return entriesOf(map);
  });
}

/** What is pinned under the endpoints' names; every other pin of a policy is a leftover. */
function pinned(): readonly (readonly string[])[] {
  const names = readdirSync(folder()).filter((name) => name.startsWith("cilium_policy_v2_"));
  expect(names).toHaveLength(ids.length);
  return ids.map((id) => {
    const path = join(folder(), `cilium_policy_v2_${String(id).padStart(5, "0")}`);
    using map = BpfMap.openPinned(path, { readOnly: true });
    return entriesOf(map);
  });
}

async function setPolicy(spec: CiliumPolicySpec): Promise<void> {
  const type = resourceTypes.ciliumNetworkPolicies;
  const standing = await cluster.state.get(type, ref);
  const object: CiliumNetworkPolicy = { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: ref, spec };
  if (standing === undefined) await cluster.state.create(type, object);
  else await cluster.state.update(type, { ...standing, spec });
}

const settles = (wanted: ReturnType<typeof judgedBy>, when: string) =>
  until(when, () => isDeepStrictEqual(judgedBy(), wanted), 20_000);

async function learn(spec: CiliumPolicySpec): Promise<ReturnType<typeof judgedBy>> {
  const open = judgedBy();
  await setPolicy(spec);
  await until("every endpoint has another policy", () =>
    judgedBy().every((one, at) => !isDeepStrictEqual(one, open[at])),
  );
  return judgedBy();
}

describe("an agent that is killed before any of its writes of a policy", () => {
  it("leaves each endpoint its whole old or its whole new one, and the next agent brings the new one to all", async () => {
    const before = await learn(specs.before);
    const after = await learn(specs.after);
    let deaths = 0;
    for (const write of writesToDieAt()) {
      await setPolicy(specs.before);
      await settles(before, `back after ${deaths} deaths`);
      await mortal.plan(write);
      await setPolicy(specs.after);
      await until("the change is made, or the agent dead", () => a.isDead() || isDeepStrictEqual(judgedBy(), after));
      await mortal.pardon();
      if (!a.isDead()) break;
      deaths++;
      for (const [at, policy] of judgedBy().entries())
        expect([before[at], after[at]], `killed before write ${write}`).toContainEqual(policy);
      await a.start();
      await settles(after, `killed before write ${write}`);
      await until("the names follow", () => isDeepStrictEqual(pinned(), after)).catch(() => undefined);
      expect(pinned(), `killed before write ${write}`).toEqual(after);
    }
    expect(deaths).toBeGreaterThan(1);
  });
});

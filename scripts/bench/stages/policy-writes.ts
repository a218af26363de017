import type { EndpointRecord } from "../../../src/agent/endpoints/endpoint-record.js";
import { EndpointPolicies } from "../../../src/agent/policy/endpoint-policies.js";
import { PolicyMaps } from "../../../src/datapath/policy-maps.js";
import { IpAddress } from "../../../src/lib/ip.js";
import { defaultAgentConfig } from "../../../src/model/agent-config.js";
import { parseLabel, sortLabels } from "../../../src/model/labels.js";
import { parsePolicy } from "../../../src/model/policy/parse-policy.js";
import { SelectorCache } from "../../../src/model/policy/selector-cache.js";
import { TestFolder } from "../../../test/support/test-folder.js";
import { openOwnMaps } from "./own-maps.js";
import type { StageContext, StageTable } from "./stage.js";
import { describeTimes } from "./times.js";

const endpoints = 500;
/** Endpoints with the same labels share a compiled policy; so many workloads there are. */
const workloads = 50;
const firstIdentity = 10_000;

/** A policy that selects every endpoint changes: what the agent does once it knows, without a lab's 500 pods. */
export async function measurePolicyWrites({ settings }: StageContext): Promise<StageTable> {
  const config = defaultAgentConfig();
  using folder = new TestFolder();
  using maps = openOwnMaps(folder.maps, config);
  const policies = new PolicyMaps({ folder: folder.maps, maps, maxEntries: config.policyMapMax });
  const kept = keepEndpoints(policies);
  const first = await timeChange(kept, 0);
  const times: number[] = [];
  for (let round = 1; round <= settings.rounds; round++) {
    settings.signal.throwIfAborted();
    times.push(await timeChange(kept, round));
  }
  const what = `${endpoints} endpoints, ${workloads} workloads`;
  return {
    title: `A policy of ${endpoints} endpoints changes`,
    intro:
      "From the changed object in the agent's hands until every endpoint's map has the whole new policy: parsing, compiling and writing by " +
      "the agent's own classes into maps of their own. The way of the file to the agent is that of a Service's, above.",
    head: ["what", "changes", "p50", "p99", "longest"],
    rows: [
      [`the first policy of ${what}`, ...describeTimes([first])],
      [what, ...describeTimes(times)],
    ],
  };
}

function keepEndpoints(policies: PolicyMaps): EndpointPolicies {
  const selectors = new SelectorCache({ ipv4: true, ipv6: false });
  const kept = new EndpointPolicies({
    datapath: { writePolicy: (endpointId, desired) => policies.write(endpointId, desired) },
    selectors,
    mode: "default",
    allowsLocalHost: true,
    maxEntries: defaultAgentConfig().policyMapMax,
    podOf: () => undefined,
    hostLabels: () => undefined,
  });
  selectors.upsert(
    Array.from({ length: workloads }, (_, index) => ({
      id: firstIdentity + index,
      labels: sortLabels(labelsOf(index).map(parseLabel)),
    })),
  );
  for (let index = 0; index < endpoints; index++) kept.add(recordOf(index));
  return kept;
}

function labelsOf(workload: number): readonly string[] {
  return [`k8s:app=app-${workload}`, "k8s:io.kubernetes.pod.namespace=bench", "k8s:team=red"];
}

function recordOf(index: number): EndpointRecord {
  const workload = index % workloads;
  return {
    version: 1,
    endpointId: 1_000 + index,
    state: "ready",
    containerId: `bench-${index}`,
    ifName: "eth0",
    netns: "",
    podName: `pod-${index}`,
    podNamespace: "bench",
    addresses: [IpAddress.ofV4(0x0a_f4_00_00 + index)],
    mac: "02:00:00:00:00:01",
    hostIfname: `lxc${index}`,
    hostMac: "02:00:00:00:00:02",
    ifindex: 0,
    mtu: 1450,
    identity: firstIdentity + workload,
    labels: labelsOf(workload),
    createdAt: "2026-01-01T00:00:00Z",
  };
}

/** Everybody of the team is allowed one port, another one each time. */
async function timeChange(kept: EndpointPolicies, round: number): Promise<number> {
  const startedMs = performance.now();
  const { rules, problems } = parsePolicy(
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "team", namespace: "bench" },
      spec: {
        podSelector: { matchLabels: { team: "red" } },
        policyTypes: ["Ingress"],
        ingress: [
          {
            from: [{ podSelector: { matchLabels: { team: "red" } } }],
            ports: [{ protocol: "TCP", port: 8_000 + round }],
          },
        ],
      },
    },
    { clusterName: "default" },
  );
  if (problems.length > 0) throw new Error(`the policy is wrong: ${JSON.stringify(problems)}`);
  await kept.writeAll(rules);
  return performance.now() - startedMs;
}

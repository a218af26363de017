import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { protocolNumber } from "../../src/model/protocol-names.js";
import {
  type EndpointRow,
  enforcementText,
  type IdentityRow,
  type L4Address,
  type NodeRow,
  type PolicyEnforcement,
  type ServiceRow,
} from "../../src/model/rows.js";
import type { ListFormat } from "../../src/output/list-format.js";
import { identityList, nodeList, serviceList } from "../../src/output/lists/agent-lists.js";
import { conntrackList } from "../../src/output/lists/conntrack-list.js";
import { endpointList, ipcacheList, localEndpointList } from "../../src/output/lists/endpoint-lists.js";
import {
  lbBackendList,
  lbFrontendList,
  lbServiceList,
  revNatList,
} from "../../src/output/lists/load-balancing-lists.js";
import { metricsList } from "../../src/output/lists/metrics-list.js";
import { parseOutput } from "../../src/output/output-format.js";
import { type PrintRequest, printList } from "../../src/output/printer.js";
import { countCommon, inBatches, joinText, readCapture } from "./abi-capture-files.js";
import {
  backendRows,
  ctRows,
  ipcacheRows,
  localEndpointRows,
  metricRows,
  revNatRows,
  serviceEntryRows,
  wholeStatus,
} from "./output-cilium-rows.js";

async function print<Row>(
  list: ListFormat<Row>,
  rows: readonly Row[],
  output: "cilium" | "cilium-json",
  more: Partial<PrintRequest> = {},
): Promise<string> {
  return joinText(printList(list, inBatches(rows), () => wholeStatus, { output: parseOutput(output), ...more }));
}

/** Lines in any order, blanks included. */
function sortedLines(text: string): readonly string[] {
  return text.split("\n").sort();
}

async function expectSameLines<Row>(list: ListFormat<Row>, rows: readonly Row[], file: string): Promise<void> {
  expect(sortedLines(await print(list, rows, "cilium"))).toEqual(sortedLines(readCapture(`out/${file}.txt`)));
}

/** Byte for byte: Go sorts the keys of its maps. */
async function expectSameObject<Row>(list: ListFormat<Row>, rows: readonly Row[], file: string): Promise<void> {
  expect(await print(list, rows, "cilium-json")).toBe(readCapture(`out/${file}.json`));
}

describe("upstream's own output from the maps of a real node", () => {
  const dumps: readonly (readonly [string, ListFormat<never>, readonly unknown[]])[] = [
    ["bpf-lb-list", lbServiceList as ListFormat<never>, serviceEntryRows()],
    ["bpf-lb-list-frontends", lbFrontendList as ListFormat<never>, serviceEntryRows()],
    ["bpf-lb-list-backends", lbBackendList as ListFormat<never>, backendRows()],
    ["bpf-lb-list-revnat", revNatList as ListFormat<never>, revNatRows()],
    ["bpf-ipcache-list", ipcacheList as ListFormat<never>, ipcacheRows()],
    ["bpf-endpoint-list", localEndpointList as ListFormat<never>, localEndpointRows()],
  ];
  it.each(dumps)("%s as text", async (file, list, rows) => {
    await expectSameLines(list, rows as never[], file);
  });
  it.each(dumps)("%s as json, byte for byte", async (file, list, rows) => {
    await expectSameObject(list, rows as never[], file);
  });

  it("bpf ct list: every entry that both reads saw, and one empty line a map", async () => {
    const theirs = readCapture("out/bpf-ct-list-global.txt").split("\n");
    const ours = (await print(conntrackList, ctRows(), "cilium")).split("\n");
    const withoutTimes = (line: string): string => line.replace(/(expires|Last[RT]xReport)=\d+/g, "$1");
    // 180 entries and 4 + 1 empty ends; a handful of connections began, ended or moved on between the two reads.
    expect(ours.filter((line) => line === "")).toHaveLength(5);
    expect(theirs.filter((line) => line === "")).toHaveLength(5);
    expect(countCommon(ours, theirs)).toBeGreaterThan(0.8 * theirs.length);
    expect(countCommon(ours.map(withoutTimes), theirs.map(withoutTimes))).toBeGreaterThan(0.95 * theirs.length);
  });

  it("bpf ct list -d: the remaining time by the clock given", async () => {
    const nowSeconds = Math.floor(Number(readCapture("out/ct-list-d.uptime.txt").split(" ")[0]));
    const rows = ctRows({ nowSeconds, jiffiesHz: undefined });
    const theirs = readCapture("out/bpf-ct-list-global-d.txt").split("\n");
    const ours = (await print(conntrackList, rows, "cilium", { hasTimeDiff: true })).split("\n");
    expect(countCommon(ours, theirs)).toBeGreaterThan(0.8 * theirs.length);
  });

  it("bpf ct list as json: every entry that both reads saw", async () => {
    const text = await print(conntrackList, ctRows(), "cilium-json");
    const file = readCapture("out/bpf-ct-list-global.json");
    const split = (json: string): readonly string[] =>
      json
        .trim()
        .slice(2, -2)
        .split(/,\n(?= {2}\{)/);
    expect(text.endsWith("]\n\n")).toBe(true);
    expect(JSON.parse(text)).toHaveLength(ctRows().length);
    expect(countCommon(split(text), split(file))).toBeGreaterThan(0.8 * split(file).length);
  });

  it("bpf metrics list: every reason, direction and place that both reads saw", async () => {
    const cells = (line: string): string => line.trim().split(/ {3,}/).join("|");
    const withoutCounts = (line: string): string => cells(line).replace(/\|\d+\|\d+\|/, "|*|*|");
    const theirs = readCapture("out/bpf-metrics-list.txt").split("\n");
    const ours = (await print(metricsList, metricRows(), "cilium")).split("\n");
    expect(ours.map(withoutCounts).sort()).toEqual(theirs.map(withoutCounts).sort());
    expect(countCommon(ours.map(cells), theirs.map(cells))).toBeGreaterThan(0.5 * theirs.length);
    const json = JSON.parse(await print(metricsList, metricRows(), "cilium-json"));
    const uncounted = (items: { packets: number; bytes: number }[]): readonly string[] =>
      sortedItems(items.map((item) => ({ ...item, packets: 0, bytes: 0 })));
    expect(uncounted(json)).toEqual(uncounted(JSON.parse(readCapture("out/bpf-metrics-list.json"))));
  });
});

describe("upstream's agent lists from the agent's own answers", () => {
  const items = <Item>(file: string): readonly Item[] => JSON.parse(readCapture(`out/${file}.json`));

  it("service list", async () => {
    const rows = items<ServiceJson>("service-list").map(serviceOfJson);
    await expectSameLines(serviceList, rows, "service-list");
    const json = JSON.parse(await print(serviceList, rows, "cilium-json"));
    expect(sortedItems(json)).toEqual(sortedItems(items("service-list")));
  });

  it("identity list", async () => {
    const rows = items<IdentityRow>("identity-list");
    await expectSameLines(identityList, rows, "identity-list");
    expect(JSON.parse(await print(identityList, rows, "cilium-json"))).toEqual(rows);
  });

  it("node list", async () => {
    const rows = items<NodeJson>("node-list").map(nodeOfJson);
    await expectSameLines(nodeList, rows, "node-list");
    const json = JSON.parse(await print(nodeList, rows, "cilium-json"));
    expect(sortedItems(json)).toEqual(sortedItems(items("node-list")));
  });

  it("endpoint list", async () => {
    const rows = items<EndpointJson>("endpoint-list").map(endpointOfJson);
    await expectSameLines(endpointList, rows, "endpoint-list");
    const json: EndpointJson[] = JSON.parse(await print(endpointList, rows, "cilium-json"));
    for (const theirs of items<EndpointJson>("endpoint-list")) {
      const ours = json.find((candidate) => candidate.id === theirs.id)!;
      expect(theirs.status.identity).toEqual(ours.status.identity);
      expect(theirs.status).toMatchObject({ state: ours.status.state });
      if (theirs.status["external-identifiers"]["container-id"] !== undefined) {
        expect(theirs.status["external-identifiers"]).toEqual(ours.status["external-identifiers"]);
      }
    }
  });
});

function sortedItems(items: readonly unknown[]): readonly string[] {
  return items.map((value) => JSON.stringify(sortKeys(value))).sort();
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, sortKeys(child)]),
  );
}

interface L4Json {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
}

interface ServiceJson {
  readonly spec: {
    readonly id: number;
    readonly "frontend-address": L4Json & { readonly scope: "external" | "internal" };
    readonly "backend-addresses": readonly (L4Json & { readonly state: "active"; readonly nodeName?: string })[] | null;
    readonly flags: {
      readonly type: string;
      readonly name: string;
      readonly namespace: string;
      readonly extTrafficPolicy: "Cluster" | "Local";
      readonly intTrafficPolicy: "Cluster" | "Local";
    };
  };
}

function l4OfJson(json: L4Json): L4Address {
  return { address: IpAddress.parse(json.ip), port: json.port, protocol: protocolNumber(json.protocol)! };
}

function serviceOfJson({ spec }: ServiceJson): ServiceRow {
  return {
    id: spec.id,
    frontend: l4OfJson(spec["frontend-address"]),
    scope: spec["frontend-address"].scope,
    serviceType: spec.flags.type,
    backends: (spec["backend-addresses"] ?? []).map((backend) => ({
      ...l4OfJson(backend),
      state: backend.state,
      nodeName: backend.nodeName,
    })),
    name: spec.flags.name,
    namespace: spec.flags.namespace,
    externalTrafficPolicy: spec.flags.extTrafficPolicy,
    internalTrafficPolicy: spec.flags.intTrafficPolicy,
    affinityTimeoutSeconds: 0,
  };
}

interface NodeAddressJson {
  readonly ip: string;
  readonly "alloc-range": string;
}

interface NodeJson {
  readonly name: string;
  readonly source: string;
  readonly "primary-address": { readonly ipv4: NodeAddressJson; readonly ipv6: NodeAddressJson };
  readonly "health-endpoint-address": { readonly ipv4: NodeAddressJson; readonly ipv6: NodeAddressJson };
  readonly "secondary-addresses": readonly { readonly ip: string }[];
}

function nodeOfJson(json: NodeJson): NodeRow {
  return {
    name: json.name,
    ipv4: json["primary-address"].ipv4.ip,
    ipv4PodCidr: json["primary-address"].ipv4["alloc-range"],
    ipv6: json["primary-address"].ipv6.ip,
    ipv6PodCidr: json["primary-address"].ipv6["alloc-range"],
    source: json.source,
    secondaryAddresses: json["secondary-addresses"].map((address) => address.ip),
    healthIpv4: json["health-endpoint-address"].ipv4.ip,
    healthIpv6: json["health-endpoint-address"].ipv6.ip,
  };
}

describe("enforcement of policies", () => {
  it.each([
    ["none", "Disabled", "Disabled"],
    ["ingress", "Enabled", "Disabled"],
    ["egress", "Disabled", "Enabled"],
    ["both", "Enabled", "Enabled"],
    ["audit-ingress", "Disabled (Audit)", "Disabled"],
    ["audit-egress", "Disabled", "Disabled (Audit)"],
    ["audit-both", "Disabled (Audit)", "Disabled (Audit)"],
    ["unknown", "Unknown", "Unknown"],
  ] as const)("%s is printed as upstream prints it", (enforcement, ingress, egress) => {
    expect([enforcementText(enforcement, "ingress"), enforcementText(enforcement, "egress")]).toEqual([
      ingress,
      egress,
    ]);
  });
});

interface EndpointJson {
  readonly id: number;
  readonly status: {
    readonly state: string;
    readonly identity: { readonly id: number; readonly labels: readonly string[] };
    readonly "external-identifiers": Readonly<Record<string, string>>;
    readonly networking?: {
      readonly addressing?: readonly { readonly ipv4?: string; readonly ipv6?: string }[];
      readonly "container-interface-name"?: string;
    };
    readonly policy: { readonly realized: { readonly "policy-enabled": PolicyEnforcement } };
  };
}

function endpointOfJson({ id, status }: EndpointJson): EndpointRow {
  const identifiers = status["external-identifiers"];
  return {
    id,
    identity: status.identity.id,
    identityLabels: status.identity.labels,
    ipv4: status.networking?.addressing?.[0]?.ipv4,
    ipv6: status.networking?.addressing?.[0]?.ipv6,
    state: status.state,
    policyEnforcement: status.policy.realized["policy-enabled"],
    podNamespace: identifiers["k8s-namespace"],
    podName: identifiers["k8s-pod-name"],
    containerId: identifiers["container-id"],
    containerInterface: status.networking?.["container-interface-name"],
  };
}

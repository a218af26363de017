import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dualStackSettings, nodeAddresses, podManifest, TestLab } from "./support/lab-fixture.js";

const families = [4, 6] as const;
type Family = (typeof families)[number];
const clusterIp = { 4: "10.96.0.", 6: "fd00:10:96::" } as const;
const world = { balanced: { 4: "192.0.2.90", 6: "2001:db8::90" }, outside: { 4: "192.0.2.80", 6: "2001:db8::80" } };
const HEALTH_PORT = 31_500;

const echo = (name: string, node: string, ports: string): string =>
  podManifest(name, {
    node,
    labels: "app: web",
    container: `image: echo
      ports: [{ name: http, containerPort: 8080${ports} }, { name: udp, containerPort: 9091, protocol: UDP }]`,
  });

const service = (name: string, host: number, spec: string, more = ""): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { clusterIPs: [${families.map((family) => `"${clusterIp[family]}${host}"`).join(", ")}], selector: { app: web }, ipFamilyPolicy: PreferDualStack, ${spec} }
${more}`;
const httpPort = (more = ""): string => `ports: [{ port: 80, targetPort: http${more} }]`;
const listOf = (addresses: Readonly<Record<Family, string>>): string => Object.values(addresses).join('", "');

const manifests = [
  dualStackSettings(),
  echo("web-1", "node-1", ", hostPort: 9080"),
  echo("web-2", "node-2", ""),
  service("sticky", 51, `sessionAffinity: ClientIP, ${httpPort()}`),
  service("near", 52, `internalTrafficPolicy: Local, ports: [{ port: 53, targetPort: udp, protocol: UDP }]`),
  service("nobody", 53, httpPort()).replace("app: web", "app: nobody"),
  service("ports", 54, `type: NodePort, ${httpPort(", nodePort: 30080")}`),
  service(
    "local",
    55,
    `type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local, ${httpPort(", nodePort: 30081")}`,
  ),
  service("outside", 56, `externalIPs: ["${listOf(world.outside)}"], ${httpPort()}`),
  service(
    "balanced",
    57,
    `type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: ${HEALTH_PORT}, ${httpPort(", nodePort: 30082")}`,
    `status: { loadBalancer: { ingress: [{ ip: "${Object.values(world.balanced).join('" }, { ip: "')}" }] } }`,
  ),
  `\n---\napiVersion: v1\nkind: Service\nmetadata: { name: headless }\nspec: { clusterIP: None, selector: { app: web }, ${httpPort()} }\n`,
].join("");

/** What a list has of one frontend, but for its number. */
interface Expected {
  readonly type: string;
  readonly frontend: string;
  readonly scope: "external" | "internal";
  readonly name: string;
  readonly backends: readonly string[];
  readonly pods: readonly string[];
  readonly externalPolicy: string;
  readonly internalPolicy: string;
  readonly affinitySeconds: number;
  /** Upstream's agent tells ports of the whole node once, at the surrogate. */
  readonly isOfNodeAddress: boolean;
}

interface Kind {
  readonly name: string;
  readonly type: string;
  /** Of each family. */
  readonly addresses: (family: Family) => readonly string[];
  readonly port: string;
  readonly pods?: readonly string[];
  readonly external?: "Local";
  readonly internal?: "Local";
  /** Policies differ: pods and the node itself have an entry of their own. */
  readonly isTwice?: boolean;
  readonly affinitySeconds?: number;
}

const nodeWide = (family: Family): readonly string[] => [family === 4 ? "0.0.0.0" : "::", nodeAddresses[family][0]];
const cluster = (host: number) => (family: Family) => [`${clusterIp[family]}${host}`];
const own = ["web-1"];

/** Every entry that node-1 has of the Services above. */
const kinds = (hostPort: string): readonly Kind[] => [
  { name: "sticky", type: "ClusterIP", addresses: cluster(51), port: "80/TCP", affinitySeconds: 10_800 },
  { name: "near", type: "ClusterIP", addresses: cluster(52), port: "53/UDP", internal: "Local", pods: own },
  { name: "nobody", type: "ClusterIP", addresses: cluster(53), port: "80/TCP", pods: [] },
  { name: "ports", type: "ClusterIP", addresses: cluster(54), port: "80/TCP" },
  { name: "ports", type: "NodePort", addresses: nodeWide, port: "30080/TCP" },
  {
    name: "local",
    type: "ClusterIP",
    addresses: cluster(55),
    port: "80/TCP",
    external: "Local",
    internal: "Local",
    pods: own,
  },
  {
    name: "local",
    type: "NodePort",
    addresses: nodeWide,
    port: "30081/TCP",
    external: "Local",
    internal: "Local",
    pods: own,
  },
  { name: "outside", type: "ClusterIP", addresses: cluster(56), port: "80/TCP" },
  { name: "outside", type: "ExternalIPs", addresses: (family) => [world.outside[family]], port: "80/TCP" },
  { name: "balanced", type: "ClusterIP", addresses: cluster(57), port: "80/TCP", external: "Local" },
  {
    name: "balanced",
    type: "NodePort",
    addresses: nodeWide,
    port: "30082/TCP",
    external: "Local",
    isTwice: true,
    pods: own,
  },
  {
    name: "balanced",
    type: "LoadBalancer",
    addresses: (family) => [world.balanced[family]],
    port: "80/TCP",
    external: "Local",
    isTwice: true,
    pods: own,
  },
  { name: hostPort, type: "HostPort", addresses: nodeWide, port: "9080/TCP", pods: own },
];

describe("service list of Services of every kind", () => {
  let lab: TestLab;
  let expected: readonly Expected[];
  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests });
    const pods = await Promise.all(["web-1", "web-2"].map(async (name) => (await lab.pod(name))!));
    const address = (name: string, family: Family): string => {
      const ips = pods.find(({ metadata }) => metadata.name === name)!.status!.podIPs!.map(({ ip }) => ip);
      return bracket(ips.find((ip) => ip.includes(":") === (family === 6))!);
    };
    expected = kinds(`hostport:web-1:9080:${pods[0]!.metadata.uid}`).flatMap((kind) => {
      const { name, type, port, external = "Cluster", internal = "Cluster", affinitySeconds = 0 } = kind;
      const rest = { name, type, externalPolicy: external, internalPolicy: internal, affinitySeconds };
      const target = port.endsWith("UDP") ? "9091/UDP" : "8080/TCP";
      const entry = (
        family: Family,
        text: string,
        index: number,
        scope: Expected["scope"],
        chosen: readonly string[],
      ) => ({
        ...{ ...rest, scope, pods: chosen.map((pod) => `default/${pod}`), isOfNodeAddress: index > 0 },
        frontend: `${bracket(text)}:${port}`,
        backends: chosen.map((pod) => `${address(pod, family)}:${target}`),
      });
      return families.flatMap((family) =>
        kind
          .addresses(family)
          .flatMap((text, index) => [
            entry(family, text, index, "external", kind.pods ?? ["web-1", "web-2"]),
            ...(kind.isTwice === true ? [entry(family, text, index, "internal", ["web-1", "web-2"])] : []),
          ]),
      );
    });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const list = (...options: readonly string[]): string =>
    lab.product("service", "list", "--node", "node-1", ...options).stdout;

  it("-o json has each of them once, with what balances it", () => {
    const { items } = JSON.parse(list("-o", "json"));
    const found = items.map((item: ServiceItem) => ({
      ...{ type: item.type, frontend: l4(item.frontend), scope: item.scope, name: item.name },
      backends: item.backends.map(l4),
      pods: item.backends.map(({ pod }) => `${pod?.namespace}/${pod?.name}`),
      externalPolicy: item.externalTrafficPolicy,
      internalPolicy: item.internalTrafficPolicy,
      affinitySeconds: item.affinityTimeoutSeconds,
    }));
    expect(sorted(found)).toEqual(sorted(expected.map(({ isOfNodeAddress: _, ...one }) => one)));
    expect(new Set(items.map(({ id }: ServiceItem) => id)).size).toBe(items.length);
  });

  it("-o wide tells the same in columns, the table its first ones", () => {
    const rows = (text: string) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => line.split(/ {2,}/));
    const [header, ...wide] = rows(list("-o", "wide"));
    expect(header).toEqual(
      "NODE ID NAMESPACE NAME TYPE FRONTEND BACKENDS PODS AFFINITY EXT-POLICY INT-POLICY".split(" "),
    );
    const cells = expected.map((one) => [
      ...["node-1", "default", one.name, one.type, one.frontend + (one.scope === "internal" ? "/i" : "")],
      ...[one.backends.join() || "<none>", one.pods.join() || "-"],
      ...[one.affinitySeconds > 0 ? `${one.affinitySeconds}s` : "-", one.externalPolicy, one.internalPolicy],
    ]);
    expect(sorted(wide.map(([node, _id, ...rest]) => [node, ...rest]))).toEqual(sorted(cells));
    expect(rows(list())).toEqual([header, ...wide].map((row) => row!.slice(0, 7)));
  });

  it("-o cilium has upstream's lines, ports of the node once", () => {
    const text = list("-o", "cilium");
    const idOf = new Map(
      JSON.parse(list("-o", "json")).items.map((item: ServiceItem) => [`${l4(item.frontend)} ${item.scope}`, item.id]),
    );
    const rows = expected
      .filter(({ isOfNodeAddress }) => !isOfNodeAddress)
      .map((one) => ({ ...one, id: idOf.get(`${one.frontend} ${one.scope}`) as number }))
      .sort((a, b) => a.id - b.id)
      .flatMap(({ id, frontend, scope, type, backends }) => {
        const first = [String(id), frontend + (scope === "internal" ? "/i" : ""), type];
        return (backends.length === 0 ? [""] : backends).map((backend, index) => [
          ...(index === 0 ? first : ["", "", ""]),
          backend === "" ? "" : `${index + 1} => ${backend} (active)`,
        ]);
      });
    expect(text).toBe(aligned([["ID", "Frontend", "Service Type", "Backend"], ...rows]));
  });

  it("-o cilium-json has upstream's fields", () => {
    const items: readonly UpstreamService[] = JSON.parse(list("-o", "cilium-json"));
    for (const { spec, status } of items) expect(status.realized).toEqual(spec);
    const flags = items.map(({ spec }) => ({ ...spec.flags, scope: spec["frontend-address"].scope }));
    const wanted = expected
      .filter(({ isOfNodeAddress }) => !isOfNodeAddress)
      .map(({ type, name, scope, externalPolicy, internalPolicy }) => ({
        ...{ type, name, scope, namespace: "default", trafficPolicy: externalPolicy },
        ...{ extTrafficPolicy: externalPolicy, intTrafficPolicy: internalPolicy },
        ...(name === "balanced" ? { healthCheckNodePort: HEALTH_PORT } : {}),
      }));
    expect(sorted(flags)).toEqual(sorted(wanted));
    const near = items.find(({ spec }) => spec.flags.name === "near")!.spec;
    expect(near["backend-addresses"]).toEqual([
      {
        ...{ ip: (near["backend-addresses"] as readonly { readonly ip: string }[])[0]!.ip, nodeName: "node-1" },
        ...{ port: 9091, preferred: true, protocol: "UDP", state: "active", weight: 100 },
      },
    ]);
    const nobody = items.find(({ spec }) => spec.flags.name === "nobody")!.spec;
    expect(nobody["backend-addresses"]).toBe(null);
  });
});

interface Transport {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
}

interface ServiceItem {
  readonly id: number;
  readonly name?: string;
  readonly type: string;
  readonly scope: string;
  readonly frontend: Transport;
  readonly backends: readonly (Transport & { readonly pod?: { readonly namespace: string; readonly name: string } })[];
  readonly externalTrafficPolicy: string;
  readonly internalTrafficPolicy: string;
  readonly affinityTimeoutSeconds: number;
}

interface UpstreamSpec {
  readonly flags: Readonly<Record<string, string | number>>;
  readonly "frontend-address": { readonly scope: string };
  readonly "backend-addresses": unknown;
}

interface UpstreamService {
  readonly spec: UpstreamSpec;
  readonly status: { readonly realized: UpstreamSpec };
}

function bracket(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function l4({ address, port, protocol }: Transport): string {
  return `${bracket(address)}:${port}/${protocol}`;
}

/** As text, keys in order: what was found and what was wanted are sets. */
function sorted(values: readonly object[]): readonly string[] {
  return values
    .map((value) => JSON.stringify(value, Array.isArray(value) ? undefined : Object.keys(value).sort()))
    .sort();
}

/** Go's tabwriter as upstream uses it: cells as wide as the longest and three blanks, five at least. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(5, 3 + Math.max(...rows.map((row) => row[column]!.length))));
  return `${rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("")).join("\n")}\n`;
}

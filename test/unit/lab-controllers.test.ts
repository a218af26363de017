import { describe, expect, it } from "vitest";
import { planDeployment, templateHash } from "../../src/lab/deployments-controller.js";
import { buildEndpointSlices } from "../../src/lab/endpoint-slices.js";
import {
  fromManifest,
  MANIFEST_ANNOTATION,
  manifestHash,
  mergeManifest,
  needsReplacement,
} from "../../src/lab/manifest-merge.js";
import { assignNodeAddresses } from "../../src/lab/node-addresses.js";
import { chooseNode } from "../../src/lab/scheduler.js";
import { TakenAddressBook, withServiceAddresses } from "../../src/lab/service-addresses.js";
import type { KubeDeployment, KubeNode, KubePod, KubeService } from "../../src/model/kubernetes.js";

const node = (name: string, extra: Partial<KubeNode> = {}): KubeNode => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  ...extra,
});

interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly isReady?: boolean;
  readonly ip?: string;
  readonly isTerminating?: boolean;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
}

function pod(name: string, options: PodOptions = {}): KubePod {
  const { labels = { app: "web" }, isReady = true, ip, isTerminating = false, ports = [] } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "shop",
      labels,
      ...(isTerminating ? { deletionTimestamp: "2026-11-21T09:00:00Z" } : {}),
    },
    spec: { nodeName: "n1", containers: [{ name: "main", ports }] },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
      ...(ip === undefined ? {} : { podIP: ip }),
    },
  };
}

const service = (spec: Partial<KubeService["spec"]>, name = "web"): KubeService => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "shop", uid: "u1" },
  spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }], ...spec },
});

const http = (containerPort: number) => ({ ports: [{ name: "http", containerPort }] });

describe("EndpointSlices", () => {
  it("hold the pods that the selector means, with readiness and termination", () => {
    const pods = [
      pod("ready", { ip: "10.0.0.1", ...http(8080) }),
      pod("unready", { ip: "10.0.0.2", isReady: false, ...http(8080) }),
      pod("leaving", { ip: "10.0.0.3", isTerminating: true, ...http(8080) }),
      pod("other", { ip: "10.0.0.4", labels: { app: "db" }, ...http(8080) }),
      pod("unaddressed", http(8080)),
    ];
    const [slice, ...rest] = buildEndpointSlices(service({}), pods, [4]);
    expect(rest).toEqual([]);
    expect(slice?.ports).toEqual([{ name: "", port: 8080, protocol: "TCP" }]);
    expect(slice?.endpoints.map((one) => [one.targetRef?.name, one.conditions])).toEqual([
      ["leaving", { ready: false, serving: true, terminating: true }],
      ["ready", { ready: true, serving: true, terminating: false }],
      ["unready", { ready: false, serving: false, terminating: false }],
    ]);
  });

  it("are apart for pods whose named port has another number", () => {
    const pods = [pod("a", { ip: "10.0.0.1", ...http(8080) }), pod("b", { ip: "10.0.0.2", ...http(9090) })];
    const slices = buildEndpointSlices(service({}), pods, [4]);
    expect(slices.map((slice) => [slice.ports?.[0]?.port, slice.endpoints[0]?.addresses[0]])).toEqual([
      [8080, "10.0.0.1"],
      [9090, "10.0.0.2"],
    ]);
  });

  it("hold a hundred endpoints each", () => {
    const pods = Array.from({ length: 250 }, (_, i) => pod(`p${i}`, { ip: `10.0.${i >> 8}.${i & 255}`, ...http(80) }));
    expect(buildEndpointSlices(service({}), pods, [4]).map((slice) => slice.endpoints.length)).toEqual([100, 100, 50]);
  });

  it("count unready pods as ready where the Service wants that", () => {
    const [slice] = buildEndpointSlices(
      service({ publishNotReadyAddresses: true }),
      [pod("a", { ip: "10.0.0.1", isReady: false })],
      [4],
    );
    expect(slice?.endpoints[0]?.conditions).toEqual({ ready: true, serving: false, terminating: false });
  });

  it("stay, empty, when no pod is left", () => {
    expect(buildEndpointSlices(service({}), [], [4])).toMatchObject([
      { endpoints: [], metadata: { name: "web-lab0" } },
    ]);
  });
});

describe("addresses of Services", () => {
  const none = new TakenAddressBook();

  it("are the same for the same name, and never given twice", () => {
    const first = withServiceAddresses(service({}), none, [4]).spec.clusterIP!;
    expect(withServiceAddresses(service({}), none, [4]).spec.clusterIP).toBe(first);
    const taken = new TakenAddressBook();
    const squatter = service({ clusterIP: first }, "squatter");
    taken.update(undefined, squatter);
    const second = withServiceAddresses(service({}), taken, [4]).spec.clusterIP;
    expect(second).not.toBe(first);
    expect(second).toMatch(/^10\./);
    taken.update(squatter, undefined);
    expect(withServiceAddresses(service({}), taken, [4]).spec.clusterIP).toBe(first);
  });

  it("are left as the manifest has them", () => {
    for (const spec of [
      { clusterIP: "10.96.0.80" },
      { clusterIP: "None" },
      { type: "ExternalName" as const, externalName: "x" },
    ]) {
      const given = service(spec);
      expect(withServiceAddresses(given, none, [4])).toBe(given);
    }
  });

  it("include node ports where the type asks for them", () => {
    const ports = [
      { name: "a", port: 80 },
      { name: "b", port: 81, nodePort: 30_080 },
    ];
    const given = withServiceAddresses(service({ type: "NodePort", ports }), none, [4]).spec.ports!;
    expect(given[0]!.nodePort).toBeGreaterThanOrEqual(30_000);
    expect(given[0]!.nodePort).not.toBe(30_080);
    expect(given[1]!.nodePort).toBe(30_080);
  });
});

describe("addresses of nodes", () => {
  it("are kept by those that have some, and fill the gaps for the others", () => {
    const status = { addresses: [{ type: "InternalIP" as const, address: "172.18.0.3" }] };
    const assigned = assignNodeAddresses(
      [node("a"), node("b", { status }), node("c", { spec: { podCIDR: "10.9.0.0/24" } })],
      [4],
    );
    expect(assigned.get("a")).toEqual({ index: 0, internalIps: ["172.18.0.2"], podCidrs: ["10.244.0.0/24"] });
    expect(assigned.get("b")).toEqual({ index: 1, internalIps: ["172.18.0.3"], podCidrs: ["10.244.1.0/24"] });
    expect(assigned.get("c")).toEqual({ index: 2, internalIps: ["172.18.0.4"], podCidrs: ["10.9.0.0/24"] });
  });

  it("end with 256 nodes, by name of the limit", () => {
    expect(() =>
      assignNodeAddresses(
        Array.from({ length: 257 }, (_, i) => node(`n${i}`)),
        [4],
      ),
    ).toThrow(/at most 256 nodes/);
  });

  it("outside of the fabric, or taken twice, are refused", () => {
    const at = (address: string): KubeNode =>
      node(address, { status: { addresses: [{ type: "InternalIP", address }] } });
    expect(() => assignNodeAddresses([at("192.0.2.1")], [4])).toThrow(/outside of 172.18.0.0\/16/);
    expect(() =>
      assignNodeAddresses([at("172.18.0.2"), { ...at("172.18.0.2"), metadata: { name: "b" } }], [4]),
    ).toThrow(/taken/);
  });
});

describe("the scheduler", () => {
  it("takes the node with the fewest pods, the first by number among equals", () => {
    const nodes = [node("node-10"), node("node-2")];
    expect(chooseNode(pod("p"), nodes, new Map())).toBe("node-2");
    expect(chooseNode(pod("p"), nodes, new Map([["node-2", 1]]))).toBe("node-10");
  });

  it("heeds selectors, the host name's label and unschedulable nodes", () => {
    const nodes = [
      node("a", { spec: { unschedulable: true } }),
      node("b"),
      node("c", { metadata: { name: "c", labels: { disk: "ssd" } } }),
    ];
    const wanting = (nodeSelector: Readonly<Record<string, string>>): KubePod => ({
      ...pod("p"),
      spec: { containers: [], nodeSelector },
    });
    expect(chooseNode(wanting({ disk: "ssd" }), nodes, new Map())).toBe("c");
    expect(chooseNode(wanting({ "kubernetes.io/hostname": "b" }), nodes, new Map())).toBe("b");
    expect(chooseNode(wanting({ "kubernetes.io/hostname": "a" }), nodes, new Map())).toBe(undefined);
  });
});

describe("a Deployment's plan", () => {
  const deployment = (replicas: number): KubeDeployment => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: { replicas, selector: {}, template: { spec: { containers: [] } } },
  });
  const own = (hash: string, ready: readonly boolean[]): readonly KubePod[] =>
    ready.map((isReady, i) => pod(`${hash}-${i}`, { isReady, labels: { "pod-template-hash": hash } }));

  it("makes what is missing and removes what is too much, unready ones first", () => {
    expect(planDeployment(deployment(3), "h", own("h", [true]))).toEqual({ create: 2, remove: [] });
    const plan = planDeployment(deployment(1), "h", own("h", [true, false, true]));
    expect(plan.create).toBe(0);
    expect(plan.remove.map((one) => one.metadata.name)[0]).toBe("h-1");
    expect(plan.remove).toHaveLength(2);
  });

  it("keeps old pods until as many new ones are ready", () => {
    const old = own("old", [true, true, true]);
    expect(planDeployment(deployment(3), "new", old)).toEqual({ create: 3, remove: [] });
    expect(planDeployment(deployment(3), "new", [...old, ...own("new", [false, false, false])]).remove).toEqual([]);
    expect(planDeployment(deployment(3), "new", [...old, ...own("new", [true, true, false])]).remove).toHaveLength(2);
    expect(planDeployment(deployment(3), "new", [...old, ...own("new", [true, true, true])]).remove).toHaveLength(3);
  });

  it("goes by a hash that changes with the template alone", () => {
    expect(templateHash(deployment(3))).toBe(templateHash(deployment(5)));
    const other: KubeDeployment = {
      ...deployment(3),
      spec: { ...deployment(3).spec, template: { spec: { containers: [{ name: "x" }] } } },
    };
    expect(templateHash(other)).not.toBe(templateHash(deployment(3)));
    expect(templateHash(other)).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  });
});

describe("manifest and state", () => {
  it("meet without losing what controllers filled in", () => {
    const manifest = service({ type: "NodePort", ports: [{ port: 80 }, { port: 81 }] });
    const current = {
      ...fromManifest(manifest),
      spec: { ...manifest.spec, clusterIP: "10.96.1.1", ports: [{ port: 80, nodePort: 30_001 }] },
      status: { loadBalancer: {} },
    };
    const merged = mergeManifest(current, {
      ...manifest,
      metadata: { ...manifest.metadata, labels: { a: "b" } },
    }) as KubeService;
    expect(merged.spec.clusterIP).toBe("10.96.1.1");
    expect(merged.spec.ports).toEqual([{ port: 80, nodePort: 30_001 }, { port: 81 }]);
    expect(merged.metadata.labels).toEqual({ a: "b" });
    expect(merged).toHaveProperty("status");
  });

  it("leave a running pod's spec alone, and say when it must be replaced", () => {
    const manifest = { ...pod("a"), spec: { containers: [{ name: "main", image: "echo" }] } };
    const current = fromManifest(manifest);
    const relabelled = { ...manifest, metadata: { ...manifest.metadata, labels: { app: "other" } } };
    expect(needsReplacement(current, relabelled)).toBe(false);
    expect(mergeManifest(current, relabelled).metadata.labels).toEqual({ app: "other" });
    expect(
      needsReplacement(current, { ...manifest, spec: { containers: [{ name: "main", image: "client" }] } } as KubePod),
    ).toBe(true);
  });

  it("of a Namespace carry the label that policies select by", () => {
    const made = fromManifest({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    expect(made.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "shop" });
    expect(made.metadata.annotations?.[MANIFEST_ANNOTATION]).toBe(
      manifestHash({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } }),
    );
  });
});

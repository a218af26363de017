import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { translateHostPorts } from "../../src/model/host-ports.js";
import type {
  ContainerPort,
  KubeEndpointSlice,
  KubePod,
  KubeService,
  SliceEndpoint,
} from "../../src/model/kubernetes.js";
import { translateService } from "../../src/model/load-balancing.js";
import { serviceFlag } from "../../src/model/service-flag.js";
import type { ServiceNode } from "../../src/model/service-frontend.js";
import { testServiceNode } from "../support/service-node.js";

interface Given {
  readonly spec?: KubeService["spec"];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: "VIP" | "Proxy" }[];
  readonly endpoints?: readonly SliceEndpoint[];
  readonly node?: ServiceNode;
}

const here: SliceEndpoint = { addresses: ["10.0.0.1"], nodeName: "node-1" };
const there: SliceEndpoint = { addresses: ["10.0.1.1"], nodeName: "node-2" };

function translate({ spec = {}, annotations = {}, ingress = [], endpoints = [here, there], node }: Given) {
  const service: KubeService = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "shop", annotations },
    spec: { clusterIP: "10.96.0.10", ports: [{ port: 80, ...(spec.type ? { nodePort: 30_080 } : {}) }], ...spec },
    status: { loadBalancer: { ingress } },
  };
  const slice: KubeEndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace: "shop" },
    addressType: "IPv4",
    endpoints,
    ports: [{ port: 8080, protocol: spec.ports?.[0]?.protocol ?? "TCP" }],
  };
  return translateService(service, [slice], node ?? testServiceNode());
}

const flagNames = Object.entries(serviceFlag);

/** `172.18.0.2:30080 NodePort 0 [nodePort routable] 10.0.0.1 10.0.1.1`, one line a frontend. */
function lines(given: Given): readonly string[] {
  return translate(given).frontends.map(({ address, port, type, scope, flags, backends }) => {
    const names = flagNames.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
    const ips = backends.map((backend) => backend.address.text);
    return [`${address}:${port}`, type, scope, `[${names.join(" ")}]`, ...ips].join(" ");
  });
}

describe("kinds of addresses", () => {
  it("of a node port: the surrogate, then every address of the node", () => {
    expect(lines({ spec: { type: "NodePort" } })).toEqual([
      "10.96.0.10:80 ClusterIP 0 [] 10.0.0.1 10.0.1.1",
      "0.0.0.0:30080 NodePort 0 [nodePort] 10.0.0.1 10.0.1.1",
      "172.18.0.2:30080 NodePort 0 [nodePort routable] 10.0.0.1 10.0.1.1",
    ]);
  });

  it("of a balancer: what its status says and is no proxy's, beside the node ports that it has", () => {
    const ports = [{ port: 80 }];
    const ingress = [{ ip: "192.0.2.1" }, { ip: "192.0.2.2", ipMode: "Proxy" as const }];
    expect(lines({ spec: { type: "LoadBalancer", ports }, ingress })).toEqual([
      "10.96.0.10:80 ClusterIP 0 [] 10.0.0.1 10.0.1.1",
      "192.0.2.1:80 LoadBalancer 0 [loadBalancer routable] 10.0.0.1 10.0.1.1",
    ]);
  });

  it("from outside the cluster", () => {
    expect(lines({ spec: { externalIPs: ["192.0.2.9"] } })[1]).toBe(
      "192.0.2.9:80 ExternalIPs 0 [externalIp routable] 10.0.0.1 10.0.1.1",
    );
  });

  it("only those that the Service exposes", () => {
    const annotations = { "service.cilium.io/type": "NodePort" };
    expect(lines({ spec: { type: "NodePort" }, annotations }).map((line) => line.split(" ")[1])).toEqual([
      "NodePort",
      "NodePort",
    ]);
  });

  it("routable ClusterIPs where the node says so", () => {
    const node = testServiceNode({ config: { lbExternalClusterIp: true } });
    expect(lines({ node })).toEqual(["10.96.0.10:80 ClusterIP 0 [routable] 10.0.0.1 10.0.1.1"]);
  });

  it("SCTP as the others", () => {
    expect(translate({ spec: { ports: [{ port: 3868, protocol: "SCTP" }] } }).frontends).toMatchObject([
      { protocol: 132, backends: [{ protocol: 132 }, { protocol: 132 }] },
    ]);
  });

  it("own their address, unless the node has it itself", () => {
    const owners = (ip: string) =>
      translate({ spec: { type: "LoadBalancer" }, ingress: [{ ip }] })
        .frontends.filter(({ ownsAddress }) => ownsAddress)
        .map(({ address }) => address.text);
    expect(owners("192.0.2.1")).toEqual(["10.96.0.10", "192.0.2.1"]);
    expect(owners("172.18.0.2")).toEqual(["10.96.0.10"]);
  });
});

describe("traffic policies", () => {
  it("Local outside, Cluster inside: two scopes, each with its backends", () => {
    expect(lines({ spec: { type: "NodePort", externalTrafficPolicy: "Local" } })).toEqual([
      "10.96.0.10:80 ClusterIP 0 [externalLocalScope] 10.0.0.1 10.0.1.1",
      "0.0.0.0:30080 NodePort 0 [nodePort externalLocalScope twoScopes] 10.0.0.1",
      "172.18.0.2:30080 NodePort 0 [nodePort externalLocalScope routable twoScopes] 10.0.0.1",
      "0.0.0.0:30080 NodePort 1 [nodePort externalLocalScope twoScopes] 10.0.0.1 10.0.1.1",
      "172.18.0.2:30080 NodePort 1 [nodePort externalLocalScope routable twoScopes] 10.0.0.1 10.0.1.1",
    ]);
  });

  it("Local inside, Cluster outside", () => {
    const found = lines({ spec: { type: "NodePort", internalTrafficPolicy: "Local" } });
    expect(found[0]).toBe("10.96.0.10:80 ClusterIP 0 [internalLocalScope] 10.0.0.1");
    expect(found[2]).toBe(
      "172.18.0.2:30080 NodePort 0 [nodePort routable internalLocalScope twoScopes] 10.0.0.1 10.0.1.1",
    );
    expect(found[4]).toBe("172.18.0.2:30080 NodePort 1 [nodePort routable internalLocalScope twoScopes] 10.0.0.1");
  });

  it("Local both: one scope", () => {
    const spec = { type: "NodePort", internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" } as const;
    expect(lines({ spec })).toHaveLength(3);
    expect(
      translate({ spec }).frontends.flatMap(({ backends }) => backends.map(({ address }) => address.text)),
    ).toEqual(Array(3).fill("10.0.0.1"));
  });
});

describe("health checks", () => {
  it("count the node's own ready endpoints, for balancers with externalTrafficPolicy Local alone", () => {
    const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 32_000 } as const;
    const notReady = { addresses: ["10.0.0.3"], nodeName: "node-1", conditions: { ready: false } };
    const check = (more: object) =>
      translate({ spec: { ...spec, ...more }, endpoints: [here, there, notReady] }).healthCheck;
    expect(check({})).toEqual({ port: 32_000, localEndpoints: 1 });
    expect(check({ type: "NodePort" })).toBeUndefined();
    expect(check({ externalTrafficPolicy: "Cluster" })).toBeUndefined();
  });
});

describe("clients", () => {
  it.each([
    ["three hours by default", {}, 10_800],
    ["what the Service says", { sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } }, 600],
  ])("stay with their backend for %s", (_name, more, seconds) => {
    const [frontend] = translate({ spec: { sessionAffinity: "ClientIP", ...more } }).frontends;
    expect(frontend).toMatchObject({ affinityTimeoutSeconds: seconds, flags: serviceFlag.sessionAffinity });
  });

  it("from elsewhere are refused at balancer and external addresses; every frontend of the family knows the ranges", () => {
    const spec = {
      type: "LoadBalancer",
      externalIPs: ["192.0.2.9"],
      loadBalancerSourceRanges: ["10.0.0.0/8", "fd00::/8"],
    } as const;
    const { frontends } = translate({ spec, ingress: [{ ip: "192.0.2.1" }] });
    const checked = frontends.filter(({ flags }) => (flags & serviceFlag.sourceRange) !== 0);
    expect(checked.map(({ type }) => type)).toEqual(["LoadBalancer", "ExternalIPs"]);
    expect(new Set(frontends.map(({ sourceRanges }) => sourceRanges.join()))).toEqual(new Set(["10.0.0.0/8"]));
    const all = testServiceNode({ config: { lbSourceRangeAllTypes: true } });
    const checkedAll = translate({ spec, ingress: [{ ip: "192.0.2.1" }], node: all }).frontends;
    expect(checkedAll.every(({ flags }) => (flags & serviceFlag.sourceRange) !== 0)).toBe(true);
  });

  it("are refused where the annotation turns the ranges round", () => {
    const spec = { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0/8"] } as const;
    const annotations = { "service.cilium.io/src-ranges-policy": "Deny" };
    const found = translate({ spec, annotations, ingress: [{ ip: "192.0.2.1" }] }).frontends;
    expect(found.find(({ type }) => type === "LoadBalancer")!.flags & serviceFlag.quarantined).not.toBe(0);
    expect(found.find(({ type }) => type === "NodePort")!.flags & serviceFlag.quarantined).toBe(0);
  });

  it("are all refused when the only range is a slip, which is told", () => {
    const spec = { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0/33"] } as const;
    const { frontends, problems } = translate({ spec, ingress: [{ ip: "192.0.2.1" }] });
    expect(frontends.find(({ type }) => type === "LoadBalancer")!.flags & serviceFlag.sourceRange).not.toBe(0);
    expect(problems).toEqual(['Service shop/web: loadBalancerSourceRanges: "10.0.0.0/33" is not an address prefix']);
  });
});

describe("the algorithm", () => {
  const tables = (given: Given) =>
    translate(given)
      .frontends.filter(({ hasMaglevTable }) => hasMaglevTable)
      .map(({ address }) => address.text);
  const annotations = { "service.cilium.io/lb-algorithm": "maglev" };

  it("of the node gives tables to what is reached from outside", () => {
    const node = testServiceNode({ config: { lbAlgorithm: "maglev" } });
    expect(tables({ spec: { type: "NodePort" }, node })).toEqual(["172.18.0.2"]);
    const random = { "service.cilium.io/lb-algorithm": "random" };
    const listening = testServiceNode({ config: { lbAlgorithm: "maglev", lbAlgorithmAnnotation: true } });
    expect(tables({ spec: { type: "NodePort" }, annotations: random, node: listening })).toEqual([]);
  });

  it("of the Service gives them to all of its addresses, where the node listens to it", () => {
    const node = testServiceNode({ config: { lbAlgorithmAnnotation: true } });
    expect(tables({ spec: { type: "NodePort" }, annotations, node })).toEqual(["10.96.0.10", "172.18.0.2"]);
    expect(tables({ spec: { type: "NodePort" }, annotations })).toEqual([]);
    expect(translate({ annotations }).problems).toEqual([
      "Service shop/web: annotation service.cilium.io/lb-algorithm has no effect while bpf-lb-algorithm-annotation is false",
    ]);
  });
});

describe("near backends", () => {
  const hinted = (endpoint: SliceEndpoint, zone: string, node: string): SliceEndpoint => ({
    ...endpoint,
    hints: { forZones: [{ name: zone }], forNodes: [{ name: node }] },
  });
  const third: SliceEndpoint = { addresses: ["10.0.2.1"], nodeName: "node-3" };
  const endpoints = [hinted(here, "a", "node-1"), hinted(there, "a", "node-2"), hinted(third, "b", "node-3")];
  const zoned = testServiceNode({ zone: "a" });
  const ips = (given: Given) => translate(given).frontends[0]!.backends.map(({ address }) => address.text);

  it.each([
    ["PreferClose", ["10.0.0.1", "10.0.1.1"]],
    ["PreferSameZone", ["10.0.0.1", "10.0.1.1"]],
    ["PreferSameNode", ["10.0.0.1"]],
    [undefined, ["10.0.0.1", "10.0.1.1", "10.0.2.1"]],
  ])("with trafficDistribution %s", (trafficDistribution, expected) => {
    const spec = trafficDistribution === undefined ? {} : { trafficDistribution };
    expect(ips({ spec, endpoints, node: zoned })).toEqual(expected);
  });

  it("by the annotation of before", () => {
    const annotations = { "service.kubernetes.io/topology-mode": "Auto" };
    expect(ips({ annotations, endpoints, node: zoned })).toEqual(["10.0.0.1", "10.0.1.1"]);
  });

  it("give way to all where none is near, a ready one has no hint, or the node does not look at hints", () => {
    const spec = { trafficDistribution: "PreferClose" };
    const all = ["10.0.0.1", "10.0.1.1", "10.0.2.1"];
    expect(ips({ spec, endpoints, node: testServiceNode({ zone: "c" }) })).toEqual(all);
    expect(ips({ spec, endpoints: [...endpoints.slice(0, 2), third], node: zoned })).toEqual(all);
    const deaf = testServiceNode({ zone: "a", config: { serviceTopology: false } });
    expect(ips({ spec, endpoints, node: deaf })).toEqual(all);
  });

  it("of the zone where the node has none", () => {
    const node = testServiceNode({ name: "node-9", zone: "a" });
    expect(ips({ spec: { trafficDistribution: "PreferSameNode" }, endpoints, node })).toEqual(["10.0.0.1", "10.0.1.1"]);
  });
});

describe("what this version does not have", () => {
  it("is told by name", () => {
    expect(translate({ spec: { type: "LoadBalancer" } }).problems).toEqual([
      "Service shop/web: it has no address: LB-IPAM is not supported by this version, addresses come from its status",
    ]);
    expect(translate({ annotations: { "service.cilium.io/lb-l7": "enabled" } }).problems).toEqual([
      "Service shop/web: annotation service.cilium.io/lb-l7 is not supported by this version",
    ]);
    expect(translate({ spec: { clusterIPs: ["10.96.0.10", "fd00::10"] } }).problems).toEqual([
      "Service shop/web: clusterIP fd00::10: IPv6 is off on this node",
    ]);
  });
});

describe("host ports", () => {
  const pod = (port: ContainerPort, spec: Partial<KubePod["spec"]> = {}): KubePod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "door", namespace: "shop" },
    spec: { nodeName: "node-1", containers: [{ name: "c", ports: [port] }], ...spec },
    status: { phase: "Running", podIPs: [{ ip: "10.244.0.9" }] },
  });
  const found = (port: ContainerPort, spec: Partial<KubePod["spec"]> = {}) =>
    translateHostPorts(pod(port, spec), testServiceNode()).frontends.map(({ address, port: own, flags, backends }) =>
      [`${address}:${own}`, flags, ...backends.map((backend) => `${backend.address}:${backend.port}`)].join(" "),
    );
  const { hostPort, routable, loopback } = serviceFlag;

  it("are served on every address of the node, or on the one that the pod names", () => {
    expect(found({ containerPort: 8080, hostPort: 9080 })).toEqual([
      `0.0.0.0:9080 ${hostPort} 10.244.0.9:8080`,
      `172.18.0.2:9080 ${hostPort | routable} 10.244.0.9:8080`,
    ]);
    expect(found({ containerPort: 8080, hostPort: 9080, hostIP: "172.18.0.2" })).toEqual([
      `172.18.0.2:9080 ${hostPort | routable} 10.244.0.9:8080`,
    ]);
    expect(found({ containerPort: 8080, hostPort: 9080, hostIP: "127.0.0.1" })).toEqual([
      `0.0.0.0:9080 ${hostPort | loopback} 10.244.0.9:8080`,
    ]);
  });

  it("of other nodes' pods, and of those in the node's own network, are none", () => {
    const port = { containerPort: 8080, hostPort: 9080 };
    expect(found(port, { nodeName: "node-2" })).toEqual([]);
    expect(found(port, { hostNetwork: true })).toEqual([]);
  });

  it("say which hostIP is none", () => {
    const port = { containerPort: 8080, hostPort: 9080, hostIP: "here" };
    expect(translateHostPorts(pod(port), testServiceNode()).problems).toEqual([
      'Pod shop/door: hostIP "here" is not an address',
    ]);
  });

  it("know both families", () => {
    const six = [IpAddress.parse("fd00::2")];
    const node = testServiceNode({ families: [4, 6], nodePortAddresses: six });
    const status = { phase: "Running" as const, podIPs: [{ ip: "10.244.0.9" }, { ip: "fd01::9" }] };
    const { frontends } = translateHostPorts({ ...pod({ containerPort: 80, hostPort: 81 }), status }, node);
    expect(frontends.map(({ address, backends }) => `${address} ${backends[0]!.address}`)).toEqual([
      "0.0.0.0 10.244.0.9",
      ":: fd01::9",
      "fd00::2 fd01::9",
    ]);
  });
});

describe("direct server return", () => {
  /** Protocols of the node ports with the flag, by address of the node and upstream's surrogate alike. */
  const directPorts = (given: Given) => {
    const direct = translate(given).frontends.filter(({ flags }) => (flags & serviceFlag.dsr) !== 0);
    return [...new Set(direct.map(({ protocol }) => protocol))];
  };
  const ports = [
    { port: 80, nodePort: 30_080 },
    { port: 53, nodePort: 30_053, protocol: "UDP" as const },
  ];
  const spec = { type: "NodePort" as const, ports };

  it.each([
    ["snat", []],
    ["dsr", [6, 17]],
    ["hybrid", [6]],
  ] as const)("mode %s", (lbMode, direct) => {
    expect(directPorts({ spec, node: testServiceNode({ config: { lbMode } }) })).toEqual(direct);
  });

  it("of a Service goes before the node's, where the node listens to it", () => {
    const annotations = { "service.cilium.io/forwarding-mode": "DSR" };
    const listening = testServiceNode({ config: { lbModeAnnotation: true } });
    expect(directPorts({ spec, annotations, node: listening })).toEqual([6, 17]);
    expect(directPorts({ spec, annotations })).toEqual([]);
    expect(translate({ spec, annotations }).problems).toEqual([
      "Service shop/web: annotation service.cilium.io/forwarding-mode has no effect while bpf-lb-mode-annotation is false",
    ]);
    const hybrid = testServiceNode({ config: { lbModeAnnotation: true, lbMode: "hybrid" } });
    const snat = { "service.cilium.io/forwarding-mode": "snat" };
    expect(directPorts({ spec, annotations: snat, node: hybrid })).toEqual([]);
    expect(
      translate({ spec, annotations: { "service.cilium.io/forwarding-mode": "ipip" }, node: hybrid }).problems,
    ).toEqual(['Service shop/web: annotation service.cilium.io/forwarding-mode takes dsr or snat, not "ipip"']);
  });
});

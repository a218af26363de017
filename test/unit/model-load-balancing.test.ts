import { describe, expect, it } from "vitest";
import type {
  EndpointConditions,
  KubeEndpointSlice,
  KubeService,
  ServiceSpec,
  SlicePort,
} from "../../src/model/kubernetes.js";
import { translateService } from "../../src/model/load-balancing.js";
import { testServiceNode } from "../support/service-node.js";

function service(spec: ServiceSpec, labels: Record<string, string> = {}): KubeService {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "shop", labels },
    spec: { clusterIP: "10.96.0.10", ports: [{ port: 80 }], ...spec },
  };
}

function slice(
  endpoints: readonly { readonly address: string; readonly conditions?: EndpointConditions }[],
  ports: readonly SlicePort[] = [{ port: 8080, protocol: "TCP" }],
): KubeEndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: endpoints.map(({ address, ...rest }) => ({ addresses: [address], ...rest })),
    ports,
  };
}

/** `10.96.0.10:80/6 → 10.0.0.1:8080 active, …`, one line a frontend. */
function lines(spec: ServiceSpec, ...slices: readonly KubeEndpointSlice[]): readonly string[] {
  return translateService(service(spec), slices, testServiceNode()).frontends.map(
    ({ address, port, protocol, backends }) => {
      const texts = backends.map((backend) => `${backend.address}:${backend.port} ${backend.state}`);
      return `${address}:${port}/${protocol} → ${texts.join(", ")}`;
    },
  );
}

const notReady = { ready: false, serving: false };
const draining = { ready: false, serving: true, terminating: true };

describe("a Service's frontends and backends", () => {
  it("come from its ports and slices, ordered by address whatever the order of slices", () => {
    const one = slice([{ address: "10.0.10.1" }, { address: "10.0.2.1" }]);
    const two = slice([{ address: "10.0.1.1" }, { address: "10.0.2.1" }]);
    const expected = ["10.96.0.10:80/6 → 10.0.1.1:8080 active, 10.0.2.1:8080 active, 10.0.10.1:8080 active"];
    expect(lines({}, one, two)).toEqual(expected);
    expect(lines({}, two, one)).toEqual(expected);
  });

  it("take ports by name and protocol", () => {
    const ports = [
      { name: "http", port: 8080, protocol: "TCP" as const },
      { name: "dns", port: 5353, protocol: "UDP" as const },
    ];
    const spec: ServiceSpec = {
      ports: [
        { name: "http", port: 80 },
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "admin", port: 81 },
      ],
    };
    expect(lines(spec, slice([{ address: "10.0.0.1" }], ports))).toEqual([
      "10.96.0.10:80/6 → 10.0.0.1:8080 active",
      "10.96.0.10:53/17 → 10.0.0.1:5353 active",
      "10.96.0.10:81/6 → ",
    ]);
  });

  it("leave out what is not ready, unless the Service publishes it", () => {
    const slices = slice([{ address: "10.0.0.1" }, { address: "10.0.0.2", conditions: notReady }]);
    expect(lines({}, slices)).toEqual(["10.96.0.10:80/6 → 10.0.0.1:8080 active"]);
    expect(lines({ publishNotReadyAddresses: true }, slices)).toEqual([
      "10.96.0.10:80/6 → 10.0.0.1:8080 active, 10.0.0.2:8080 active",
    ]);
  });

  it("fall back to terminating ones that still serve, only while nothing is ready", () => {
    const terminating = { address: "10.0.0.2", conditions: draining };
    const done = { address: "10.0.0.3", conditions: { ready: false, serving: false, terminating: true } };
    const count = (...endpoints: Parameters<typeof slice>[0]): number =>
      translateService(service({}), [slice(endpoints)], testServiceNode()).frontends[0]!.activeCount;
    const ready = { address: "10.0.0.1" };
    // They keep a slot behind those that count: their connections go on.
    expect(lines({}, slice([terminating, ready, done]))).toEqual([
      "10.96.0.10:80/6 → 10.0.0.1:8080 active, 10.0.0.2:8080 terminating",
    ]);
    expect(count(terminating, ready, done)).toBe(1);
    expect(lines({}, slice([terminating, done]))).toEqual(["10.96.0.10:80/6 → 10.0.0.2:8080 terminating"]);
    expect(count(terminating, done)).toBe(1);
  });

  it("take an endpoint that moves between slices once, ready if it is in one", () => {
    const moving = slice([{ address: "10.0.0.1", conditions: draining }]);
    const moved = slice([{ address: "10.0.0.1" }]);
    expect(lines({}, moving, moved)).toEqual(["10.96.0.10:80/6 → 10.0.0.1:8080 active"]);
    expect(lines({}, moved, moving)).toEqual(["10.96.0.10:80/6 → 10.0.0.1:8080 active"]);
  });

  it("exist without backends: connections are refused there, not passed on", () => {
    expect(lines({})).toEqual(["10.96.0.10:80/6 → "]);
  });

  it("do not exist for headless Services, aliases, and those of another proxy", () => {
    expect(lines({ clusterIP: "None" })).toEqual([]);
    expect(lines({ type: "ExternalName", externalName: "example.org", clusterIP: "" })).toEqual([]);
    const foreign = service({}, { "service.kubernetes.io/service-proxy-name": "other" });
    expect(translateService(foreign, [], testServiceNode())).toMatchObject({ frontends: [], problems: [] });
  });

  it("work for IPv6 by the same rules", () => {
    const six: KubeEndpointSlice = { ...slice([{ address: "fd00::2" }]), addressType: "IPv6" };
    const spec = service({ clusterIPs: ["10.96.0.10", "fd00::10"] });
    const found = translateService(
      spec,
      [slice([{ address: "10.0.0.1" }]), six],
      testServiceNode({ families: [4, 6] }),
    );
    expect(found.frontends.map((frontend) => frontend.backends.map((backend) => backend.address.text))).toEqual([
      ["10.0.0.1"],
      ["fd00::2"],
    ]);
  });

  it("say which address is none", () => {
    expect(translateService(service({ clusterIP: "10.96.0" }), [], testServiceNode()).problems).toEqual([
      'Service shop/web: clusterIP "10.96.0" is not an address',
    ]);
    expect(translateService(service({}), [slice([{ address: "10.0.0" }])], testServiceNode()).problems).toEqual([
      'Service shop/web: EndpointSlice web-1: "10.0.0" is not an IPv4 address',
    ]);
  });
});

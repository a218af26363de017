import { describe, expect, it } from "vitest";
import type { KubeService } from "../../src/model/kubernetes.js";
import { nameService } from "../../src/model/named-service.js";
import { createServiceTest, parseServiceQuery, type ServiceQuery } from "../../src/model/service-query.js";

const service = (namespace: string, name: string, spec: KubeService["spec"]): KubeService => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace, name },
  spec,
});

const services = [
  service("shop", "cart", { clusterIPs: ["10.96.0.1", "fd00::1"], ports: [{ port: 80 }] }),
  service("shop", "web", {
    clusterIP: "10.96.0.2",
    externalIPs: ["192.0.2.1"],
    ports: [{ port: 80, nodePort: 30080 }],
  }),
  service("bank", "web", { clusterIP: "None" }),
  {
    ...service("bank", "desk", { type: "LoadBalancer", clusterIP: "10.96.0.3", healthCheckNodePort: 31500 }),
    status: { loadBalancer: { ingress: [{ ip: "192.0.2.9" }, { hostname: "desk.example" }] } },
  },
] satisfies readonly KubeService[];

const find = (query: ServiceQuery): readonly string[] =>
  services.filter(createServiceTest(query)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

describe("a query for Services", () => {
  it.each<[ServiceQuery, readonly string[]]>([
    [{}, []],
    [{ all: true }, ["shop/cart", "shop/web", "bank/web", "bank/desk"]],
    [{ addresses: ["fd00::1"] }, ["shop/cart"]],
    [{ addresses: ["192.0.2.1", "None", ""] }, ["shop/web"]],
    [{ addresses: ["192.0.2.9"] }, ["bank/desk"]],
    [{ nodePorts: [30080] }, ["shop/web"]],
    [{ nodePorts: [80] }, []],
    [{ names: ["web"] }, ["shop/web", "bank/web"]],
    [{ names: ["shop/web"] }, ["shop/web"]],
    [{ namespaces: ["bank"] }, ["bank/web", "bank/desk"]],
    [{ namespaces: ["bank"], addresses: ["10.96.0.1"] }, ["shop/cart", "bank/web", "bank/desk"]],
  ])("%j finds %j", (query, found) => {
    expect(find(query)).toEqual(found);
  });

  it("is read from a request, or refused", () => {
    const query = { addresses: ["10.96.0.1"], nodePorts: [1], names: ["a"], namespaces: ["b"], all: false };
    expect(parseServiceQuery(query)).toEqual(query);
    expect(parseServiceQuery({})).toEqual({});
    for (const body of [undefined, null, "x", { names: "a" }, { names: [1] }, { nodePorts: ["1"] }, { all: 1 }]) {
      expect(parseServiceQuery(body)).toBeUndefined();
    }
  });
});

describe("the name of a Service", () => {
  it("stands for its cluster and external addresses, its node ports, and its backends", () => {
    const slices = [
      {
        apiVersion: "discovery.k8s.io/v1" as const,
        kind: "EndpointSlice" as const,
        metadata: { name: "web-1" },
        addressType: "IPv4" as const,
        ports: [{ name: "http", port: 8080 }, { name: "none" }],
        endpoints: [{ addresses: ["10.244.0.2"] }],
      },
    ];
    const named = nameService(services[1]!, slices, ["172.18.0.2"]);
    expect(named.frontends.map(({ address, port }) => `${address}:${port}`)).toEqual([
      "10.96.0.2:80",
      "192.0.2.1:80",
      "0.0.0.0:30080",
      ":::30080",
      "172.18.0.2:30080",
    ]);
    expect(named.backends).toEqual([{ address: "10.244.0.2", port: 8080, protocol: 6, portName: "http" }]);
    expect(nameService(services[2]!, [], []).frontends).toEqual([]);
    expect(nameService(services[3]!, [], []).healthCheckNodePort).toBe(31500);
  });
});

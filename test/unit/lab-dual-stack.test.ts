import { describe, expect, it } from "vitest";
import { buildEndpointSlices } from "../../src/lab/endpoint-slices.js";
import { assignNodeAddresses } from "../../src/lab/node-addresses.js";
import { buildPodStatus } from "../../src/lab/pod-status.js";
import { TakenAddressBook, withServiceAddresses } from "../../src/lab/service-addresses.js";
import type { IpFamily } from "../../src/lib/ip.js";
import type { KubeNode, KubePod, KubeService, ServiceSpec } from "../../src/model/kubernetes.js";
import { configuredFamilies } from "../../src/model/pod-families.js";
import { serviceFamilies } from "../../src/model/service-families.js";

const service = (spec: ServiceSpec): KubeService => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "shop", name: "web" },
  spec: { selector: { app: "web" }, ports: [{ port: 80 }], ...spec },
});

const pod = (name: string, ...ips: readonly string[]): KubePod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "shop", name, labels: { app: "web" } },
  spec: { containers: [{ name: "main" }] },
  status: { podIP: ips[0]!, podIPs: ips.map((ip) => ({ ip })) },
});

const node = (name: string, spec: KubeNode["spec"] = {}, ...internal: readonly string[]): KubeNode => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  spec,
  status: { addresses: internal.map((address) => ({ type: "InternalIP", address })) },
});

describe("families of a lab", () => {
  it("are those of the agents' settings, as upstream's ConfigMap has them without: IPv4 alone", () => {
    expect(configuredFamilies()).toEqual([4]);
    expect(configuredFamilies({ "enable-ipv6": "true" })).toEqual([4, 6]);
    expect(configuredFamilies({ "enable-ipv6": " true ", "enable-ipv4": "false" })).toEqual([6]);
    expect(configuredFamilies({ "enable-ipv6": "yes" })).toEqual([4]);
    expect(configuredFamilies({ "enable-ipv4": "false" })).toEqual([4]);
  });
});

describe("nodes of both families", () => {
  it("have an address and a prefix of each, their own where the manifest gives one", () => {
    const nodes = [
      node("a"),
      node("b", { podCIDRs: ["10.9.0.0/24", "fd00:9::/64"] }),
      node("c", { podCIDR: "fd00:8::/64" }),
    ];
    const assigned = assignNodeAddresses(nodes, [4, 6]);
    expect(assigned.get("a")).toEqual({
      index: 0,
      internalIps: ["172.18.0.2", "fd00:172:18::2"],
      podCidrs: ["10.244.0.0/24", "fd00:10:244::/64"],
    });
    expect(assigned.get("b")?.podCidrs).toEqual(["10.9.0.0/24", "fd00:9::/64"]);
    expect(assigned.get("c")?.podCidrs).toEqual(["10.244.2.0/24", "fd00:8::/64"]);
  });

  it("keep their place when a family comes or goes", () => {
    const before = [node("b", {}, "172.18.0.3"), node("a", {}, "fd00:172:18::101")];
    const assigned = assignNodeAddresses(before, [6]);
    expect(assigned.get("b")).toMatchObject({ index: 1, internalIps: ["fd00:172:18::3"] });
    expect(assigned.get("a")).toMatchObject({ index: 255, internalIps: ["fd00:172:18::101"] });
  });
});

describe("Services of both families", () => {
  const both: readonly IpFamily[] = [4, 6];
  const none = new TakenAddressBook();
  const addressed = (spec: ServiceSpec, families = both) => withServiceAddresses(service(spec), none, families).spec;

  it("get one address of the lab's first family unless they ask for more", () => {
    expect(addressed({})).toMatchObject({ ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" });
    expect(addressed({}).clusterIPs).toEqual([expect.stringMatching(/^10\./)]);
    expect(addressed({}, [6]).clusterIPs).toEqual([expect.stringMatching(/^fd00:10:96::/)]);
  });

  it.each([
    ["PreferDualStack", both, ["IPv4", "IPv6"]],
    ["RequireDualStack", both, ["IPv4", "IPv6"]],
    ["PreferDualStack", [4], ["IPv4"]],
  ] as const)("with %s in a lab of %j are of %j", (ipFamilyPolicy, families, ipFamilies) => {
    const spec = addressed({ ipFamilyPolicy }, families);
    expect(spec).toMatchObject({ ipFamilies, ipFamilyPolicy, clusterIP: spec.clusterIPs![0] });
    expect(spec.clusterIPs).toHaveLength(ipFamilies.length);
  });

  it("keep the order that they ask for, and the addresses that they bring", () => {
    const first = addressed({ ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6"] });
    expect(first.ipFamilies).toEqual(["IPv6", "IPv4"]);
    const given = addressed({
      ipFamilyPolicy: "RequireDualStack",
      clusterIP: "fd00:10:96::80",
      clusterIPs: ["fd00:10:96::80"],
    });
    expect(given.clusterIPs).toEqual(["fd00:10:96::80", expect.stringMatching(/^10\./)]);
  });

  it("that ask for what the lab does not have are told so", () => {
    expect(() => addressed({ ipFamilies: ["IPv6"] }, [4])).toThrow(/Service shop\/web asks for IPv6/);
    expect(() => addressed({ ipFamilyPolicy: "RequireDualStack" }, [4])).toThrow(/asks for two address families/);
  });

  it("have slices of each, with the pods that have an address of it", () => {
    const pods = [pod("a", "10.0.0.1", "fd00::1"), pod("old", "10.0.0.2")];
    const slices = buildEndpointSlices(service({}), pods, both);
    expect(
      slices.map(({ metadata, addressType, endpoints }) => {
        return [metadata.name, addressType, endpoints.flatMap(({ addresses }) => addresses)];
      }),
    ).toEqual([
      ["web-lab0", "IPv4", ["10.0.0.1", "10.0.0.2"]],
      ["web-lab-ipv6-0", "IPv6", ["fd00::1"]],
    ]);
  });

  it("without addresses of their own have the families that are written into them", () => {
    expect(serviceFamilies({ clusterIP: "None", ipFamilies: ["IPv4", "IPv6"] }, both)).toEqual([4, 6]);
    expect(serviceFamilies({ clusterIP: "None" }, both)).toEqual([4]);
  });
});

it("a pod's status names the addresses of both families", () => {
  const status = buildPodStatus({
    pod: pod("a", "10.0.0.1"),
    hostIps: ["172.18.0.2", "fd00:172:18::2"],
    podIps: ["10.0.0.1", "fd00::1"],
    containers: [],
    now: new Date(0),
  });
  expect(status).toMatchObject({
    hostIP: "172.18.0.2",
    hostIPs: [{ ip: "172.18.0.2" }, { ip: "fd00:172:18::2" }],
    podIP: "10.0.0.1",
    podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }],
  });
});

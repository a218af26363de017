import { createAbi } from "../../src/abi/abi.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { ctDimensions } from "../../src/model/conntrack-groups.js";
import type { AddressName, L4Address } from "../../src/model/rows.js";
import type { SmallMap, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { identityList, nodeList, serviceList } from "../../src/output/lists/agent-lists.js";
import { conntrackList, withAge } from "../../src/output/lists/conntrack-list.js";
import { conntrackTopList } from "../../src/output/lists/conntrack-top-list.js";
import { endpointList, ipcacheList, localEndpointList, tunnelList } from "../../src/output/lists/endpoint-lists.js";
import { endpointOptionList } from "../../src/output/lists/endpoint-option-list.js";
import { labList, labStatusList } from "../../src/output/lists/lab-lists.js";
import {
  lbBackendList,
  lbFrontendList,
  lbServiceList,
  revNatList,
  sourceRangeList,
} from "../../src/output/lists/load-balancing-lists.js";
import { maglevList } from "../../src/output/lists/maglev-list.js";
import { mapEntryList } from "../../src/output/lists/map-entry-list.js";
import { metricsList } from "../../src/output/lists/metrics-list.js";
import { monitorList } from "../../src/output/lists/monitor-list.js";
import { mountList, templateHeaderList, templateList } from "../../src/output/lists/node-file-lists.js";
import { featureList, mapFillList, sockRevNatList, whichList } from "../../src/output/lists/node-lists.js";
import { policyList } from "../../src/output/lists/policy-list.js";
import { smallMapList } from "../../src/output/lists/small-map-list.js";
import { capturedRowsOf, clockAt, sampleRows } from "../support/small-map-samples.js";
import { readCapturedMap } from "./abi-capture-files.js";
import { type Sample, sample } from "./list-sample.js";
import * as captured from "./output-cilium-rows.js";
import { policySamples } from "./policy-list-samples.js";

const pod: AddressName = { kind: "pod", namespace: "shop", name: "cart-0" };
const backend: L4Address = { address: IpAddress.parse("10.0.1.2"), port: 80, protocol: 6 };
const address = IpAddress.parse("fd00::1");

const named = <Row extends object>(rows: readonly Row[], names: Partial<Row>): readonly Row[] => [
  ...rows,
  ...rows.map((row) => ({ ...row, node: "rn1", ...names })),
];

/** Entries of any values in the layout of the newest release that has the map, with every name set, and a row of no entry. */
function smallMapSample(map: SmallMap<SmallMapRow>): Sample {
  const names = Object.fromEntries(Object.keys(map.fields).map((name) => [name, pod]));
  const rows = map.sources.flatMap((source) => sampleRows(source, { seed: 7, count: 3 }));
  const numbers = map.balancing === undefined ? {} : { frontend: backend, backend };
  return sample(smallMapList(map), [
    ...capturedRowsOf(map),
    ...rows.map((row) => ({ ...row, node: "rn1", names, ...numbers })),
  ]);
}

const { policy } = createAbi();
const policyRows = readCapturedMap("cilium_policy_v2_00878").entries.map(({ key, value }) =>
  policy.row({
    map: "cilium_policy_v2_00878",
    endpointId: 878,
    key: policy.key.decode(key),
    entry: policy.value.decode(value),
    flags: 0,
  }),
);

export const samples: readonly Sample[] = [
  ...smallMaps.map(smallMapSample),
  sample(
    withAge(conntrackList),
    [...captured.ctRows(), ...captured.unknownCtRows()].flatMap((row) => [
      row,
      {
        ...row,
        node: "rn1",
        clock: clockAt(5_000),
        sourceName: pod,
        destinationName: pod,
        rxPackets: 1n << 60n,
        rxBytes: 1n,
        interfaceIndex: 3,
        clusterId: 3,
      },
    ]),
  ),
  sample(conntrackTopList(ctDimensions, { isWatched: true }), [
    {
      group: {
        services: [pod, backend],
        pod: address,
        node: "rn1",
        identity: 4711,
        labels: ["k8s:app=web"],
        protocol: 6,
        state: "closed",
        direction: "in",
      },
      entries: 3,
      share: 0.75,
      change: -1,
      packets: 1n << 60n,
      bytes: undefined,
    },
    { group: undefined, entries: 1, share: 0.25, change: undefined, packets: 1n, bytes: 2n },
  ]),
  sample(lbServiceList, named(captured.serviceEntryRows(), { serviceName: pod, backendName: pod, l7ProxyPort: 1 })),
  sample(lbFrontendList, named(captured.serviceEntryRows(), { serviceName: pod, backendName: pod, l7ProxyPort: 1 })),
  sample(lbBackendList, named(captured.backendRows(), { backendName: pod })),
  sample(revNatList, named(captured.revNatRows(), { serviceName: pod })),
  sample(sourceRangeList, [
    { release: "1.20", revNatId: 3, prefix: IpPrefix.parse("192.0.2.0/24") },
    {
      node: "a",
      release: "1.20",
      revNatId: 3,
      prefix: IpPrefix.parse("fd00::/64"),
      frontend: { address, port: 80 },
      serviceName: pod,
    },
  ]),
  sample(maglevList, [
    { family: 4, revNatId: 3, table: Uint32Array.of(0, 0), backends: [] },
    {
      node: "a",
      family: 6,
      revNatId: 3,
      frontend: { address, port: 80 },
      serviceName: pod,
      table: Uint32Array.of(7, 8, 7),
      backends: [
        { backendId: 7, slots: 2, backend, backendName: pod },
        { backendId: 8, slots: 1 },
      ],
    },
  ]),
  sample(ipcacheList, named(captured.ipcacheRows(), { name: pod, labels: ["reserved:host"] })),
  sample(localEndpointList, named(captured.localEndpointRows(), { name: pod })),
  sample(tunnelList, [
    {
      prefix: IpPrefix.parse("10.0.1.0/24"),
      clusterId: 0,
      tunnelEndpoint: address,
      encryptKey: 0,
      origin: "ipcache",
      identity: 2,
      remoteNode: "b",
      node: "a",
    },
    {
      prefix: IpPrefix.parse("10.0.2.0/32"),
      clusterId: 0,
      tunnelEndpoint: address,
      encryptKey: 0,
      origin: "tunnel-map",
    },
  ]),
  sample(metricsList, named(captured.metricRows(), {})),
  sample(mapFillList, [
    {
      name: "cilium_lxc",
      id: 7,
      hasBtf: true,
      type: "hash",
      keySizeBytes: 20,
      valueSizeBytes: 48,
      entries: 2,
      maxEntries: 10,
      flags: 1,
      owner: "ours",
      node: "a",
    },
    {
      name: "cilium_calls",
      id: 8,
      hasBtf: false,
      type: "prog_array",
      keySizeBytes: 4,
      valueSizeBytes: 4,
      maxEntries: 10,
      flags: 0,
      owner: "foreign",
    },
  ]),
  sample(mountList, [
    {
      node: "a",
      mountId: 1,
      parentId: 2,
      device: "0:30",
      root: "/",
      mountPoint: "/sys/fs/bpf",
      mountOptions: "rw",
      optionalFields: ["shared:7"],
      filesystem: "bpf",
      source: "bpf",
      superOptions: "rw,mode=700",
    },
  ]),
  sample(templateList, [
    { node: "a", release: "1.20", sha: "b6e6", endpoints: ["294", "7"] },
    { release: "1.20", problem: "missing", endpoints: ["1"] },
  ]),
  sample(templateHeaderList, [{ node: "a", sha: "b6e6", line: 1, text: "#define X 1" }]),
  sample(mapEntryList, [
    { node: "a", map: "x", mapId: 1, keyHex: "0a", valueHex: "0b0c", key: 10, value: { of: ["any", 7, null, true] } },
    { map: "other/x", mapId: 2, keyHex: "", valueHex: ["0b", "0c"] },
  ]),
  sample(policyList({ isAll: true, isNumeric: true }), [
    ...named(policyRows, { packets: 1n, bytes: 2n, labels: ["reserved:host"], rules: ["NetworkPolicy/a/b spec"] }),
    ...named(policyRows, { verdict: undefined, listenerPriority: undefined }),
    ...named(policyRows, { precedence: undefined, rulePriority: undefined, cookie: undefined }),
  ]),
  sample(sockRevNatList, [
    {
      node: "a",
      release: "1.20",
      backendName: pod,
      serviceName: pod,
      cookie: 1n << 63n,
      backend: backend.address,
      backendPort: 1,
      frontend: address,
      frontendPort: 2,
      revNatId: 3,
    },
  ]),
  sample(serviceList, [
    {
      node: "a",
      id: 1,
      frontend: backend,
      scope: "internal",
      serviceType: "NodePort",
      backends: [
        { ...backend, state: "active" },
        { ...backend, state: "terminating", nodeName: "b", podName: pod },
      ],
      name: "cart",
      namespace: "shop",
      externalTrafficPolicy: "Local",
      internalTrafficPolicy: "Cluster",
      affinityTimeoutSeconds: 10,
      healthCheckNodePort: 31_500,
    },
  ]),
  sample(endpointList, [
    { id: 1, identity: 1, identityLabels: [], state: "ready", policyEnforcement: "none" },
    {
      node: "a",
      id: 2,
      identity: 300,
      identityLabels: ["k8s:app=web"],
      ipv4: "10.0.0.1",
      ipv6: "fd00::2",
      state: "ready",
      policyEnforcement: "both",
      podNamespace: "shop",
      podName: "web-0",
      containerId: "c",
      containerInterface: "eth0",
      interfaceName: "lxc1",
      interfaceIndex: 4,
      mac: "06:d4:cb:6f:bf:15",
      hostMac: "06:d4:cb:6f:bf:16",
    },
  ]),
  ...policySamples,
  sample(endpointOptionList, [
    {
      ...{ node: "a", endpointId: 1, podNamespace: "shop", podName: "web" },
      option: "DropNotification",
      value: true,
      origin: "node",
    },
    { node: "a", endpointId: 1, option: "MonitorAggregationLevel", value: "none", origin: "endpoint" },
  ]),
  sample(identityList, [
    { id: 104, labels: [] },
    { id: 1, labels: ["reserved:host"] },
    { id: 300, labels: [], labelsSha256: "ab", endpoints: 2 },
  ]),
  sample(nodeList, [
    { name: "a", source: "local" },
    {
      name: "b",
      source: "kubernetes",
      ipv4: "172.18.0.2",
      ipv4PodCidr: "10.0.0.0/24",
      ipv6: "fd00::1",
      ipv6PodCidr: "fd00:1::/64",
      secondaryAddresses: ["10.0.0.1"],
      healthIpv4: "10.0.0.2",
      healthIpv6: "fd00:1::2",
    },
  ]),
  sample(labList, [
    { name: "default", state: "running", nodes: 2, pods: 6, createdAt: "2026-11-21T09:00:00Z" },
    { name: "left", state: "broken", nodes: 0, pods: 0 },
  ]),
  sample(labStatusList, [
    {
      kind: "Node",
      name: "node-1",
      status: "NotReady",
      message: "no agent",
      ready: 0,
      containers: 1,
      restarts: 0,
      addresses: [],
    },
    {
      kind: "Pod",
      namespace: "shop",
      name: "cart-0",
      node: "node-1",
      status: "Running",
      ready: 1,
      containers: 1,
      restarts: 2,
      addresses: ["10.244.0.2", "fd00:10:244::2"],
      pid: 4711,
      createdAt: "2026-11-21T09:00:00Z",
    },
  ]),
  sample(monitorList(), [
    ...named(captured.monitorEvents(), {
      record: { kind: "lost", count: 3n },
      sourceName: pod,
      destinationName: pod,
      interfaceName: "lxc1",
      verdict: "redirected",
      isEncrypted: true,
      proxyPort: 10_000,
      ipTraceId: 7n,
      outer: { tunnel: "vxlan", vni: 4189, source: address, tcpFlags: ["SYN"], icmpType: 8, icmpCode: 0 },
      message: "what was said",
      lostCount: 3n,
      cookie: 7,
      rules: ["NetworkPolicy/shop/web spec.ingress[0]"],
    }),
  ]),
  sample(featureList, [
    { node: "a", name: "tcx", isAvailable: true, probed: "by attaching", costWhenMissing: "a qdisc", since: "6.6" },
  ]),
  sample(whichList, [
    { protocol: 6, source: address, sourcePort: 1, backend, isLive: false, verdict: "undecided", evidence: [] },
    {
      node: "a",
      protocol: 17,
      source: address,
      sourcePort: 1,
      sourceName: pod,
      frontend: backend,
      frontendName: pod,
      backend,
      backendName: pod,
      backendNode: "b",
      process: { pid: 1, command: "nginx" },
      isLive: true,
      verdict: "through-service",
      evidence: ["conntrack: …"],
    },
  ]),
];

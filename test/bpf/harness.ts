import { fileURLToPath } from "node:url";
import { createCtCodecs } from "../../src/abi/conntrack.js";
import { readCtColumns } from "../../src/abi/conntrack-columns.js";
import { createMetricCodecs } from "../../src/abi/metrics.js";
import { ownReleases } from "../../src/abi/release.js";
import { encodeDatapathConfig, kernelFacts } from "../../src/datapath/datapath-config.js";
import {
  encodeEndpoint,
  encodeHostAddress,
  encodeIpcacheEntry,
  encodePolicyEntry,
} from "../../src/datapath/entries.js";
import { EventReader } from "../../src/datapath/events.js";
import { PolicyEpoch } from "../../src/datapath/policy-epoch.js";
import { closePrograms, loadPrograms, type ProgramKey, type Programs } from "../../src/datapath/programs.js";
import { encodeBackend, encodeFrontend } from "../../src/datapath/service-entries.js";
import { deleteKeys, readEntries } from "../../src/datapath/table.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { addressPort, IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { type AgentConfig, defaultAgentConfig } from "../../src/model/agent-config.js";
import type { LoadBalancerFrontend, PolicyEntry } from "../../src/model/datapath-port.js";
import { type EventOptions, nodeEventOptions } from "../../src/model/event-options.js";
import { chooseSlots } from "../../src/model/load-balancing-backends.js";
import type { CtRow, MetricRow } from "../../src/model/rows.js";
import { clearMap, isMapOfMaps } from "./clear-map.js";
import { u32 } from "./u32.js";

export const objectsDir = fileURLToPath(new URL("../../bpf/build", import.meta.url));

/** A test run's packet comes in on loopback unless told otherwise. */
export const LOOPBACK_IFINDEX = 1;

/** Of packets to other nodes' pods. */
export const ROUTE_MTU = 1450;

/** Offsets in what programs get beside the packet. */
const MARK_OFFSET = 8;
const IFINDEX_OFFSET = 40;
const xdpMd = { bytes: 24, dataEnd: 4, ingressIfindex: 12 } as const;

export const xdp = { pass: 2, tx: 3, redirect: 4 } as const;
export const tc = { next: 0xffffffff, shot: 2, redirect: 7 } as const;

export const pod = {
  client: { id: 11, ip: "10.244.0.5", mac: "02:00:00:00:05:01", nodeMac: "02:00:00:00:05:02", identity: 1001 },
  server: { id: 12, ip: "10.244.0.6", mac: "02:00:00:00:06:01", nodeMac: "02:00:00:00:06:02", identity: 1002 },
} as const;
/** The same two pods' IPv6 addresses, and what else has one. */
export const ip6 = {
  client: "fd00:10:244::5",
  server: "fd00:10:244::6",
  remotePod: "fd00:10:244:1::7",
  host: "fd00:10:244::1",
  node: "fd00:172:18::2",
  vip: "fd00:10:96::10",
  world: "2001:db8::10",
} as const;
export const remotePod = { ip: "10.244.1.7", identity: 1003, node: "172.18.0.3" } as const;
export const hostIp = "10.244.0.1";
export const nodeIp = "172.18.0.2";
export const hostMac = "02aabbccddee";
export const worldIp = "192.0.2.10";
export const vip = "10.96.0.10";

export const allowAll: readonly PolicyEntry[] = (["ingress", "egress"] as const).map((direction) => ({
  direction,
  identity: 0,
  protocol: 0,
  port: 0,
  portPrefixLength: 0,
  verdict: "allow" as const,
}));

const conntrackMaps = {
  cilium_ct4_global: "tcp4",
  cilium_ct_any4_global: "any4",
  cilium_ct6_global: "tcp6",
  cilium_ct_any6_global: "any6",
} as const;

const metricCodecs = createMetricCodecs(ownReleases);
const ctCodecs = createCtCodecs(ownReleases);

export interface HarnessPod {
  readonly id: number;
  readonly ip: string;
  readonly mac: string;
  readonly nodeMac: string;
  readonly identity: number;
}

function createMaps(config: Partial<AgentConfig>): ReadonlyMap<string, BpfMap> {
  using object = BpfObject.open(`${objectsDir}/maps.bpf.o`, { name: "cts_test" });
  // The node itself has the last slot of all.
  const isWhole = (name: string) => name === "cts_policy_maps" && config.enableHostFirewall === true;
  for (const map of object.maps)
    if (map.maxEntries > 4096 && !map.isInternal && !isWhole(map.name)) object.setMapMaxEntries(map.name, 4096);
  object.load();
  return new Map(object.maps.filter((map) => !map.isInternal).map((map) => [map.name, object.map(map.name)]));
}

/** What a harness's programs have in `.rodata`. */
export function encodeHarnessConfig(config: Partial<AgentConfig> = {}, hostNetnsCookie = 0n): Buffer {
  const devices = { hostIfindex: 1, netIfindex: 1, tunnelIfindex: 1, hostMac: Buffer.from(hostMac, "hex") };
  const network = {
    ciliumHostIps: [IpAddress.parse(hostIp), IpAddress.parse(ip6.host)],
    internalIps: [IpAddress.parse(nodeIp), IpAddress.parse(ip6.node)],
    podCidrs: [IpPrefix.parse("10.244.0.0/24")],
    routeMtu: ROUTE_MTU,
  };
  const kernel = { ...kernelFacts(), hostNetnsCookie };
  return encodeDatapathConfig({ ...defaultAgentConfig(), ...config }, devices, network, kernel);
}

/** The datapath's programs over maps of their own, nothing attached and nothing pinned. */
export class DatapathHarness implements Disposable {
  readonly programs: Programs;
  /** By name. */
  readonly maps: ReadonlyMap<string, BpfMap>;
  /** By endpoint id: the handle of the policy map that was made last. */
  readonly #policies = new Map<number, BpfMap>();
  #policyEpoch: PolicyEpoch;
  /** Of the node. */
  readonly #eventOptions: EventOptions;
  #events: EventReader;

  /**
   * @param hostNetnsCookie of the network namespace that the socket LB takes for the node's own
   * @param maps the harness's from now on; none: new ones
   */
  constructor(
    config: Partial<AgentConfig> = {},
    hostNetnsCookie = 0n,
    maps: ReadonlyMap<string, BpfMap> = createMaps(config),
  ) {
    this.#eventOptions = nodeEventOptions({ ...defaultAgentConfig(), ...config });
    this.maps = maps;
    const bytes = encodeHarnessConfig(config, hostNetnsCookie);
    this.programs = loadPrograms({ objectsDir, maps: this, config: bytes });
    this.#policyEpoch = new PolicyEpoch(this.get("cts_policy_epoch"));
    this.#events = this.#openEvents();
    this.#addEndpoints();
  }

  /**
   * All maps become what they were when the harness was new. The programs stay: they keep nothing outside of the maps, and
   * the verifier takes seconds for them. So do the maps within maps, emptied: each change of those waits for every CPU.
   */
  reset(): void {
    this.#events.drain();
    this.#events[Symbol.dispose]();
    for (const map of this.maps.values()) if (!isMapOfMaps(map)) clearMap(map);
    this.#forgetPolicies();
    this.#policyEpoch = new PolicyEpoch(this.get("cts_policy_epoch"));
    this.#events = this.#openEvents();
    this.#addEndpoints();
  }

  /** As if somebody watched everything. */
  #openEvents(): EventReader {
    const events = new EventReader(this);
    events.watch({ records: () => {}, lost: () => {} });
    return events;
  }

  /** Policies of other endpoints than the two that every test has. */
  #forgetPolicies(): void {
    const known = new Set<number>([pod.client.id, pod.server.id]);
    const maps = this.get("cts_policy_maps");
    for (const { key } of [...readEntries(maps)]) if (!known.has(key.readUInt32LE())) maps.delete(key);
  }

  #addEndpoints(): void {
    this.addHost(hostIp);
    this.addPod(pod.client, LOOPBACK_IFINDEX);
    this.addPod(pod.server, 77);
    this.addIpcache("0.0.0.0/0", 2);
    this.addIpcache(`${remotePod.ip}/32`, remotePod.identity, remotePod.node);
  }

  get policyEpoch(): PolicyEpoch {
    return this.#policyEpoch;
  }

  get events(): EventReader {
    return this.#events;
  }

  get(name: string): BpfMap {
    const map = this.maps.get(name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return map;
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
    closePrograms(this.programs);
    for (const map of [...this.maps.values(), ...this.#policies.values()]) map.close();
  }

  addHost(ip: string): void {
    const entry = encodeHostAddress(IpAddress.parse(ip));
    this.get("cilium_lxc").update(entry.key, entry.value);
  }

  /** Gives a pod another identity; its policy stays. */
  relabel(endpoint: HarnessPod, ifindex: number, identity: number, eventOptions: Partial<EventOptions> = {}): void {
    const { id: endpointId, ip, mac, nodeMac } = endpoint;
    const pod = { endpointId, address: IpAddress.parse(ip), ifindex, mac, nodeMac, identity, eventOptions };
    const entry = encodeEndpoint(pod, this.#eventOptions);
    this.get("cilium_lxc").update(entry.key, entry.value);
    this.addIpcache(IpPrefix.host(IpAddress.parse(ip)).text, identity);
  }

  /** What {@link ip6} names. */
  addIp6(): void {
    this.addHost(ip6.host);
    this.relabel({ ...pod.client, ip: ip6.client }, LOOPBACK_IFINDEX, pod.client.identity);
    this.relabel({ ...pod.server, ip: ip6.server }, 77, pod.server.identity);
    this.addIpcache("::/0", 2);
    this.addIpcache(`${ip6.remotePod}/128`, remotePod.identity, remotePod.node);
  }

  addPod(endpoint: HarnessPod, ifindex: number, policy: readonly PolicyEntry[] = allowAll): void {
    this.relabel(endpoint, ifindex, endpoint.identity);
    this.setPolicy(endpoint.id, policy);
  }

  setPolicy(endpointId: number, policy: readonly PolicyEntry[]): void {
    using _change = this.policyEpoch.change();
    this.setPolicyUnannounced(endpointId, policy);
  }

  /** A change that the epoch does not count: connections go on as they were allowed. */
  setPolicyUnannounced(endpointId: number, policy: readonly PolicyEntry[]): void {
    const map = this.#emptyPolicy(endpointId);
    for (const entry of policy.map(encodePolicyEntry)) map.update(entry.key, entry.value);
  }

  /** The endpoint's policy map: the one that it has, or a new one, which takes the kernel 7 ms. */
  #emptyPolicy(endpointId: number): BpfMap {
    const policies = this.get("cts_policy_maps");
    const known = this.#policies.get(endpointId);
    if (known !== undefined && policies.lookup(u32(endpointId))?.readUInt32LE() === known.info.id) {
      clearMap(known);
      return known;
    }
    known?.close();
    const map = BpfMap.create({
      type: "lpm_trie",
      name: "cts_test_policy",
      keySizeBytes: 12,
      valueSizeBytes: 12,
      maxEntries: 256,
      flags: 0x81,
    });
    this.#policies.set(endpointId, map);
    policies.update(u32(endpointId), u32(map.fd));
    return map;
  }

  removePolicy(endpointId: number): void {
    using _change = this.policyEpoch.change();
    this.get("cts_policy_maps").delete(u32(endpointId));
  }

  addIpcache(prefix: string, identity: number, tunnelEndpoint?: string): void {
    const tunnel = tunnelEndpoint === undefined ? {} : { tunnelEndpoint: IpAddress.parse(tunnelEndpoint) };
    const entry = encodeIpcacheEntry({ prefix: IpPrefix.parse(prefix), identity, ...tunnel });
    this.get("cilium_ipcache_v2").update(entry.key, entry.value);
  }

  /** A Service at {@link vip}:80 with these backends (`ip:port`), ids from 1; slots in the agent's order. */
  addService(
    backends: readonly string[],
    options: {
      readonly protocol?: number;
      readonly serviceId?: number;
      readonly vip?: string;
      readonly port?: number;
      readonly flags?: number;
      readonly sourceRanges?: readonly string[];
      readonly firstBackendId?: number;
      readonly ownsAddress?: boolean;
    } = {},
  ): void {
    const { protocol = 6, firstBackendId = 1, ownsAddress = true } = options;
    const address = IpAddress.parse(options.vip ?? vip);
    const maps = `cilium_lb${address.family}`;
    const ends = backends.map((text, index) => {
      const [, ip, port] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(text)!;
      const end = { address: IpAddress.parse(ip!), port: Number(port), protocol, state: "active" } as const;
      return { ...end, backendId: firstBackendId + index };
    });
    const idOf = new Map(ends.map(({ address, port, backendId }) => [addressPort(address, port), backendId]));
    const frontend: LoadBalancerFrontend = {
      address,
      port: options.port ?? 80,
      protocol,
      scope: 0,
      serviceId: options.serviceId ?? 5,
      flags: options.flags ?? 0,
      affinityTimeoutSeconds: 0,
      algorithm: "default",
      hasMaglevTable: false,
      sourceRanges: (options.sourceRanges ?? []).map((range) => IpPrefix.parse(range)),
      ownsAddress,
      backendIds: chooseSlots(ends).backends.map((end) => idOf.get(addressPort(end.address, end.port))!),
      activeCount: backends.length,
      affineCount: 0,
    };
    for (const entry of ends.map(encodeBackend)) this.get(`${maps}_backends_v3`).update(entry.key, entry.value);
    const { master, slots, reverseNat, wildcard, sourceRanges } = encodeFrontend(frontend);
    for (const { key, value } of sourceRanges) this.get(`${maps}_source_range`).update(key, value);
    const frontends = [...slots, master, ...(wildcard === undefined ? [] : [wildcard])];
    for (const entry of frontends) this.get(`${maps}_services_v2`).update(entry.key, entry.value);
    this.get(`${maps}_reverse_nat`).update(reverseNat.key, reverseNat.value);
  }

  removeBackend(backendId: number): void {
    this.get("cilium_lb4_backends_v3").delete(u32(backendId));
  }

  /** @param options.ifindex of the device that the packet came in by; loopback by default */
  run(program: ProgramKey, data: Buffer, options: { readonly mark?: number; readonly ifindex?: number } = {}) {
    const context = Buffer.alloc(192);
    context.writeUInt32LE(options.mark ?? 0, MARK_OFFSET);
    context.writeUInt32LE(options.ifindex ?? 0, IFINDEX_OFFSET);
    const result = this.programs[program].testRun({ data, context });
    return { verdict: result.retval >>> 0, data: result.data, mark: result.context.readUInt32LE(MARK_OFFSET) };
  }

  /** The same before there is an skb. */
  runXdp(data: Buffer, ifindex = LOOPBACK_IFINDEX) {
    const context = Buffer.alloc(xdpMd.bytes);
    context.writeUInt32LE(data.length, xdpMd.dataEnd);
    context.writeUInt32LE(ifindex, xdpMd.ingressIfindex);
    const { retval, data: sent } = this.programs.xdp.testRun({ data, context });
    return { verdict: retval, data: sent };
  }

  metrics(): readonly MetricRow[] {
    return [...readEntries(this.get("cilium_metrics"))].map(({ key, value }) =>
      metricCodecs.row(metricCodecs.key.decode(key), metricCodecs.sumPerCpu(value, 0, value.length)),
    );
  }

  /** What was counted as a drop, `reason file direction`. */
  drops(): readonly string[] {
    return this.metrics()
      .filter((row) => row.isDrop)
      .map((row) => `${row.reason} ${row.file} ${row.direction}`);
  }

  /** Reasons other than "no route": what a packet is sent on to lies in no network of the machine that runs this. */
  otherDrops(): readonly string[] {
    return this.drops().filter((line) => !line.startsWith("169 "));
  }

  connections(): readonly CtRow[] {
    return Object.keys(conntrackMaps).flatMap((name) =>
      [...readEntries(this.get(name))].map(({ key, value }) => this.#ctRow(name, key, value)),
    );
  }

  connection(direction: CtRow["direction"], protocol = 6): CtRow | undefined {
    return this.connections().find((row) => row.direction === direction && row.protocol === protocol);
  }

  /** Entries of the NAT map of IPv4, `OUT 10.244.0.5:4000 > 192.0.2.10:80 = 172.18.0.2:4000`. */
  translations(): readonly string[] {
    return [...readEntries(this.get("cilium_snat_v4_external"))]
      .map(({ key, value }) => {
        const end = (bytes: Buffer, address: number, port: number): string =>
          `${IpAddress.fromBytes(bytes.subarray(address, address + 4))}:${bytes.readUInt16BE(port)}`;
        return `${key[13] === 0 ? "OUT" : "IN"} ${end(key, 4, 10)} > ${end(key, 0, 8)} = ${end(value, 32, 36)}`;
      })
      .sort();
  }

  clearConnections(): void {
    for (const name of Object.keys(conntrackMaps)) {
      deleteKeys(
        this.get(name),
        [...readEntries(this.get(name))].map(({ key }) => Buffer.from(key)),
      );
    }
  }

  #ctRow(name: string, key: Buffer, value: Buffer): CtRow {
    const map = conntrackMaps[name as keyof typeof conntrackMaps];
    return readCtColumns(
      ctCodecs,
      { map, node: undefined, clock: undefined },
      { keys: key, values: value, count: 1 },
    ).row(0);
  }
}

import { join } from "node:path";
import { createMetricCodecs } from "../abi/metrics.js";
import { ownReleases } from "../abi/release.js";
import { countEntries } from "../kernel/entry-count.js";
import { probeKernelFeatures } from "../kernel/features.js";
import type { IpAddress, IpPrefix } from "../lib/ip.js";
import { waitForAll } from "../lib/wait-for-all.js";
import type { AgentConfig } from "../model/agent-config.js";
import type {
  AttachedProgram,
  ConntrackGarbage,
  DatapathFeature,
  DatapathMetric,
  DatapathPort,
  DesiredEndpoints,
  DrainedEvents,
  EventRing,
  IpcacheEntry,
  MapFill,
  NodeDevice,
  PolicyEntry,
  RecordTaker,
  UnacceleratedDevice,
} from "../model/datapath-port.js";
import { nodeEventOptions } from "../model/event-options.js";
import { type MaglevOptions, maglevSeeds } from "../model/maglev.js";
import { tunnelPortOf } from "../model/tunnel-protocol.js";
import { prepareBpfFolder } from "./bpf-folder.js";
import { ClsactHooks } from "./clsact-hooks.js";
import { collectConntrackGarbage } from "./conntrack.js";
import { configuredInnerMaps, configuredMapSizes, encodeDatapathConfig, kernelFacts } from "./datapath-config.js";
import type { DeviceHooks } from "./device-hooks.js";
import { DevicePrograms } from "./device-programs.js";
import { type Devices, ensureDevices } from "./devices.js";
import { EndpointPrograms } from "./endpoint-programs.js";
import {
  decodeIpcacheEntry,
  encodeEndpoint,
  encodeHostAddress,
  encodeIpcacheEntry,
  encodeIpcacheKey,
  encodeNonMasqueraded,
} from "./entries.js";
import { openEventMaps, releaseExpired } from "./event-slots.js";
import { EventReader, eventRing } from "./events.js";
import { LinkSet } from "./link-set.js";
import { MapSet } from "./map-set.js";
import { collectNatGarbage } from "./nat-garbage.js";
import { configuredFeatures } from "./network-config.js";
import { PolicyMaps } from "./policy-maps.js";
import { PreferredHooks } from "./preferred-hooks.js";
import { closePrograms, loadPrograms, type Programs } from "./programs.js";
import { Services } from "./services.js";
import { deleteKeys, readEntries, reconcileTable, writeEntries } from "./table.js";
import { XdpPrograms } from "./xdp-programs.js";

export interface DatapathOptions {
  /** Mount point of the node's bpffs. */
  readonly bpffs: string;
  /** Folder of cgroup2 below which every pod and host process of this node runs. */
  readonly cgroupPath: string;
  /** Folder of the compiled BPF objects. */
  readonly objectsDir: string;
  /** UUID of this installation; that of an existing `cts_owner` wins. */
  readonly installId: string;
  readonly config: AgentConfig;
  readonly node: {
    readonly podRanges: readonly { readonly podCidr: IpPrefix; readonly ciliumHostIp: IpAddress }[];
    readonly internalIps: readonly IpAddress[];
    readonly mtu: number;
    /** MTU of the pods' routes. */
    readonly routeMtu: number;
  };
  /** Takes over foreign pins whose layout is ours. */
  readonly adopt?: boolean;
}

export const SOCKET_HOOKS = [
  ["connect4", "inet4_connect"],
  ["sendmsg4", "udp4_sendmsg"],
  ["recvmsg4", "udp4_recvmsg"],
  ["getpeername4", "inet4_getpeername"],
  ["postBind4", "inet4_post_bind"],
  ["connect6", "inet6_connect"],
  ["sendmsg6", "udp6_sendmsg"],
  ["recvmsg6", "udp6_recvmsg"],
  ["getpeername6", "inet6_getpeername"],
  ["postBind6", "inet6_post_bind"],
] as const;

/** Maps whose entries are worth counting one by one; those of conntrack and NAT come from their garbage collection. */
const COUNTED_MAPS = [
  "cilium_lb4_services_v2",
  "cilium_lb4_backends_v3",
  "cilium_lb4_reverse_nat",
  "cilium_lb6_services_v2",
  "cilium_lb6_backends_v3",
  "cilium_lb6_reverse_nat",
  "cilium_lxc",
  "cilium_ipcache_v2",
  "cilium_metrics",
  ...[4, 6].flatMap((family) => [
    `cilium_ct${family}_global`,
    `cilium_ct_any${family}_global`,
    `cilium_snat_v${family}_external`,
  ]),
];

const metricCodecs = createMetricCodecs(ownReleases);

/** The kernel side of one node: pinned maps, loaded programs and their links. All of it outlives this object. */
export class Datapath implements DatapathPort {
  readonly endpoints: EndpointPrograms;
  readonly services: Services;
  readonly #maps: MapSet;
  readonly #hooks: DeviceHooks;
  readonly #programs: Programs;
  readonly #policies: PolicyMaps;
  readonly #devices: DevicePrograms;
  readonly #events: EventReader;
  readonly #config: AgentConfig;

  private constructor(parts: {
    readonly maps: MapSet;
    readonly hooks: DeviceHooks;
    readonly links: LinkSet;
    readonly programs: Programs;
    readonly policies: PolicyMaps;
    readonly events: EventReader;
    readonly config: AgentConfig;
    readonly maglev: MaglevOptions;
  }) {
    this.#maps = parts.maps;
    this.#hooks = parts.hooks;
    this.#programs = parts.programs;
    this.#policies = parts.policies;
    this.#events = parts.events;
    this.#config = parts.config;
    this.endpoints = new EndpointPrograms(parts);
    const { links, programs, config } = parts;
    const xdp = new XdpPrograms({ links, program: programs.xdp, acceleration: config.lbAcceleration });
    this.#devices = new DevicePrograms({ ...parts, xdp });
    this.services = new Services(parts.maps, parts.maglev);
  }

  /**
   * Takes over what stands and makes the rest: maps, devices, programs, links. Programs of existing endpoints are
   * replaced by {@link EndpointPrograms.attach}, each in one step.
   * @throws KernelError `bpffs-missing`, `foreign-pin`, `foreign-device`, `foreign-link`, or what the kernel refused
   */
  static async open(options: DatapathOptions): Promise<Datapath> {
    const { config } = options;
    const folder = prepareBpfFolder(options.bpffs);
    const maps = MapSet.open({
      folder: folder.maps,
      objectPath: join(options.objectsDir, "maps.bpf.o"),
      installId: options.installId,
      maxEntries: configuredMapSizes(config),
      innerMaps: configuredInnerMaps(config),
      adopt: options.adopt ?? false,
    });
    const { podRanges, mtu } = options.node;
    const ciliumHostIps = podRanges.map(({ ciliumHostIp }) => ciliumHostIp);
    const devices = await ensureDevices(
      { ciliumHostIps, mtu, tunnelProtocol: config.tunnelProtocol, tunnelPort: tunnelPortOf(config) },
      maps.ownership,
    );
    const network = {
      ciliumHostIps,
      internalIps: options.node.internalIps,
      podCidrs: podRanges.map(({ podCidr }) => podCidr),
      routeMtu: options.node.routeMtu,
    };
    const datapathConfig = encodeDatapathConfig(config, devices, network, kernelFacts());
    const programs = loadPrograms({ objectsDir: options.objectsDir, maps, config: datapathConfig });
    const links = new LinkSet({ folder: folder.links, ownership: maps.ownership });
    // The reader first: no event is lost between a program's start and its reader's.
    releaseExpired(openEventMaps((name) => maps.get(name)));
    const events = new EventReader(maps);
    const clsact = new ClsactHooks(maps.ownership);
    const hooks = usesTcx(config) ? new PreferredHooks(links, clsact) : new PreferredHooks(clsact, links);
    await waitForAll([
      attachDevices(hooks, programs, devices),
      attachSocketLb(links, programs, config.socketLb ? options.cgroupPath : undefined),
    ]);
    const policies = new PolicyMaps({ folder: folder.maps, maps, maxEntries: config.policyMapMax });
    await policies.indexPinned();
    const maglev = {
      tableSize: config.lbMaglevTableSize,
      seed: maglevSeeds(config.lbMaglevHashSeed).backends,
    };
    const datapath = new Datapath({ maps, hooks, links, programs, policies, events, config, maglev });
    if (maps.hasReplaced) {
      // The old programs know the old maps only: the sooner they go, the fewer connections are in the wrong place.
      await datapath.endpoints.replacePrograms();
      await datapath.#devices.replacePrograms();
      maps.takeLateEntries();
    }
    return datapath;
  }

  get installId(): string {
    return this.#maps.ownership.installId;
  }

  writeEndpoints(desired: DesiredEndpoints): void {
    const node = nodeEventOptions(this.#config);
    const pods = desired.pods.map((pod) => encodeEndpoint(pod, node));
    const entries = [...pods, ...desired.hostAddresses.map(encodeHostAddress)];
    reconcileTable(this.#maps.get("cilium_lxc"), entries);
  }

  readIpcache(): readonly IpcacheEntry[] {
    return [...readEntries(this.#maps.get("cilium_ipcache_v2"))].map(decodeIpcacheEntry);
  }

  writeIpcache(desired: readonly IpcacheEntry[]): void {
    reconcileTable(this.#maps.get("cilium_ipcache_v2"), desired.map(encodeIpcacheEntry));
  }

  updateIpcache(change: { readonly upserted: readonly IpcacheEntry[]; readonly removed: readonly IpPrefix[] }): void {
    const map = this.#maps.get("cilium_ipcache_v2");
    writeEntries(map, change.upserted.map(encodeIpcacheEntry));
    deleteKeys(map, change.removed.map(encodeIpcacheKey));
  }

  writePolicy(endpointId: number, desired: readonly PolicyEntry[]): Promise<void> {
    return this.#policies.write(endpointId, desired);
  }

  writeDevices(desired: readonly NodeDevice[]): Promise<readonly UnacceleratedDevice[]> {
    return this.#devices.write(desired);
  }

  writeNonMasqueraded(desired: readonly IpPrefix[]): void {
    for (const family of [4, 6] as const) {
      const prefixes = desired.filter(({ address }) => address.family === family);
      reconcileTable(this.#maps.get(`cilium_ipmasq_v${family}`), prefixes.map(encodeNonMasqueraded));
    }
  }

  async collectConntrackGarbage(): Promise<ConntrackGarbage> {
    const garbage = await collectConntrackGarbage(this.#maps);
    await collectNatGarbage(this.#maps);
    return garbage;
  }

  drainEvents(): DrainedEvents {
    return this.#events.drain();
  }

  watchRecords(taker: RecordTaker): Disposable {
    return this.#events.watch(taker);
  }

  get eventRing(): EventRing {
    return eventRing;
  }

  readMetrics(): readonly DatapathMetric[] {
    return [...readEntries(this.#maps.get("cilium_metrics"))].map(({ key, value }) => {
      const row = metricCodecs.row(metricCodecs.key.decode(key), metricCodecs.sumPerCpu(value, 0, value.length));
      const { reason, reasonText, direction, file = "", line = 0, packets, bytes } = row;
      return { reason, reasonText, direction, file, line, packets, bytes };
    });
  }

  readMapFill(): Promise<readonly MapFill[]> {
    return Promise.all(
      COUNTED_MAPS.map(async (name) => {
        const map = this.#maps.get(name);
        const { entries } = await countEntries(map);
        return { name, entries, maxEntries: map.info.maxEntries };
      }),
    );
  }

  async readPrograms(): Promise<readonly AttachedProgram[]> {
    const names = new Map(Object.values(this.#programs).map((program) => [program.id, program.name]));
    return (await this.#hooks.list()).map((link) => ({
      name: names.get(link.programId) ?? `program ${link.programId}`,
      programId: link.programId,
      attachedTo: link.ifindex === 0 ? link.name : `${link.name} (interface ${link.ifindex})`,
    }));
  }

  readFeatures(): readonly DatapathFeature[] {
    const kernel = probeKernelFeatures().map(({ name, available, costWhenMissing }) => ({
      name,
      used: available,
      detail: available ? "in use" : costWhenMissing,
    }));
    return [...kernel, ...configuredFeatures(this.#config)];
  }

  /** Closes descriptors. Pins, links and devices stay: traffic goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#events[Symbol.dispose]();
    closePrograms(this.#programs);
    this.#maps[Symbol.dispose]();
  }
}

/** tcx from 6.6 on, unless the configuration or `CTS_DISABLE_FEATURES` says otherwise. */
function usesTcx(config: AgentConfig): boolean {
  return config.enableTcx && probeKernelFeatures().some((feature) => feature.name === "tcx" && feature.available);
}

async function attachDevices(hooks: DeviceHooks, programs: Programs, devices: Devices): Promise<void> {
  const { hostIfindex, netIfindex, tunnelIfindex } = devices;
  await waitForAll([
    hooks.ensureDevice("host_ingress", programs.toHost, { ifindex: hostIfindex, direction: "ingress" }),
    hooks.ensureDevice("net_ingress", programs.toHost, { ifindex: netIfindex, direction: "ingress" }),
    hooks.ensureDevice("host_egress", programs.fromHost, { ifindex: hostIfindex, direction: "egress" }),
    hooks.ensureDevice("vxlan_ingress", programs.fromOverlay, { ifindex: tunnelIfindex, direction: "ingress" }),
  ]);
}

/** @param cgroupPath undefined switches the socket LB off: its links of an earlier start go */
async function attachSocketLb(links: LinkSet, programs: Programs, cgroupPath: string | undefined): Promise<void> {
  for (const [key, attachType] of SOCKET_HOOKS) {
    if (cgroupPath === undefined) await links.remove(`sock_${key}`);
    else await links.ensureCgroup(`sock_${key}`, programs[key], { cgroupPath, attachType });
  }
}

import type { IpAddress, IpPrefix } from "../lib/ip.js";
import type { EventOptions } from "./event-options.js";
import type { MonitorEvent } from "./monitor-event.js";

/**
 * All that the agent asks of the datapath. `Datapath` satisfies it by shape; the reconcilers are tested against an
 * in-memory implementation. Every `write…` takes the whole desired content, compares it with what the kernel holds and
 * applies the difference only, so that writing the same content twice touches no map. What returns a promise may wait for
 * the kernel, off the event loop; the calls for one endpoint follow each other, those for several may overlap. The rest is
 * one step.
 */
export interface DatapathPort extends AsyncDisposable {
  readonly endpoints: EndpointsPort;
  readonly services: ServicesPort;

  /** `cilium_lxc`: the pods of this node and the addresses of the node itself. */
  writeEndpoints(desired: DesiredEndpoints): void;
  /** What `cilium_ipcache_v2` holds. */
  readIpcache(): readonly IpcacheEntry[];
  /** `cilium_ipcache_v2`. */
  writeIpcache(desired: readonly IpcacheEntry[]): void;
  /** Single prefixes, for the ADD of one pod: no full comparison. */
  updateIpcache(change: { readonly upserted: readonly IpcacheEntry[]; readonly removed: readonly IpPrefix[] }): void;
  /** `cilium_policy_v2_<id>`: makes the map where it is missing. Resolves when the programs find it. */
  writePolicy(endpointId: number, desired: readonly PolicyEntry[]): Promise<void>;

  /** The node's own devices: those named get programs, all others lose them. Resolves to those that took no XDP program. */
  writeDevices(desired: readonly NodeDevice[]): Promise<readonly UnacceleratedDevice[]>;
  /** `cilium_ipmasq_v4` and `_v6`: what pods reach under their own addresses. */
  writeNonMasqueraded(desired: readonly IpPrefix[]): void;

  /** Deletes expired conntrack entries and says what the living ones refer to. May run in a worker thread. */
  collectConntrackGarbage(): ConntrackGarbage | Promise<ConntrackGarbage>;
  /** The records of slot 0 of `cts_events` since the last call. Never wakes and never blocks. */
  drainEvents(): DrainedEvents;
  /** Hands the records of slot 0 to `taker` as they are drained, until disposed. Any number may watch: the ring is read once. */
  watchRecords(taker: RecordTaker): Disposable;
  /** The ring of slot 0. */
  readonly eventRing: EventRing;
  readMetrics(): readonly DatapathMetric[];
  /** Of what was said to run full; in large maps an estimate. */
  readMapFill(): Promise<readonly MapFill[]>;
  /** Programs in place, and where. */
  readPrograms(): Promise<readonly AttachedProgram[]>;
  /** Kernel features and whether this datapath uses them. */
  readFeatures(): readonly DatapathFeature[];
}

export interface EndpointsPort {
  /** Endpoint ids that own anything in the kernel: link pins, a policy map. Read back at start. */
  list(): readonly number[];
  /** Puts the programs on the host side of the pod's veth. Replaces atomically where they are there already. */
  attach(endpoint: { readonly endpointId: number; readonly ifindex: number; readonly ifname: string }): Promise<void>;
  /** Index of the interface that this endpoint's programs are on, as the kernel says; undefined when on none. */
  interfaceOf(endpointId: number): Promise<number | undefined>;
  /** Removes links, pins and the policy map. Absence is not an error. */
  detach(endpointId: number): Promise<void>;
}

export interface DesiredEndpoints {
  readonly pods: readonly EndpointEntry[];
  /** Addresses of the node itself: entries with only the host flag. */
  readonly hostAddresses: readonly IpAddress[];
}

export interface EndpointEntry {
  readonly endpointId: number;
  readonly address: IpAddress;
  /** Host side of the veth. */
  readonly ifindex: number;
  /** Address of the pod's interface, `aa:bb:cc:dd:ee:ff`. */
  readonly mac: string;
  /** Address of the host side of the veth. */
  readonly nodeMac: string;
  readonly identity: number;
  /** Where it differs from the node's settings. */
  readonly eventOptions?: Partial<EventOptions> | undefined;
}

export interface IpcacheEntry {
  readonly prefix: IpPrefix;
  readonly identity: number;
  /** Underlay address of the node behind which the prefix lies; absent = reached without the tunnel. */
  readonly tunnelEndpoint?: IpAddress;
}

/** A device of the node over which it reaches the world or other nodes. */
export interface NodeDevice {
  readonly name: string;
  readonly ifindex: number;
  /** Source of what is masqueraded there; absent = no address of the family. */
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
}

/** A device whose node-port traffic `bpf-lb-acceleration` shall speed up, and that refused. */
export interface UnacceleratedDevice {
  readonly device: string;
  readonly reason: string;
}

/** One key and value of a policy map; the L3/L4 wildcard is identity 0, protocol 0, port 0. */
export interface PolicyEntry {
  readonly direction: "ingress" | "egress";
  /** Peer identity; 0 = any. */
  readonly identity: number;
  /** IP protocol; 0 = any. */
  readonly protocol: number;
  /** Destination port in host order; 0 with `portPrefixLength` 0 = any. */
  readonly port: number;
  /** How many leading bits of the port count, 0…16. */
  readonly portPrefixLength: number;
  readonly verdict: "allow" | "deny";
  /** What names the rules behind the entry in verdict events; 0 or absent = no rule (`policy/rule-table.ts`). */
  readonly cookie?: number;
}

export interface ServicesPort {
  /** What the kernel holds, so that a restarted agent goes on with the same ids. */
  read(): ServiceIds;
  /** Everything: removes what is not named. */
  write(desired: LoadBalancerTables): void;
  /** Some services of many: writes and removes only what is named. Backends first, then slots, then masters. */
  update(change: LoadBalancerChange): void;
  /** Cookies of the sockets that the socket LB sent to a backend. */
  socketsOf(backend: Pick<LoadBalancerBackend, "address" | "port">): ReadonlySet<bigint>;
}

export interface ServiceIds {
  readonly frontends: readonly (FrontendKey & { readonly serviceId: number })[];
  readonly backends: readonly LoadBalancerBackend[];
}

export interface FrontendKey {
  readonly address: IpAddress;
  /** Host order. */
  readonly port: number;
  /** IP protocol: 6, 17, 132. */
  readonly protocol: number;
  /** 0 external, 1 internal. */
  readonly scope: 0 | 1;
}

/** How a frontend behaves, whatever its numbers. */
export interface FrontendTraits {
  /** Upstream's service flags, bits 0–15 (`flags | flags2 << 8`). */
  readonly flags: number;
  /** Seconds; 0 = no affinity. */
  readonly affinityTimeoutSeconds: number;
  /** `default` follows the node's setting. */
  readonly algorithm: "default" | "random" | "maglev";
  /** It has a Maglev table. */
  readonly hasMaglevTable: boolean;
  /** Clients that it takes, or refuses where its flags say so; of its own family. */
  readonly sourceRanges: readonly IpPrefix[];
  /** Its address answers for no other port: what it does not serve is dropped. */
  readonly ownsAddress: boolean;
}

export interface LoadBalancerFrontend extends FrontendKey, FrontendTraits {
  /** 1…65535; the reverse NAT index. */
  readonly serviceId: number;
  /** Backend ids in slot order. */
  readonly backendIds: readonly number[];
  /** How many of them, the first ones, take new connections. */
  readonly activeCount: number;
  /** How many of them, the first ones, keep the clients that they had. */
  readonly affineCount: number;
}

export interface LoadBalancerBackend {
  readonly backendId: number;
  readonly address: IpAddress;
  /** Host order. */
  readonly port: number;
  readonly protocol: number;
  readonly state: "active" | "terminating" | "quarantined" | "maintenance";
}

export interface LoadBalancerTables {
  readonly frontends: readonly LoadBalancerFrontend[];
  readonly backends: readonly LoadBalancerBackend[];
}

export interface LoadBalancerChange {
  readonly upsertedFrontends: readonly LoadBalancerFrontend[];
  readonly removedFrontends: readonly LoadBalancerFrontend[];
  readonly upsertedBackends: readonly LoadBalancerBackend[];
  readonly removedBackends: readonly number[];
}

export interface ConntrackGarbage {
  readonly scanned: number;
  readonly deleted: number;
  /** Backend ids that a living service entry refers to: their map entries must stay. */
  readonly backendIdsInUse: ReadonlySet<number>;
}

export interface DrainedEvents {
  readonly drops: readonly DropEvent[];
  /** Trace records since the last call; there are some while somebody watches them. */
  readonly traces: number;
  /** Records the kernel could not store since the last call. */
  readonly lost: number;
}

/** Neither call may throw or wait. */
export interface RecordTaker {
  /** Numbers of the messages that it takes; absent: all. What nobody takes is not written. It may get others too. */
  readonly types?: ReadonlySet<number> | undefined;
  records(batch: RecordBatch): void;
  lost(losses: readonly RecordLoss[]): void;
}

/** Records that were read together: by the thousand, so none of them is an object before somebody asks for it. */
export interface RecordBatch {
  readonly length: number;
  /** What they lie in, as they lay in the ring, the message type first. Not changed after the call. */
  readonly bytes: Buffer;
  /** Offset and length of each in `bytes`. */
  readonly places: Uint32Array;
  /** Decoded when first asked for. */
  event(index: number): MonitorEvent;
}

/** Records that found the ring full. */
export interface RecordLoss {
  readonly cpu: number;
  readonly count: bigint;
}

export interface EventRing {
  readonly cpus: number;
  readonly pages: number;
  readonly pageBytes: number;
}

/** What a program said of a packet that it dropped. As an agent tells it at `GET /v1/drops`, addresses are texts. */
export interface DropEvent<Address = IpAddress> {
  /** Unix time. */
  readonly timeMs: number;
  readonly reason: number;
  /** Upstream's words: "No mapping for …", "Policy denied". */
  readonly reasonText: string;
  readonly file: string;
  readonly line: number;
  readonly direction: "ingress" | "egress" | "unknown";
  readonly endpointId: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly ifindex: number;
  /** Absent where the packet is not IP or was cut off before the header. */
  readonly packet?: {
    readonly source: Address;
    readonly destination: Address;
    readonly protocol: number;
    readonly sourcePort: number;
    readonly destinationPort: number;
  };
}

export interface DatapathMetric {
  readonly reason: number;
  readonly reasonText: string;
  readonly direction: "ingress" | "egress" | "service" | "unknown";
  readonly file: string;
  readonly line: number;
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface MapFill {
  readonly name: string;
  readonly entries: number;
  readonly maxEntries: number;
}

export interface AttachedProgram {
  readonly name: string;
  readonly programId: number;
  /** `tcx ingress lxc0a1b…`, `cgroup connect4` … */
  readonly attachedTo: string;
}

export interface DatapathFeature {
  readonly name: string;
  readonly used: boolean;
  readonly detail: string;
}

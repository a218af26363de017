import type { IpAddress, IpPrefix } from "../lib/ip.js";
import type { NodeClock } from "./node-clock.js";
import type { UpstreamRelease } from "./upstream-release.js";

/**
 * The rows that readers produce and printers print. A row holds what the kernel (or the agent) said, decoded, plus the
 * names that a name source added; nothing in it depends on how it will be printed. Ports are numbers in host order,
 * times are seconds of CLOCK_MONOTONIC, 64-bit kernel counters are bigint.
 */
export interface NodeRowBase {
  /** Name of the node that the row was read on. */
  readonly node?: string | undefined;
}

/** A row of a map that upstream's tool prints differently from release to release. */
export interface ReleasedRow extends NodeRowBase {
  /** The newest release that the map may be of: upstream's formats take its form. */
  readonly release: UpstreamRelease;
}

/** What an address means to Kubernetes, as far as the name source knew it. */
export interface AddressName {
  readonly kind: "pod" | "service" | "node";
  /** Absent for nodes. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

export const ctMaps = ["tcp4", "any4", "tcp6", "any6"] as const;
/** Which of the four conntrack maps: TCP or everything else, by address family. */
export type CtMap = (typeof ctMaps)[number];

export type CtDirection = "out" | "in" | "service";

export const ctStates = ["new", "established", "closing", "closed"] as const;
/**
 * What the entry says about its connection: `new` until a packet without SYN (TCP) or a reply (others) was seen,
 * `closing` when one side has sent FIN or RST, `closed` when both have.
 */
export type CtState = (typeof ctStates)[number];

/** How the entries of a conntrack map were read: as the newest release has them that the map may be of. */
export interface CtLayout {
  readonly release: UpstreamRelease;
  /** Up to 1.15 replies were counted in the two unions, which later releases use otherwise. */
  readonly hasRxCounters: boolean;
  /** Properties of {@link CtRow} in which the releases in question differ: own formats show them as unknown. */
  readonly unknownFields: readonly string[];
}

/** One conntrack entry (`bpf ct list`). */
export interface CtRow extends NodeRowBase {
  readonly map: CtMap;
  /** At the other end, for entries of a map of connections with one other cluster. */
  readonly clusterId?: number | undefined;
  readonly layout: CtLayout;
  /** Undefined for rows that no node was asked for. */
  readonly clock: NodeClock | undefined;
  /** IP protocol number. */
  readonly protocol: number;
  readonly direction: CtDirection;
  /** ICMP error that belongs to the connection, not the connection itself. */
  readonly isRelated: boolean;
  /** Addresses and ports of the first packet, whatever way round the kernel's key holds them. */
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  readonly sourceName?: AddressName | undefined;
  readonly destinationName?: AddressName | undefined;
  readonly state: CtState;
  /** Time of {@link clock} at which the entry may be collected. */
  readonly expiresAtSeconds: number;
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Reply direction, counted apart up to release 1.15. */
  readonly rxPackets?: bigint | undefined;
  readonly rxBytes?: bigint | undefined;
  /** OR of the TCP flag bytes seen. */
  readonly rxFlagsSeen: number;
  readonly txFlagsSeen: number;
  readonly lastRxReportSeconds: number;
  readonly lastTxReportSeconds: number;
  /** The u16 of flag bits. */
  readonly flags: number;
  /** Names of the set flag bits in bit order, as upstream prints them. */
  readonly flagNames: readonly string[];
  /** Service id for reverse translation, 0 for none. */
  readonly revNatId: number;
  readonly sourceIdentity: number;
  /** Second u64 of the entry: the backend's id in service entries. Absent up to 1.15 where it is a byte counter. */
  readonly backendId?: bigint | undefined;
  /** First u64 of the entry, half of the NAT address in egress entries from 1.19 on. */
  readonly union0: bigint;
  /** Port after masquerading, from 1.19 on. */
  readonly natPort?: number | undefined;
  /** Up to 1.17. */
  readonly interfaceIndex?: number | undefined;
}

/** A frontend's or backend's transport address. */
export interface L4Address {
  readonly address: IpAddress;
  readonly port: number;
  /** IP protocol number, 0 for any. */
  readonly protocol: number;
}

/** One entry of a service map (`bpf lb list`, `--frontends`): the master at slot 0 or one backend slot. */
export interface LbServiceRow extends ReleasedRow, L4Address {
  readonly scope: "external" | "internal";
  readonly slot: number;
  /** The union at offset 0 as it is: backend id in slots, affinity time-out and algorithm (or proxy port) in the master. */
  readonly union0: number;
  readonly backendId: number;
  /** Active backends, in the master. */
  readonly count: number;
  readonly quarantinedCount: number;
  readonly revNatId: number;
  readonly flags: number;
  readonly flags2: number;
  /** `ClusterIP`, `NodePort` … */
  readonly serviceType: string;
  /** Upstream's words for the flags: type first, then the rest in its order. */
  readonly flagTexts: readonly string[];
  readonly affinityTimeoutSeconds: number;
  readonly algorithm: "default" | "random" | "maglev" | "first";
  /** Proxy port of an L7 service's master, else 0. */
  readonly l7ProxyPort: number;
  /** Of a backend slot; absent when the backend map lacks the id. */
  readonly backend?: (L4Address & { readonly clusterId?: number | undefined }) | undefined;
  /** Names are given to rows in place: there are tens of thousands of them. */
  serviceName?: AddressName | undefined;
  backendName?: AddressName | undefined;
}

export type BackendState = "active" | "terminating" | "quarantined" | "maintenance" | "unknown";

/** One entry of a backend map (`bpf lb list --backends`). */
export interface LbBackendRow extends ReleasedRow, L4Address {
  readonly backendId: number;
  readonly state: BackendState;
  readonly clusterId: number | undefined;
  readonly zone: number;
  backendName?: AddressName | undefined;
}

/** One entry of a reverse NAT map (`bpf lb list --revnat`). */
export interface RevNatRow extends ReleasedRow {
  readonly revNatId: number;
  readonly address: IpAddress;
  readonly port: number;
  serviceName?: AddressName | undefined;
}

/** One entry of the socket LB's reverse map: which frontend a socket dialled, by the backend it got. */
export interface SockRevNatRow extends ReleasedRow {
  readonly cookie: bigint;
  readonly backend: IpAddress;
  readonly backendPort: number;
  readonly frontend: IpAddress;
  readonly frontendPort: number;
  readonly revNatId: number;
  readonly backendName?: AddressName | undefined;
  readonly serviceName?: AddressName | undefined;
}

/** One entry of the ipcache (`bpf ipcache list`). */
export interface IpcacheRow extends ReleasedRow {
  readonly prefix: IpPrefix;
  readonly clusterId: number | undefined;
  readonly identity: number;
  readonly encryptKey: number;
  /** Node address of the tunnel's far end, when the entry has one. */
  readonly tunnelEndpoint?: IpAddress | undefined;
  readonly flags: number;
  /** `skiptunnel`, `hastunnel`, `ipv6tunnel`, `remotecluster`. */
  readonly flagNames: readonly string[];
  readonly name?: AddressName | undefined;
  /** Labels of the identity, when the name source knows them. */
  readonly labels?: readonly string[] | undefined;
}

/** One entry of `cilium_lxc` (`bpf endpoint list`). */
export interface LocalEndpointRow extends ReleasedRow {
  readonly address: IpAddress;
  /** Byte 17 of the key, always 0 from today's agents; upstream prints it after the address. */
  readonly key: number;
  /** Always 0 from today's agents. */
  readonly clusterId: number | undefined;
  readonly isHost: boolean;
  readonly endpointId: number;
  readonly identity: number;
  readonly flags: number;
  readonly interfaceIndex: number;
  /** `AA:BB:CC:DD:EE:FF` */
  readonly mac: string;
  readonly nodeMac: string;
  readonly parentInterfaceIndex: number;
  readonly routeInfo: number;
  readonly name?: AddressName | undefined;
}

/** One pod CIDR and the node that tunnels to it (`bpf tunnel list`). */
export interface TunnelRow extends NodeRowBase {
  /** The pod CIDR, or its base address where the map holds no length (up to 1.17). */
  readonly prefix: IpPrefix;
  readonly clusterId: number | undefined;
  readonly tunnelEndpoint: IpAddress;
  readonly encryptKey: number;
  readonly identity?: number | undefined;
  /** Which map said so. */
  readonly origin: "tunnel-map" | "ipcache";
  readonly remoteNode?: string | undefined;
}

/** One entry of `cilium_metrics`, summed over CPUs (`bpf metrics list`). */
export interface MetricRow extends ReleasedRow {
  readonly reason: number;
  readonly reasonText: string;
  readonly isDrop: boolean;
  readonly direction: "unknown" | "ingress" | "egress" | "service";
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Absent up to 1.15. */
  readonly line?: number | undefined;
  readonly file?: string | undefined;
}

/** One pinned map (`bpf map list`). */
export interface MapFillRow extends NodeRowBase {
  /** Pin name; of maps that are pinned outside of the datapath's folder the path below the BPF file system. */
  readonly name: string;
  /** The kernel's, of this node. */
  readonly id: number;
  readonly type: string;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  /** Absent where counting means nothing: program arrays, event buffers. */
  readonly entries?: number | undefined;
  /** The number of entries is an estimate, where one was asked for. */
  readonly isEstimate?: boolean | undefined;
  readonly maxEntries: number;
  readonly flags: number;
  /** The map says itself what its entries are. */
  readonly hasBtf: boolean;
  readonly owner: "ours" | "foreign" | "unknown";
}

/** One Service frontend with its backends (`service list`). */
export interface ServiceRow extends NodeRowBase {
  readonly id: number;
  readonly frontend: L4Address;
  readonly scope: "external" | "internal";
  readonly serviceType: string;
  readonly backends: readonly ServiceBackend[];
  /** Of a pod's host port what upstream calls its Service: `hostport:POD:PORT:UID`. */
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly healthCheckNodePort?: number | undefined;
  readonly externalTrafficPolicy: "Cluster" | "Local";
  readonly internalTrafficPolicy: "Cluster" | "Local";
  readonly affinityTimeoutSeconds: number;
}

export interface ServiceBackend extends L4Address {
  readonly state: BackendState;
  readonly nodeName?: string | undefined;
  readonly podName?: AddressName | undefined;
}

/** In upstream's words: the directions in which policies are asked, `audit-…` where what they deny passes all the same. */
export type PolicyEnforcement =
  | "none"
  | `${"" | "audit-"}${"ingress" | "egress" | "both"}`
  /** The agent that could say it does not answer. */
  | "unknown";

/** One direction of it, as upstream prints it. */
export function enforcementText(enforcement: PolicyEnforcement, direction: "ingress" | "egress"): string {
  if (enforcement === "unknown") return "Unknown";
  if (!enforcement.endsWith(direction) && !enforcement.endsWith("both")) return "Disabled";
  return enforcement.startsWith("audit-") ? "Disabled (Audit)" : "Enabled";
}

/** One endpoint of an agent (`endpoint list`). */
export interface EndpointRow extends NodeRowBase {
  readonly id: number;
  readonly identity: number;
  readonly identityLabels: readonly string[];
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly state: string;
  readonly policyEnforcement: PolicyEnforcement;
  readonly podNamespace?: string | undefined;
  readonly podName?: string | undefined;
  readonly containerId?: string | undefined;
  readonly containerInterface?: string | undefined;
  readonly interfaceName?: string | undefined;
  readonly interfaceIndex?: number | undefined;
  readonly mac?: string | undefined;
  readonly hostMac?: string | undefined;
}

/** One security identity (`identity list`). */
export interface IdentityRow {
  readonly id: number;
  /** `source:key[=value]` */
  readonly labels: readonly string[];
  readonly labelsSha256?: string | undefined;
  readonly endpoints?: number | undefined;
}

/** One node of the cluster as an agent knows it (`node list`). */
export interface NodeRow {
  readonly name: string;
  readonly ipv4?: string | undefined;
  readonly ipv4PodCidr?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly ipv6PodCidr?: string | undefined;
  /** `local`, `custom-resource`, `kubernetes` … */
  readonly source: string;
  readonly secondaryAddresses?: readonly string[] | undefined;
  readonly healthIpv4?: string | undefined;
  readonly healthIpv6?: string | undefined;
}

/** One probed kernel feature (`features`). */
export interface FeatureRow extends NodeRowBase {
  readonly name: string;
  readonly isAvailable: boolean;
  /** How it was probed. */
  readonly probed: string;
  readonly costWhenMissing: string;
  /** First kernel release that has it. */
  readonly since: string;
}

/** One connection and where it went (`which`). */
export interface WhichRow extends NodeRowBase {
  readonly protocol: number;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly sourceName?: AddressName | undefined;
  /** What the client dialled. */
  readonly frontend?: L4Address | undefined;
  readonly frontendName?: AddressName | undefined;
  /** Where the packets go. */
  readonly backend: L4Address;
  readonly backendName?: AddressName | undefined;
  readonly backendNode?: string | undefined;
  /** Process that serves it, when its socket was found. */
  readonly process?: { readonly pid: number; readonly command: string } | undefined;
  readonly isLive: boolean;
  /**
   * What is known of the dialled address: `through-service` a frontend was translated to this backend, `direct` the
   * backend itself was dialled; where its socket is gone, `likely-through-service` when every other socket that got this
   * backend had dialled the same frontend, else `undecided`.
   */
  readonly verdict: "through-service" | "likely-through-service" | "direct" | "undecided";
  /** One line each: which map said what. */
  readonly evidence: readonly string[];
}

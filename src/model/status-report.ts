import type { NodeRowBase } from "./rows.js";

/** One pinned link: a program of ours and what it is attached to. It runs whether or not an agent does. */
export interface LinkRow extends NodeRowBase {
  /** Name of the pin. */
  readonly name: string;
  /** `tcx`, `cgroup` … */
  readonly kind: string;
  readonly programId: number;
  readonly programName: string;
  /** The device or cgroup that it was attached to is gone. */
  readonly isDangling: boolean;
}

/** How a cluster or node is, put together from what the kernels hold and what the agents say. */
export interface StatusReport {
  readonly target: string;
  readonly state: "ok" | "degraded";
  readonly nodes: readonly NodeStatus[];
  /** Allocated identities of the cluster; absent without a source of names. */
  readonly identities?: number | undefined;
  readonly pods?: number | undefined;
  readonly drops: readonly DropCount[];
  /** One sentence each; empty when all is well. */
  readonly problems: readonly string[];
}

export interface NodeStatus {
  readonly name: string;
  readonly address?: string | undefined;
  /** One for each address family of pods. */
  readonly podCidrs: readonly string[];
  readonly agent: AgentStatus;
  /** Absent when the node's maps could not be read. */
  readonly datapath?: DatapathStatus | undefined;
}

export interface AgentStatus {
  /** `unknown`: this process may not ask it. */
  readonly state: "ok" | "starting" | "degraded" | "failed" | "down" | "unknown";
  readonly version?: string | undefined;
  readonly uptimeSeconds?: number | undefined;
  /** Starts on its run directory. */
  readonly starts?: number | undefined;
  readonly addressesUsed?: number | undefined;
  readonly addressesCapacity?: number | undefined;
  /** How packets reach other nodes' pods: `vxlan`, `geneve`, or without a tunnel. */
  readonly routing?: string | undefined;
  /** Whether what leaves the node goes past its stack (`BPF`) or through it. */
  readonly hostRouting?: "BPF" | "Legacy" | undefined;
  /** `bpf-lb-acceleration`. */
  readonly xdpAcceleration?: string | undefined;
  readonly problems: readonly string[];
}

export interface DatapathStatus {
  readonly kernelRelease: string;
  /** Pods that the datapath delivers to. */
  readonly endpoints: number;
  readonly frontends: number;
  readonly backends: number;
  /** Pod prefixes behind a tunnel. */
  readonly tunnels: number;
  readonly connections: number;
  readonly connectionCapacity: number;
  /** Entries of the NAT maps: two a connection. */
  readonly translations: number;
  readonly translationCapacity: number;
  /** Packets lost because no port was free for their connection. */
  readonly translationsRefused: bigint;
  readonly forwardedPackets: bigint;
  readonly droppedPackets: bigint;
  /** Programs in place by kind of hook; empty for a datapath that is not ours. */
  readonly programs: Readonly<Record<string, number>>;
  /** The numbers of connections and translations are estimates: large maps are not counted. */
  readonly areCountsEstimated: boolean;
  /** Maps that are four fifths full, a sentence each. */
  readonly pressedMaps: readonly string[];
  /** Maps that are full: problems. */
  readonly fullMaps: readonly string[];
}

export interface DropCount {
  readonly reason: string;
  readonly packets: bigint;
}

import type { IpAddress, IpFamily } from "../lib/ip.js";
import type { AgentConfig } from "./agent-config.js";
import type { FrontendKey, FrontendTraits } from "./datapath-port.js";
import type { Protocol } from "./kubernetes.js";

export type FrontendType = "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalIPs" | "HostPort";

/** A frontend as it should be, without the numbers that the node gives it. */
export interface ServiceFrontend extends FrontendKey, FrontendTraits, BackendChoice {
  /** The Service that it belongs to, `namespace/name`; of a host port `namespace/pod`. */
  readonly service: string;
  readonly type: FrontendType;
}

/** Backends of a frontend. */
export interface BackendChoice {
  /** In slot order: by state, address and port, the same on every node and after every restart. */
  readonly backends: readonly ServiceBackend[];
  /** How many of them, the first ones, take new connections. */
  readonly activeCount: number;
}

export interface ServiceBackend {
  readonly address: IpAddress;
  /** Host order. */
  readonly port: number;
  /** IP protocol. */
  readonly protocol: number;
  /** `terminating` takes new connections only while nothing else is left. */
  readonly state: "active" | "terminating";
}

/** The node whose maps are filled. */
export interface ServiceNode {
  readonly name: string;
  /** Its label topology.kubernetes.io/zone. */
  readonly zone?: string | undefined;
  /** Those that the node serves. */
  readonly families: readonly IpFamily[];
  /** Where node ports and host ports answer. */
  readonly nodePortAddresses: readonly IpAddress[];
  /** Every address of the node. */
  readonly addresses: readonly IpAddress[];
  readonly config: ServiceSettings;
}

export type ServiceSettings = Pick<
  AgentConfig,
  | "lbAlgorithm"
  | "lbAlgorithmAnnotation"
  | "lbExternalClusterIp"
  | "lbMode"
  | "lbModeAnnotation"
  | "lbSourceRangeAllTypes"
  | "serviceTopology"
>;

/** IP protocols that a Service may have. */
export const servicePortProtocols: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

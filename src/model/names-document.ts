/**
 * Which name each address has, Services apart: what the agent serves at `GET /v1/names`, and what is built from the state
 * where that can be read directly. Plain JSON, addresses as canonical text.
 */
export interface NamesDocument {
  readonly pods: readonly NamedPod[];
  readonly nodes: readonly NamedNode[];
  readonly identities: readonly NamedIdentity[];
}

export interface NamedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
  readonly node?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Empty while the pod has none; pods of the host's network are left out, their address is the node's. */
  readonly addresses: readonly string[];
}

/** A Service: there may be tens of thousands, so who wants some asks for them (`POST /v1/services`). */
export interface NamedService {
  readonly namespace: string;
  readonly name: string;
  readonly frontends: readonly NamedTransportAddress[];
  readonly backends: readonly NamedTransportAddress[];
  /** Where balancers outside ask how many backends a node has. */
  readonly healthCheckNodePort?: number;
}

export interface NamedTransportAddress {
  readonly address: string;
  readonly port: number;
  /** IP protocol number. */
  readonly protocol: number;
  /** The port's name in the Service. */
  readonly portName?: string | undefined;
}

export interface NamedNode {
  readonly name: string;
  /** Internal address first, then the others, the address of `cilium_host` among them. */
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
}

export interface NamedIdentity {
  readonly id: number;
  /** `source:key[=value]` */
  readonly labels: readonly string[];
}

export const emptyNames: NamesDocument = { pods: [], nodes: [], identities: [] };

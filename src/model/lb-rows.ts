import type { IpAddress, IpPrefix } from "../lib/ip.js";
import type { AddressName, L4Address, NodeRowBase, ReleasedRow } from "./rows.js";

/** The service that an id of the load balancer's maps stands for. */
export interface NumberedService {
  /** Service id. */
  readonly revNatId: number;
  /** The id's frontend, as the reverse NAT map has it; absent when that lacks the id. */
  readonly frontend?: { readonly address: IpAddress; readonly port: number } | undefined;
  serviceName?: AddressName | undefined;
}

/**
 * One entry of a source range map (`bpf lb list --source-ranges`): clients that the service's frontend takes, or refuses
 * where its flags say `deny`.
 */
export interface SourceRangeRow extends ReleasedRow, NumberedService {
  readonly prefix: IpPrefix;
}

/** One service's look-up table (`bpf lb maglev list`): the hash of a connection picks the slot, the slot the backend. */
export interface MaglevRow extends NodeRowBase, NumberedService {
  /** Which of the two outer maps holds it. */
  readonly family: 4 | 6;
  /** Backend id of each slot, 0 for none. */
  readonly table: Uint32Array;
  /** Those that have a slot, by id. */
  readonly backends: readonly MaglevBackend[];
}

export interface MaglevBackend {
  readonly backendId: number;
  /** How many slots lead to it. */
  readonly slots: number;
  /** Absent when the backend map lacks the id. */
  readonly backend?: L4Address | undefined;
  backendName?: AddressName | undefined;
}

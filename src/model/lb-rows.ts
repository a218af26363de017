import type { IpAddress, IpPrefix } from "../lib/ip.js";
import type { AddressName, NodeRowBase } from "./rows.js";

/** The service that an id of the load balancer's maps stands for. */
export interface NumberedService {
  /** Service id. */
  readonly revNatId: number;
  /** The id's frontend, as the reverse NAT map has it; absent when that lacks the id. */
  readonly frontend?: { readonly address: IpAddress; readonly port: number } | undefined;
  readonly serviceName?: AddressName | undefined;
}

/**
 * One entry of a source range map (`bpf lb list --source-ranges`): clients that the service's frontend takes, or refuses
 * where its flags say `deny`.
 */
export interface SourceRangeRow extends NodeRowBase, NumberedService {
  readonly prefix: IpPrefix;
}

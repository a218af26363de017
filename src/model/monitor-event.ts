import type { IpAddress } from "../lib/ip.js";
import type { MonitorKind, MonitorRecord } from "./monitor.js";
import type { PacketSummary, TunnelSummary } from "./packet/packet-summary.js";
import type { AddressName, NodeRowBase } from "./rows.js";
import type { UpstreamRelease } from "./upstream-release.js";

/**
 * One row of `monitor`: a record with what can be listed and filtered by, whatever its kind. Fields that the kind does not
 * have are absent.
 */
export interface MonitorEvent extends NodeRowBase {
  readonly kind: MonitorKind;
  /** The whole record, which upstream's forms are made of: only where {@link EventsRequest.hasRecords} asks for it. */
  readonly record?: MonitorRecord | undefined;
  /**
   * Another event that differs from this one in nothing but `cpu`, `receivedAtMs`, the packet's two ports, `lengthBytes`,
   * `flowHash`, and what is found out later (names, rules): what is made of the rest needs to be made once.
   */
  readonly form?: MonitorEvent | undefined;
  /** Newest release that the record may be of: the one whose form upstream's output takes. */
  readonly release: UpstreamRelease;
  /** Absent where the stream does not say. */
  readonly cpu?: number | undefined;
  /** Unix time at which it was read: the datapath's records carry none. */
  readonly receivedAtMs?: number | undefined;

  /** Whose program reported it; 0 for the host's programs. The source of an access log record. */
  readonly endpointId?: number | undefined;
  /** Where the packet was headed to on this node. */
  readonly destinationEndpointId?: number | undefined;
  readonly sourceIdentity?: number | undefined;
  readonly destinationIdentity?: number | undefined;
  readonly sourceName?: AddressName | undefined;
  readonly destinationName?: AddressName | undefined;
  readonly interfaceIndex?: number | undefined;
  readonly interfaceName?: string | undefined;

  /** `forwarded` (trace), `dropped`, or what policy, a proxy or the socket load balancer decided. */
  readonly verdict?: MonitorVerdict | undefined;
  /** Why it was dropped or denied: upstream's code, positive. */
  readonly reason?: number | undefined;
  /** The same in words. */
  readonly reasonText?: string | undefined;
  /** Where in the datapath's source it was dropped; `file` is absent while releases that differ in it remain. */
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  /** `to-endpoint`, `pre-xlate-fwd`, `Ingress` … */
  readonly observationPoint?: string | undefined;
  /** Conntrack's word for the connection, in traces: `new`, `established`, `reply` … */
  readonly state?: string | undefined;
  readonly direction?: "ingress" | "egress" | undefined;
  readonly isEncrypted?: boolean | undefined;
  readonly proxyPort?: number | undefined;
  /** How a policy matched: `L3-L4` … */
  readonly matchType?: string | undefined;
  /** Of the policy entry that decided. */
  readonly cookie?: number | undefined;
  /** The rules behind it, as far as anybody knows them: `NetworkPolicy/shop/web spec.ingress[0]`. */
  readonly rules?: readonly string[] | undefined;

  /** The packet; that inside of the tunnel where there is one. */
  readonly packet?: PacketSummary | undefined;
  readonly outer?: TunnelSummary | undefined;
  /** Address before translation; absent when there was none. */
  readonly originalAddress?: IpAddress | undefined;
  readonly lengthBytes?: number | undefined;
  readonly flowHash?: number | undefined;
  readonly ipTraceId?: bigint | undefined;
  readonly socketCookie?: bigint | undefined;
  readonly cgroupId?: bigint | undefined;
  /** How many records are missing, of an event that tells of lost ones. */
  readonly lostCount?: bigint | undefined;
  /** What there is to say of a debug message, a notification, a request. */
  readonly message?: string | undefined;
}

export type MonitorVerdict = "forwarded" | "dropped" | "allowed" | "denied" | "redirected" | "audited" | "error";

import type { IpAddress } from "../../lib/ip.js";

/** What a captured packet says of its connection, as far as its bytes reach. */
export interface PacketSummary {
  /** `aa:bb:cc:dd:ee:ff`; absent on devices without Ethernet headers. */
  readonly sourceMac?: string | undefined;
  readonly destinationMac?: string | undefined;
  /** 0x0800 IPv4, 0x86dd IPv6, 0x0806 ARP … */
  readonly etherType?: number | undefined;
  /** Of the IP header, of ARP sender and target otherwise. */
  readonly source?: IpAddress | undefined;
  readonly destination?: IpAddress | undefined;
  /** IP protocol number, behind IPv6 extension headers. */
  readonly protocol?: number | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** Names of the flags that are set: `SYN`, `ACK` … */
  readonly tcpFlags?: readonly TcpFlag[] | undefined;
  readonly icmpType?: number | undefined;
  readonly icmpCode?: number | undefined;
  /** A fragment other than the first: it has no ports. */
  readonly isLaterFragment?: boolean | undefined;
}

export const tcpFlags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
/** In the order of their bits, the lowest first. */
export type TcpFlag = (typeof tcpFlags)[number];

/** The outer packet of an overlay. */
export interface TunnelSummary extends PacketSummary {
  readonly tunnel: "vxlan" | "geneve";
  /** Security identity of the sender, as upstream uses the field; absent when the header is cut off. */
  readonly vni?: number | undefined;
}

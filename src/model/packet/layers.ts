import type { IpAddress } from "../../lib/ip.js";

/** One header of a packet. Numbers are in host order. */
export type PacketLayer =
  | EthernetLayer
  | VlanLayer
  | ArpLayer
  | Ipv4Layer
  | Ipv6Layer
  | Ipv6ExtensionLayer
  | TcpLayer
  | UdpLayer
  | SctpLayer
  | Icmpv4Layer
  | Icmpv6Layer
  | IgmpLayer
  | VrrpLayer
  | VxlanLayer
  | GeneveLayer;

export type LayerKind = PacketLayer["kind"];

/** The layer of one kind. */
export type LayerOf<Kind extends LayerKind> = Extract<PacketLayer, { readonly kind: Kind }>;

/** Both views share the captured bytes. */
export interface LayerBytes {
  /** The header, with its options. */
  readonly contents: Uint8Array;
  /** What it says it carries, as far as it was captured. */
  readonly payload: Uint8Array;
}

export interface EthernetLayer extends LayerBytes {
  readonly kind: "ethernet";
  /** `aa:bb:cc:dd:ee:ff` */
  readonly source: string;
  readonly destination: string;
  /** 0 for a frame of 802.3, which has a length there. */
  readonly etherType: number;
  /** Of an 802.3 frame, else 0. */
  readonly length: number;
}

/** 802.1Q and 802.1ad */
export interface VlanLayer extends LayerBytes {
  readonly kind: "vlan";
  readonly priority: number;
  readonly isDropEligible: boolean;
  readonly vlanId: number;
  readonly etherType: number;
}

/** ARP between IPv4 addresses over Ethernet (RFC 826). */
export interface ArpLayer extends LayerBytes {
  readonly kind: "arp";
  /** 1 request, 2 reply. */
  readonly operation: number;
  readonly senderMac: string;
  readonly sender: IpAddress;
  readonly targetMac: string;
  readonly target: IpAddress;
}

export interface Ipv4Layer extends LayerBytes {
  readonly kind: "ipv4";
  readonly version: number;
  /** Header length in words of four bytes. */
  readonly headerWords: number;
  readonly tos: number;
  /** Total length; the captured bytes where the header says 0, as segmentation offload leaves it. */
  readonly length: number;
  readonly id: number;
  /** Bit 0 more fragments, bit 1 do not fragment, bit 2 reserved. */
  readonly flags: number;
  /** In units of eight bytes. */
  readonly fragmentOffset: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly checksum: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly options: readonly Ipv4Option[];
  /** What follows the end of options. */
  readonly padding: Uint8Array;
}

export interface Ipv4Option {
  readonly type: number;
  /** With type and length themselves. */
  readonly length: number;
  readonly data: Uint8Array;
}

export interface Ipv6Layer extends LayerBytes {
  readonly kind: "ipv6";
  readonly version: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly length: number;
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** The hop-by-hop header, which may hold the packet's true length. `payload` begins behind it. */
  readonly hopByHop?: Ipv6HopByHop | undefined;
}

export interface Ipv6HopByHop extends LayerBytes {
  readonly nextHeader: number;
  /** In units of eight bytes, not counting the first. */
  readonly headerLength: number;
  readonly lengthBytes: number;
  readonly options: readonly Ipv6Option[];
}

export interface Ipv6Option {
  readonly type: number;
  /** As the packet has it: without type and length, 0 for a single byte of padding. */
  readonly length: number;
  /** Bytes that it takes. */
  readonly lengthBytes: number;
  readonly data: Uint8Array;
}

/** Routing, fragment, destination options and authentication headers. */
export interface Ipv6ExtensionLayer extends LayerBytes {
  readonly kind: "ipv6-extension";
  /** Protocol number of this header: 43, 44, 51, 60 … */
  readonly header: number;
  readonly nextHeader: number;
  /** Of a fragment header, in units of eight bytes; 0 otherwise. */
  readonly fragmentOffset: number;
}

export interface TcpLayer extends LayerBytes {
  readonly kind: "tcp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** Header length in words of four bytes. */
  readonly headerWords: number;
  /** The flag byte, FIN lowest. */
  readonly flags: number;
  /** ECN nonce. */
  readonly hasNonce: boolean;
  readonly window: number;
  readonly checksum: number;
  readonly urgent: number;
  readonly options: readonly TcpOption[];
  /** What follows the end of options. */
  readonly padding: Uint8Array;
}

export interface TcpOption {
  readonly kind: number;
  /** With kind and length themselves. */
  readonly length: number;
  readonly data: Uint8Array;
}

export interface UdpLayer extends LayerBytes {
  readonly kind: "udp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly length: number;
  readonly checksum: number;
}

export interface SctpLayer extends LayerBytes {
  readonly kind: "sctp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
  readonly checksum: number;
}

export interface Icmpv4Layer extends LayerBytes {
  readonly kind: "icmpv4";
  readonly type: number;
  readonly code: number;
  readonly checksum: number;
  /** The four bytes behind the checksum as echo requests use them. */
  readonly id: number;
  readonly sequence: number;
}

export interface Icmpv6Layer extends LayerBytes {
  readonly kind: "icmpv6";
  readonly type: number;
  readonly code: number;
  readonly checksum: number;
}

export interface IgmpLayer extends LayerBytes {
  readonly kind: "igmp";
  readonly type: number;
  /** Tenths of a second below 128, a floating point number from there on (RFC 3376, 4.1.1). */
  readonly maxResponseCode: number;
  readonly checksum: number;
  readonly group: IpAddress;
}

/** VRRP version 2 (RFC 3768). */
export interface VrrpLayer extends LayerBytes {
  readonly kind: "vrrp";
  readonly version: number;
  readonly type: number;
  readonly virtualRouterId: number;
  readonly priority: number;
  readonly authType: number;
  readonly advertisementSeconds: number;
  readonly checksum: number;
  readonly addresses: readonly IpAddress[];
}

/** RFC 7348, with the group policy extension. */
export interface VxlanLayer extends LayerBytes {
  readonly kind: "vxlan";
  readonly hasVni: boolean;
  readonly vni: number;
  readonly hasGroupPolicy: boolean;
  readonly isDontLearn: boolean;
  readonly isPolicyApplied: boolean;
  readonly groupPolicyId: number;
}

/** RFC 8926 */
export interface GeneveLayer extends LayerBytes {
  readonly kind: "geneve";
  readonly version: number;
  readonly optionsLengthBytes: number;
  readonly isControl: boolean;
  readonly hasCriticalOptions: boolean;
  /** EtherType of what it carries. */
  readonly protocol: number;
  readonly vni: number;
  readonly options: readonly GeneveOption[];
}

export interface GeneveOption {
  readonly class: number;
  readonly type: number;
  readonly flags: number;
  /** With the option's own four bytes. */
  readonly lengthBytes: number;
  readonly data: Uint8Array;
}

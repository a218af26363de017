import { isReleaseSince } from "../model/upstream-release.js";
import type { Release } from "./release.js";

/** What the datapath says to itself in a packet's mark (`skb->mark`). */
export interface PacketMark {
  /** Upstream's name of the magic number in bits 8 to 11, e.g. `identity`; `none` where there is none. */
  readonly kind: MarkKind;
  /** Of the sender: 16 bits in the upper half, 8 more in the lowest byte. */
  readonly identity?: number;
  /** `proxy-egress-endpoint` */
  readonly endpointId?: number;
  /** `to-proxy`: the proxy's port in host order, when the mark is not a cluster's. */
  readonly proxyPort?: number;
  /** `to-proxy`: the cluster, when the mark is not a proxy's. */
  readonly clusterId?: number;
  /** `encrypt` and IPsec's `decrypt`: the other node. */
  readonly nodeId?: number;
  /** `encrypt`: IPsec's key. */
  readonly keyId?: number;
}

export type MarkKind =
  | "none"
  | "to-proxy"
  | "snat-done"
  | "overlay"
  | "overlay-encrypted"
  | "egress-gateway-done"
  | "proxy-to-world"
  | "skip-tproxy"
  | "proxy-egress-endpoint"
  | "proxy-ingress"
  | "proxy-egress"
  | "host"
  | "decrypt"
  | "decrypted-overlay"
  | "encrypt"
  | "wireguard-encrypted"
  | "identity"
  | "unknown";

interface Magic {
  readonly kind: MarkKind;
  readonly since?: Release;
  /** Last release that has it. */
  readonly until?: Release;
  /** What the rest of the mark holds. */
  readonly fields?: (mark: number) => Omit<PacketMark, "kind">;
}

const withIdentity = (mark: number): Omit<PacketMark, "kind"> => ({
  identity: (((mark & 0xff) << 16) | (mark >>> 16)) >>> 0,
});
const upper = (mark: number): number => mark >>> 16;

/** Magic numbers of four bits, and those of five that came and went. */
const magics: readonly (readonly [magic: number, meaning: Magic])[] = [
  [
    0x0200,
    {
      kind: "to-proxy",
      fields: (mark) =>
        upper(mark) === 0 ? { clusterId: mark & 0xff } : { proxyPort: ((mark >>> 16) & 0xff) * 256 + (mark >>> 24) },
    },
  ],
  [0x0300, { kind: "snat-done" }],
  [0x0400, { kind: "overlay", fields: withIdentity }],
  [0x1400, { kind: "overlay-encrypted", since: "1.17", until: "1.18", fields: withIdentity }],
  [0x0500, { kind: "egress-gateway-done", since: "1.16", fields: withIdentity }],
  [0x0800, { kind: "proxy-to-world", until: "1.18" }],
  [0x0800, { kind: "skip-tproxy", since: "1.19" }],
  [0x0900, { kind: "proxy-egress-endpoint", fields: (mark) => ({ endpointId: upper(mark) }) }],
  [0x0a00, { kind: "proxy-ingress", fields: withIdentity }],
  [0x0b00, { kind: "proxy-egress", fields: withIdentity }],
  [0x0c00, { kind: "host" }],
  [0x0d00, { kind: "decrypt", fields: (mark) => ({ nodeId: upper(mark) }) }],
  [0x1d00, { kind: "decrypted-overlay", since: "1.16", until: "1.16", fields: withIdentity }],
  [0x0e00, { kind: "encrypt", fields: (mark) => ({ nodeId: upper(mark), keyId: (mark >>> 12) & 0xf }) }],
  [0x1e00, { kind: "wireguard-encrypted", until: "1.18" }],
  [0x0f00, { kind: "identity", fields: withIdentity }],
];

/** Reads a mark as the datapath of `release` writes it. The bits of kube-proxy (0x4000 and 0x8000) are not upstream's. */
export function readMark(mark: number, release: Release): PacketMark {
  const four = mark & 0x0f00;
  if (four === 0) return { kind: "none" };
  const magic = find(mark & 0x1f00, release) ?? find(four, release);
  return magic === undefined ? { kind: "unknown" } : { kind: magic.kind, ...magic.fields?.(mark) };
}

function find(wanted: number, release: Release): Magic | undefined {
  return magics.find(
    ([magic, { since = "1.14", until = "1.20" }]) =>
      magic === wanted && isReleaseSince(release, since) && isReleaseSince(until, release),
  )?.[1];
}

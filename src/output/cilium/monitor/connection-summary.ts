import { joinHostPort } from "../../../lib/ip.js";
import { etherTypeName } from "../../../model/packet/gopacket-names.js";
import type { LayerKind, LayerOf, PacketLayer, TcpLayer } from "../../../model/packet/layers.js";
import type { PacketForm } from "../../../model/packet/summarize.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import { goIp } from "./go-text.js";
import { icmpTypeCode } from "./icmp-names.js";
import { igmpTypeName, vrrpTypeName } from "./layer-text.js";
import { dissectAsUpstream, formInSummary } from "./upstream-dissection.js";

/**
 * The packet in one line, as the monitor of `release` says it: `10.0.0.1:80 -> 10.0.0.2:4711 tcp SYN, ACK`, and in brackets
 * behind it the tunnel's own ends.
 */
export function connectionSummary(data: Uint8Array, form: PacketForm, release: UpstreamRelease): string {
  if (data.length === 0) return "[unknown]";
  const { layers, error, inner } = dissectAsUpstream(data, formInSummary(form, release), release);
  // Before, whatever had been read until then was printed.
  const isRefused = (error ?? inner?.error) !== undefined && isReleaseSince(release, "1.17");
  if (isRefused) return "[error]";
  const [tunnel, ...within] = inner?.layers ?? [];
  if (tunnel === undefined) return connectionText(layers, release);
  const udp = lastOf(layers, "udp");
  const from = joinHostPort(goIp(ipOf(layers)?.source), udp?.sourcePort ?? 0);
  const to = joinHostPort(goIp(ipOf(layers)?.destination), udp?.destinationPort ?? 0);
  return `${connectionText(within, release, true)} [tunnel ${from} -> ${to} ${tunnel.kind}]`;
}

function connectionText(layers: readonly PacketLayer[], release: UpstreamRelease, isInner = false): string {
  const ip = ipOf(layers);
  const [source, destination] = [goIp(ip?.source), goIp(ip?.destination)];
  const ends = `${source} -> ${destination}`;
  const last = layers.filter(isConnection).at(-1);
  switch (last?.kind) {
    case "icmpv4":
    case "icmpv6":
      return `${ends} ${isReleaseSince(release, "1.18") ? "icmp " : ""}${icmpTypeCode(last)}`;
    case "vrrp":
      // Upstream takes these from the outer packet, which has none.
      if (isInner) return `${ends} vrrp  0 0`;
      return `${ends} vrrp ${vrrpTypeName(last.type)} ${last.virtualRouterId} ${last.priority}`;
    case "igmp":
      return `${ends} igmp ${igmpTypeName(last.type)} ${goIp(last.group)}`;
    case "tcp":
    case "udp":
    case "sctp": {
      const from = joinHostPort(source, last.sourcePort);
      const to = joinHostPort(destination, last.destinationPort);
      return `${from} -> ${to} ${last.kind}${last.kind === "tcp" ? ` ${tcpFlags(last)}` : ""}`;
    }
    default:
      return ip === undefined ? ethernetText(lastOf(layers, "ethernet")) : ends;
  }
}

function ethernetText(ethernet: LayerOf<"ethernet"> | undefined): string {
  if (ethernet === undefined) return "[unknown]";
  return `${ethernet.source} -> ${ethernet.destination} ${etherTypeName(ethernet.etherType)}`;
}

const connectionKinds = ["tcp", "udp", "sctp", "icmpv4", "icmpv6", "igmp", "vrrp"] as const;
type ConnectionKind = (typeof connectionKinds)[number];

function isConnection(layer: PacketLayer): layer is LayerOf<ConnectionKind> {
  return (connectionKinds as readonly LayerKind[]).includes(layer.kind);
}

/** Addresses are the innermost header's. */
function ipOf(layers: readonly PacketLayer[]): LayerOf<"ipv4"> | LayerOf<"ipv6"> | undefined {
  return layers.filter((layer) => layer.kind === "ipv4" || layer.kind === "ipv6").at(-1);
}

function lastOf<Kind extends LayerKind>(layers: readonly PacketLayer[], kind: Kind): LayerOf<Kind> | undefined {
  return layers.filter((layer): layer is LayerOf<Kind> => layer.kind === kind).at(-1);
}

/** Only these, in this order. */
const printedFlags: readonly (readonly [bit: number, name: string])[] = [
  [0x02, "SYN"],
  [0x10, "ACK"],
  [0x04, "RST"],
  [0x01, "FIN"],
];

function tcpFlags({ flags }: TcpLayer): string {
  return printedFlags
    .filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(", ");
}

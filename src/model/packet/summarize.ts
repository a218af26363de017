import { dissect } from "./dissect.js";
import type { LayerKind, PacketLayer } from "./layers.js";
import type { PacketSummary, TunnelSummary } from "./packet-summary.js";
import { flagNames, plainSummary } from "./plain-summary.js";

/** How the captured bytes are to be read. */
export interface PacketForm {
  /** No Ethernet header. */
  readonly isL3Device: boolean;
  readonly isIpv6: boolean;
  /** The packet is that of an overlay: another one is inside of it. */
  readonly tunnel?: "vxlan" | "geneve" | undefined;
}

export interface PacketSummaries {
  /** The packet; that inside of the tunnel where there is one. Undefined when not a header could be read. */
  readonly packet?: PacketSummary | undefined;
  readonly outer?: TunnelSummary | undefined;
}

/** The kind of the first header. */
export function firstLayer(form: PacketForm): LayerKind {
  if (!form.isL3Device) return "ethernet";
  return form.isIpv6 ? "ipv6" : "ipv4";
}

/** Addresses, ports and flags of a captured packet, and of the tunnel that it is in. */
export function summarizePacket(data: Uint8Array, form: PacketForm): PacketSummaries {
  const packet = form.isL3Device || form.tunnel !== undefined ? undefined : plainSummary(data);
  return packet === undefined ? summarizeLayers(data, form) : { packet };
}

/** The same by its layers, whatever they are. */
export function summarizeLayers(data: Uint8Array, form: PacketForm): PacketSummaries {
  const { layers } = dissect(data, firstLayer(form));
  if (form.tunnel === undefined) return { packet: summaryOf(layers) };
  const udp = layers.find((layer) => layer.kind === "udp");
  const [header, ...inner] = udp === undefined ? [] : dissect(udp.payload, form.tunnel).layers;
  const vni = header?.kind === "vxlan" || header?.kind === "geneve" ? header.vni : undefined;
  return { packet: summaryOf(inner), outer: { ...summaryOf(layers), tunnel: form.tunnel, vni } };
}

function summaryOf(layers: readonly PacketLayer[]): PacketSummary | undefined {
  return layers.length === 0 ? undefined : Object.assign({}, ...layers.map(partOf));
}

/** What one header says of the connection. Inner headers follow outer ones and say more of it. */
function partOf(layer: PacketLayer): PacketSummary {
  switch (layer.kind) {
    case "ethernet":
      return { sourceMac: layer.source, destinationMac: layer.destination, etherType: layer.etherType };
    case "vlan":
      return { etherType: layer.etherType };
    case "arp":
      return { source: layer.sender, destination: layer.target };
    case "ipv4":
      return {
        source: layer.source,
        destination: layer.destination,
        protocol: layer.protocol,
        ...(layer.fragmentOffset === 0 ? {} : { isLaterFragment: true }),
      };
    case "ipv6":
      return {
        source: layer.source,
        destination: layer.destination,
        protocol: layer.hopByHop?.nextHeader ?? layer.nextHeader,
      };
    case "ipv6-extension":
      return { protocol: layer.nextHeader, ...(layer.fragmentOffset === 0 ? {} : { isLaterFragment: true }) };
    case "tcp":
      return { ...portsOf(layer), tcpFlags: flagNames[layer.flags] };
    case "udp":
    case "sctp":
      return portsOf(layer);
    case "icmpv4":
    case "icmpv6":
      return { icmpType: layer.type, icmpCode: layer.code };
    default:
      return {};
  }
}

function portsOf(layer: { readonly sourcePort: number; readonly destinationPort: number }): PacketSummary {
  return { sourcePort: layer.sourcePort, destinationPort: layer.destinationPort };
}

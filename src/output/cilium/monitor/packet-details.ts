import type { JsonObject } from "../../../lib/json-value.js";
import type { Dissection } from "../../../model/packet/dissect.js";
import type { LayerKind, PacketLayer } from "../../../model/packet/layers.js";
import type { PacketForm } from "../../../model/packet/summarize.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import { definedFields } from "../../list-format.js";
import { goIp, hexDump } from "./go-text.js";
import { type LayerTextContext, layerText } from "./layer-text.js";
import type { PortNames } from "./port-names.js";
import { dissectAsUpstream, formInDetails } from "./upstream-dissection.js";

/** The packet's headers line by line, or its bytes in hex. */
export function packetLines(
  data: Uint8Array,
  form: PacketForm,
  release: UpstreamRelease,
  options: { readonly ports: PortNames; readonly isHex: boolean },
): string {
  if (options.isHex) return hexDump(data);
  if (data.length === 0) return "";
  const context = textContext(release, options.ports);
  const dissection = dissectAsUpstream(data, formInDetails(form, release), release);
  const inner = dissection.inner === undefined ? "" : dissectionLines(dissection.inner, context);
  return dissectionLines(dissection, context) + inner;
}

function textContext(release: UpstreamRelease, ports: PortNames): LayerTextContext {
  return { ports, knowsMultipath: isReleaseSince(release, "1.17") };
}

function dissectionLines({ layers, isTruncated, error }: Dissection, context: LayerTextContext): string {
  const lines = asPrinted(layers).map((layer) => layerText(layer, context));
  if (isTruncated) lines.push("  Packet has been truncated");
  if (error !== undefined) lines.push(`  Failed to decode layer: ${error}`);
  return lines.map((line) => `${line}\n`).join("");
}

/** Upstream keeps one header of each kind, so that it prints the last one for all of its kind. */
function asPrinted(layers: readonly PacketLayer[]): readonly PacketLayer[] {
  const lasts = new Map<LayerKind, PacketLayer>(layers.map((layer) => [layer.kind, layer]));
  return layers.map((layer) => lasts.get(layer.kind) ?? layer);
}

/** `summary` of the JSON form; undefined when the packet cannot be read. */
export function packetJson(
  data: Uint8Array,
  form: PacketForm,
  release: UpstreamRelease,
  ports: PortNames,
): JsonObject | undefined {
  if (data.length === 0) return undefined;
  const { layers, error, inner } = dissectAsUpstream(data, formInDetails(form, release), release);
  if (error !== undefined && isReleaseSince(release, "1.17")) return undefined;
  const context = textContext(release, ports);
  const outer = headerFields(layers, context);
  const [tunnel, ...within] = inner?.error === undefined ? (inner?.layers ?? []) : [];
  if (tunnel === undefined) return definedFields({ ...outer.texts, ...outer.flows });
  const packet = headerFields(within, context);
  const { ethernet, ipv4, ipv6, udp } = outer.texts;
  const header = { [tunnel.kind]: layerText(tunnel, context) };
  return definedFields({
    ...packet.texts,
    ...packet.flows,
    tunnel: definedFields({ ethernet, ipv4, ipv6, udp, ...header, ...outer.flows }),
  });
}

/** In upstream's order. */
const textOrder = [
  "ethernet",
  "ipv4",
  "ipv6",
  "tcp",
  "udp",
  "sctp",
  "icmpv4",
  "icmpv6",
  "vrrp",
  "igmp",
] as const satisfies readonly LayerKind[];

type Texts = { readonly [Kind in (typeof textOrder)[number]]?: string };
type Flow = { readonly src: string; readonly dst: string };

interface HeaderFields {
  readonly texts: Texts;
  readonly flows: { readonly l2?: Flow; readonly l3?: Flow; readonly l4?: Flow };
}

function headerFields(layers: readonly PacketLayer[], context: LayerTextContext): HeaderFields {
  const byKind = new Map<LayerKind, PacketLayer>(layers.map((layer) => [layer.kind, layer]));
  const texts = textOrder.flatMap((kind) => {
    const layer = byKind.get(kind);
    return layer === undefined ? [] : [[kind, layerText(layer, context)] as const];
  });
  const { l2, l3, l4 }: HeaderFields["flows"] = Object.assign({}, ...layers.map(flowOf));
  return { texts: Object.fromEntries(texts), flows: definedFields({ l2, l3, l4 }) };
}

function flowOf(layer: PacketLayer): HeaderFields["flows"] {
  switch (layer.kind) {
    case "ethernet":
      return { l2: { src: layer.source, dst: layer.destination } };
    case "ipv4":
    case "ipv6":
      return { l3: { src: goIp(layer.source), dst: goIp(layer.destination) } };
    case "tcp":
    case "udp":
    case "sctp":
      return { l4: { src: String(layer.sourcePort), dst: String(layer.destinationPort) } };
    default:
      return {};
  }
}

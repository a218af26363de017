import { type Dissection, dissect } from "../../../model/packet/dissect.js";
import type { LayerKind } from "../../../model/packet/layers.js";
import { firstLayer, type PacketForm } from "../../../model/packet/summarize.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import { unreadHeader } from "./unread-header.js";

/** A packet as the monitor of a release reads it, and what it reads inside of a tunnel. */
export interface UpstreamDissection extends Dissection {
  /** Present when the packet is that of an overlay; then its first layer is the tunnel's, if that could be read. */
  readonly inner?: Dissection | undefined;
}

const always: readonly LayerKind[] = ["ethernet", "ipv4", "ipv6", "icmpv4", "icmpv6", "tcp", "udp", "sctp"];

/** Without a tunnel, and with an Ethernet header. */
const plainForm: PacketForm = { isL3Device: false, isIpv6: false };

/** Reads `data` (not empty) as the monitor of `release` does. */
export function dissectAsUpstream(data: Uint8Array, form: PacketForm, release: UpstreamRelease): UpstreamDissection {
  const known = new Set<LayerKind>(isReleaseSince(release, "1.19") ? [...always, "igmp", "vrrp"] : always);
  const outer = withUnsupported(dissect(data, firstLayer(form), { known, skipsFirstFragments: true }), release);
  if (form.tunnel === undefined) return outer;
  const udp = outer.layers.find((layer) => layer.kind === "udp");
  const options = {
    known: new Set<LayerKind>([...known, "vxlan", "geneve"]),
    skipsFirstFragments: true,
    followsTunnelPorts: true,
  };
  return { ...outer, inner: dissect(udp?.payload ?? new Uint8Array(0), form.tunnel, options) };
}

/** What the release's monitor makes of the marks for devices without Ethernet and for tunnels. */
export function formInSummary(form: PacketForm, release: UpstreamRelease): PacketForm {
  if (isReleaseSince(release, "1.18")) return form;
  return isReleaseSince(release, "1.17") ? { isL3Device: form.isL3Device, isIpv6: form.isIpv6 } : plainForm;
}

/** The same where headers are printed, which came later. */
export function formInDetails(form: PacketForm, release: UpstreamRelease): PacketForm {
  return isReleaseSince(release, "1.18") ? form : plainForm;
}

/** Up to 1.16 a header that the monitor cannot read was an error like any other. */
function withUnsupported(dissection: Dissection, release: UpstreamRelease): Dissection {
  const last = dissection.layers.at(-1);
  if (isReleaseSince(release, "1.17") || dissection.error !== undefined || last === undefined) return dissection;
  const next = last.payload.length === 0 ? undefined : unreadHeader(last);
  return next === undefined ? dissection : { ...dissection, error: `No decoder for layer type ${next}` };
}

import {
  type CaptureRecord,
  type DropRecord,
  type PolicyVerdictRecord,
  packetFlag,
  type RecorderRecord,
  type TraceRecord,
} from "./monitor.js";
import type { PacketForm } from "./packet/summarize.js";

/** Records that carry a packet. */
export type PacketRecord = DropRecord | TraceRecord | PolicyVerdictRecord | CaptureRecord | RecorderRecord;

/** What the record says of its packet: whether there is an Ethernet header, and a tunnel. */
export function packetFormOf(record: PacketRecord): PacketForm {
  switch (record.kind) {
    case "drop":
    case "trace":
      return formOfFlags(record.flags);
    case "policy-verdict":
      return { isL3Device: record.isL3Device, isIpv6: record.isIpv6 };
    default:
      return { isL3Device: false, isIpv6: false };
  }
}

function formOfFlags(flags: number): PacketForm {
  const isVxlan = (flags & packetFlag.vxlan) !== 0;
  const isGeneve = (flags & packetFlag.geneve) !== 0;
  return {
    isL3Device: (flags & packetFlag.l3Device) !== 0,
    isIpv6: (flags & packetFlag.ipv6) !== 0,
    ...(isVxlan ? { tunnel: "vxlan" } : isGeneve ? { tunnel: "geneve" } : {}),
  };
}

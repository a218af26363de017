import type { EventOptions } from "../model/event-options.js";

/** As in bpf/lib/packet.h. */
const bits = { drops: 0x01, traces: 0x02, verdicts: 0x04, everyPacket: 0x08, flags: 0x10 } as const;

/**
 * `EVENT_*` of the programs. At the low levels a connection is told with the first FIN, SYN and RST of each direction, upstream's
 * default; from `medium` on when it begins and when both sides have closed: two records, not six.
 */
export function eventOptionBits({ drops, traces, verdicts, aggregation }: EventOptions): number {
  return (
    (drops ? bits.drops : 0) |
    (traces ? bits.traces : 0) |
    (verdicts ? bits.verdicts : 0) |
    (aggregation === "none" ? bits.everyPacket : 0) |
    (aggregation === "low" || aggregation === "lowest" ? bits.flags : 0)
  );
}

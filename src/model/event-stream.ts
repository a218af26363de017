import type { EventRing } from "./datapath-port.js";
import type { EventFilter } from "./event-filter.js";
import type { MonitorEvent } from "./monitor-event.js";
import type { NodeRowBase } from "./rows.js";

/** A node's events, as long as somebody reads them. */
export interface EventsRequest {
  readonly filter?: EventFilter | undefined;
  /** As `dropReasons` of the filter, in words. */
  readonly dropReasons?: readonly string[] | undefined;
  /** Path of an upstream agent's monitor socket, as the node sees it; nobody else is asked then. */
  readonly monitorSocket?: string | undefined;
  /** Events carry their records; without, those that are alike need not be decoded one by one. */
  readonly hasRecords?: boolean | undefined;
}

/** What a node's event stream carries: events, and what there is to say of the stream itself. */
export type EventRow = MonitorEvent | StreamNotice;

export type StreamNotice = StreamOpened | StreamEnded;

/** Events from now on are in the stream. */
export interface StreamOpened extends NodeRowBase {
  readonly kind: "stream-opened";
  /** Who hands them on. */
  readonly source: string;
  /** The shared memory that they come through. */
  readonly ring: EventRing;
}

/** No more events will come from this node. */
export interface StreamEnded extends NodeRowBase {
  readonly kind: "stream-ended";
  readonly reason: string;
}

export function isStreamNotice(row: EventRow): row is StreamNotice {
  return row.kind === "stream-opened" || row.kind === "stream-ended";
}

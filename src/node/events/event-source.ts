import type { EventRing } from "../../model/datapath-port.js";
import type { LossFrame, RecordFrame } from "../../model/event-frames.js";

/** What comes from a source before it is decoded. */
export type RawEvent = RecordFrame | LossFrame | ForeignPayload;

/** A payload of a kind that protocol 1.2 does not have. */
export interface ForeignPayload {
  readonly kind: "foreign";
  readonly cpu?: number | undefined;
  readonly timeMs: number;
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** Somebody who reads a node's event ring and hands on what is in it. Disposing it closes the connection. */
export interface EventSource extends Disposable {
  /** Who it is, e.g. `the agent on /run/cilium-ts/agent.sock`. */
  readonly description: string;
  /** Whether the records are our own datapath's; else they are of the node's upstream release. */
  readonly isOwn: boolean;
  /** The shared memory behind it, where the source says so. */
  readonly ring?: EventRing | undefined;
  /**
   * Batches as they come. Returns when the other end closes, with why that is known; an abort of the signal that it was
   * opened with rejects. @throws CtsError when what comes makes no sense
   */
  readonly events: AsyncGenerator<readonly RawEvent[], string>;
}

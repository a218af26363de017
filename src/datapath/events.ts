import { availableParallelism } from "node:os";
import { createRecordDecoder } from "../abi/events/record-decoder.js";
import { ownReleases } from "../abi/release.js";
import type { BpfMap } from "../kernel/bpf-map.js";
import { RingBuffer } from "../kernel/ring-buffer.js";
import { KernelError } from "../lib/errors.js";
import { createMonitorEvent } from "../model/create-monitor-event.js";
import type { DrainedEvents, DropEvent, EventRing, RecordTaker } from "../model/datapath-port.js";
import { messageTypes } from "../model/monitor.js";
import type { MonitorEvent } from "../model/monitor-event.js";
import { directionOfDrop } from "./drop-direction.js";
import {
  AGENT_SLOT,
  DRAIN_INTERVAL_MS,
  openAgentRing,
  openEventMaps,
  RING_BYTES,
  SlotLosses,
  setWantedTypes,
} from "./event-slots.js";
import type { MapSet } from "./map-set.js";
import { RecordTakers } from "./record-takers.js";

const PAGE_BYTES = 4096;
/** Drops kept between two calls of {@link EventReader.drain}; more are counted as lost. */
const MAX_PENDING = 4096;

/** What the agent itself reads, whoever watches. */
const ownTypes = [messageTypes.drop];

/** One ring for all CPUs. */
export const eventRing: EventRing = {
  cpus: availableParallelism(),
  pages: RING_BYTES / PAGE_BYTES,
  pageBytes: PAGE_BYTES,
};

const decoder = createRecordDecoder(ownReleases);

/** The agent's slot of the event rings. The ring outlives the agent; what does not fit meanwhile is counted as lost. */
export class EventReader implements Disposable {
  readonly #map: BpfMap;
  readonly #metrics: BpfMap;
  readonly #ring: RingBuffer;
  readonly #losses: SlotLosses;
  readonly #takers: RecordTakers;
  #pending: DropEvent[] = [];
  #dropped = 0;
  #traces = 0;

  constructor(maps: Pick<MapSet, "get">) {
    const { slots, types, lost } = openEventMaps((name) => maps.get(name));
    this.#map = openAgentRing(slots);
    this.#metrics = maps.get("cilium_metrics");
    this.#losses = new SlotLosses(lost, AGENT_SLOT);
    const want = (wanted: ReadonlySet<number> | undefined): void =>
      setWantedTypes(types, AGENT_SLOT, wanted && [...ownTypes, ...wanted]);
    want(new Set());
    this.#takers = new RecordTakers(decodeEvent, want);
    this.#ring = new RingBuffer({
      map: this.#map,
      onRecords: (buffer, records) => this.#take(buffer, records),
      mode: { kind: "timed", intervalMs: DRAIN_INTERVAL_MS },
      holdsLoop: false,
    });
  }

  /** Drops since the last call, how many trace records came beside them, and how many were lost. */
  drain(): DrainedEvents {
    this.#ring.drain();
    const drops = this.#pending;
    const traces = this.#traces;
    const losses = this.#losses.take();
    this.#takers.lost(losses);
    const lost = losses.reduce((sum, { count }) => sum + Number(count), 0) + this.#dropped;
    this.#pending = [];
    this.#dropped = 0;
    this.#traces = 0;
    return { drops, traces, lost };
  }

  /** Hands every record from now on to `taker` too. */
  watch(taker: RecordTaker): Disposable {
    return this.#takers.add(taker);
  }

  [Symbol.dispose](): void {
    this.#ring.close();
    this.#map.close();
  }

  #take(buffer: Buffer, records: Uint32Array): void {
    this.#takers.records(buffer, records);
    for (let i = 0; i < records.length; i += 2) {
      const offset = records[i]!;
      // Traces are many: only counted, never decoded.
      if (buffer[offset] === messageTypes.trace) this.#traces++;
      if (buffer[offset] !== messageTypes.drop) continue;
      const bytes = buffer.subarray(offset, offset + records[i + 1]!);
      if (this.#pending.length < MAX_PENDING) this.#pending.push(decodeDrop(bytes, this.#metrics));
      else this.#dropped++;
    }
  }
}

function decodeEvent(bytes: Uint8Array): MonitorEvent {
  const { record, release } = decoder.decode(bytes);
  return createMonitorEvent(record, { release });
}

function decodeDrop(bytes: Uint8Array, metrics: BpfMap): DropEvent {
  const { record, release } = decoder.decode(bytes);
  if (record.kind !== "drop") throw new KernelError("event-kind", `a drop record decodes as ${record.kind}`);
  const { packet = {} } = createMonitorEvent(record, { release });
  const { source, destination, protocol, sourcePort = 0, destinationPort = 0 } = packet;
  const hasPacket = source !== undefined && destination !== undefined && protocol !== undefined;
  return {
    timeMs: Date.now(),
    reason: record.reason,
    reasonText: record.reasonText,
    file: record.fileName,
    line: record.line,
    direction: directionOfDrop(record, metrics),
    endpointId: record.source,
    sourceIdentity: record.sourceIdentity,
    destinationIdentity: record.destinationIdentity,
    ifindex: record.interfaceIndex,
    ...(hasPacket ? { packet: { source, destination, protocol, sourcePort, destinationPort } } : {}),
  };
}

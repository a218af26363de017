import { availableParallelism } from "node:os";
import { createRecordDecoder, type DecodedRecord, type RecordDecoder } from "../../abi/events/record-decoder.js";
import { newestOf, ownReleases, type Release } from "../../abi/release.js";
import { CtsError } from "../../lib/errors.js";
import { createMonitorEvent } from "../../model/create-monitor-event.js";
import type { EventRing } from "../../model/datapath-port.js";
import type { EventRow, EventsRequest } from "../../model/event-stream.js";
import type { MonitorEvent } from "../../model/monitor-event.js";
import type { Completeness, RowStream } from "../../model/readers.js";
import { dropReasonCodes } from "../events/drop-reason-words.js";
import { EventForms } from "../events/event-forms.js";
import { EventMatcher } from "../events/event-matcher.js";
import type { EventSource, RawEvent } from "../events/event-source.js";
import { InterfaceNames } from "../events/interface-names.js";
import { openEventSource } from "../events/open-event-source.js";
import { refuseMissingTypes } from "../events/own-event-types.js";
import type { NodeContext } from "../node-context.js";
import { fieldOf, readUpstreamHealth } from "../upstream-agent.js";

const eventsMap = "cilium_events";

/**
 * Events of the node as they happen, until the signal or until whoever hands them on goes away; it is not asked again. That
 * the stream stands, and why it ended, are rows of their own.
 * @throws UsageError `unknown-drop-reason`; AgentError `event-type-missing`; AgentError, TimeoutError as {@link openEventSource}; KernelError `layout-unknown`
 */
export async function* readEvents(
  context: NodeContext,
  request: EventsRequest,
  signal: AbortSignal,
): RowStream<EventRow> {
  const { place } = context;
  const { dropReasons, monitorSocket } = request;
  const filter = { ...request.filter, ...(dropReasons && { dropReasons: dropReasonCodes(dropReasons) }) };
  const node = place.name;
  const counts = new Counts();
  // Listeners of many nodes on the command's own signal would be told as a leak.
  const ownSignal = AbortSignal.any([signal]);
  using source = await openEventSource({
    place,
    pinDir: context.pinDir,
    filter,
    monitorSocket,
    signal: ownSignal,
  }).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (source === undefined) return counts.end();
  if (source.isOwn) refuseMissingTypes(filter.types);
  const matcher = new EventMatcher(filter);
  const decoding = new EventDecoding({ context, source, matcher, hasRecords: request.hasRecords ?? false });
  const ring = source.ring ?? (await upstreamRing(context, signal));
  yield [{ kind: "stream-opened", node, source: source.description, ring }];
  try {
    const reason = yield* decodeEvents(source, decoding, counts);
    yield [{ kind: "stream-ended", node, reason }];
    return counts.end(`${source.description}: ${reason}`);
  } catch (error) {
    if (signal.aborted) return counts.end();
    if (!(error instanceof CtsError)) throw error;
    yield [{ kind: "stream-ended", node, reason: error.message }];
    return counts.end(`${source.description}: ${error.message}`);
  }
}

async function* decodeEvents(
  source: EventSource,
  decoding: EventDecoding,
  counts: Counts,
): AsyncGenerator<readonly EventRow[], string> {
  while (true) {
    const step = await source.events.next();
    if (step.done === true) return step.value;
    counts.add(step.value);
    const rows = step.value.flatMap((raw) => decoding.event(raw) ?? []);
    if (rows.length > 0) yield rows;
  }
}

/** As the upstream agent says it; one that does not answer maps 64 pages for each CPU. */
async function upstreamRing({ place }: NodeContext, signal: AbortSignal): Promise<EventRing> {
  const monitor = fieldOf(await readUpstreamHealth(place.root, signal), "nodeMonitor");
  const number = (name: string, otherwise: number): number => {
    const value = fieldOf(monitor, name);
    return Number.isSafeInteger(value) ? (value as number) : otherwise;
  };
  return {
    cpus: number("cpus", availableParallelism()),
    pages: number("npages", 64),
    pageBytes: number("pagesize", 4096),
  };
}

interface EventDecodingOptions {
  readonly context: NodeContext;
  readonly source: EventSource;
  readonly matcher: EventMatcher;
  readonly hasRecords: boolean;
}

/** What becomes of one node's raw events. */
class EventDecoding {
  readonly #node: string;
  readonly #matcher: EventMatcher;
  readonly #release: Release;
  readonly #decoder: RecordDecoder;
  readonly #interfaces: InterfaceNames;
  /** Of our own records, whose layout is known. */
  readonly #forms: EventForms | undefined;

  constructor({ context, source, matcher, hasRecords }: EventDecodingOptions) {
    const { name, root } = context.place;
    const releases = source.isOwn ? ownReleases : context.releasesOf(eventsMap);
    this.#node = name;
    this.#matcher = matcher;
    this.#release = newestOf(releases);
    this.#decoder = createRecordDecoder(releases);
    this.#interfaces = new InterfaceNames(root);
    if (source.isOwn && !hasRecords) this.#forms = new EventForms((record) => this.#whole(record));
  }

  /** Undefined for one that nobody wants. */
  event(raw: RawEvent): MonitorEvent | undefined {
    if (raw.kind === "record" && !this.#matcher.admitsType(raw.bytes[0] ?? 0)) return undefined;
    const event = raw.kind === "record" && this.#forms ? this.#forms.event(raw) : this.#whole(raw);
    return this.#matcher.matches(event) ? event : undefined;
  }

  #whole(raw: RawEvent): MonitorEvent {
    const { record, release } = this.#decode(raw);
    return createMonitorEvent(record, {
      release,
      node: this.#node,
      cpu: raw.cpu,
      receivedAtMs: raw.timeMs,
      interfaceName: (index) => this.#interfaces.nameOf(index),
    });
  }

  #decode(raw: RawEvent): DecodedRecord {
    switch (raw.kind) {
      case "record":
        return this.#decoder.decode(raw.bytes);
      case "loss":
        return { record: { kind: "lost", count: raw.count }, release: this.#release };
      case "foreign":
        return { record: { kind: "unknown", type: raw.type, bytes: raw.bytes }, release: this.#release };
    }
  }
}

/** What is said of a stream when it is over. */
class Counts {
  read = 0;
  #lost = 0n;

  add(events: readonly RawEvent[]): void {
    for (const event of events) {
      if (event.kind === "loss") this.#lost += event.count;
      else this.read++;
    }
  }

  /** @param reason why it ended; absent when the reader had enough */
  end(reason?: string): Completeness {
    return {
      ...(reason === undefined ? { state: "complete" } : { state: "partial", reason }),
      rowsRead: this.read,
      restarts: 0,
      mapsRead: 0,
      ...(this.#lost === 0n ? {} : { notes: [`${this.#lost} events were lost`] }),
    };
  }
}

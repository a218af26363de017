import type { CtsError } from "../lib/errors.js";
import type { IpAddress } from "../lib/ip.js";
import type { EventFilter } from "../model/event-filter.js";
import { type EventRow, isStreamNotice, type StreamNotice } from "../model/event-stream.js";
import type { MonitorEvent } from "../model/monitor-event.js";
import type { NameIndex } from "./names/name-index.js";
import { namesFor } from "./names/names-for.js";
import type { Target, TransportEnd } from "./open-target.js";
import { CookieRuleNames } from "./policy/cookie-rules.js";
import { readNodes } from "./read-nodes.js";
import type { RowList } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";
import { notesOnUnknownIds } from "./unknown-ids.js";

export interface MonitorOptions {
  readonly selection: RowSelection;
  /** What is asked of events beside the selection. */
  readonly filter: Pick<EventFilter, "types" | "from" | "to" | "relatedTo">;
  /** Codes, or upstream's texts. */
  readonly dropReasons?: readonly string[] | undefined;
  readonly monitorSocket?: string | undefined;
  /** Names of both ends. Else events have their records, as upstream's formats need them. */
  readonly isNamed: boolean;
  readonly signal: AbortSignal;
  /** Told when a node's stream begins and when it ends. */
  readonly onNotice: (notice: StreamNotice) => void;
  /** Told what to know before waiting. */
  readonly onNote: (note: string) => void;
}

/** Events of the target's nodes as they happen, whichever node is first, until the signal or until no node is left. */
export async function monitorEvents(target: Target, options: MonitorOptions): Promise<RowList<MonitorEvent>> {
  const { selection, isNamed, dropReasons, monitorSocket, signal, onNotice } = options;
  const names = await namesFor(target, selection, options);
  const { identities, ...packets } = resolveSelection(selection, names);
  const filter = { ...options.filter, identities, packets };
  const endpoints = [filter.from, filter.to, filter.relatedTo].flatMap((ids) => ids ?? []);
  for (const note of await notesOnUnknownIds(target, { endpoints, identities: identities ?? [] })) options.onNote(note);
  const request = { filter, dropReasons, monitorSocket, hasRecords: !isNamed };
  const onFailure = (node: string, { message }: CtsError): void =>
    onNotice({ kind: "stream-ended", node, reason: message });
  const list = readNodes(target, "events", request, { signal, concurrency: target.nodes.length, onFailure });
  const events = eventsOf(list, onNotice);
  return { rows: isNamed ? withNames(events, target) : events, status: list.status };
}

async function* eventsOf(
  list: RowList<EventRow>,
  onNotice: (notice: StreamNotice) => void,
): AsyncGenerator<readonly MonitorEvent[]> {
  for await (const batch of list.rows) {
    const events: MonitorEvent[] = [];
    for (const row of batch) {
      if (isStreamNotice(row)) onNotice(row);
      else events.push(row);
    }
    if (events.length > 0) yield events;
  }
}

/** Pods come while the events go on: who is unknown is looked for, but no more often than this. */
const refreshMs = 10_000;

async function* withNames(
  batches: AsyncIterable<readonly MonitorEvent[]>,
  target: Target,
): AsyncGenerator<readonly MonitorEvent[]> {
  let readAtMs = Date.now();
  const cookies = new CookieRuleNames(target);
  for await (const events of batches) {
    const ends = strangeEnds(events, await target.names());
    const isAnyUnknown = ends.some(({ isUnknown }) => isUnknown);
    if (isAnyUnknown && Date.now() - readAtMs > refreshMs) {
      await target.refreshNames();
      readAtMs = Date.now();
    }
    await target.learnServices(ends);
    await cookies.learn(events);
    const names = await target.names();
    yield events.map((event) => named(event, names, cookies));
  }
}

/** Ends of packets at addresses of no pod: a Service may be there, or nobody that is known. Each once. */
function strangeEnds(
  events: readonly MonitorEvent[],
  names: NameIndex,
): readonly (TransportEnd & { isUnknown: boolean })[] {
  const ends = new Map<string, TransportEnd & { isUnknown: boolean }>();
  const note = (address: IpAddress | undefined, port = 0): void => {
    if (address === undefined || names.podOf(address) !== undefined) return;
    ends.set(`${address.text} ${port}`, { address, port, isUnknown: names.ofAddress(address) === undefined });
  };
  for (const { packet } of events) {
    note(packet?.source, packet?.sourcePort);
    note(packet?.destination, packet?.destinationPort);
  }
  return [...ends.values()];
}

/** Answers come from a Service's address, where the packet was translated back. */
function named(event: MonitorEvent, names: NameIndex, cookies: CookieRuleNames): MonitorEvent {
  const { packet } = event;
  if (packet?.source === undefined || packet.destination === undefined) return event;
  const { source, sourcePort = 0, destination, destinationPort = 0, protocol = 0 } = packet;
  const sourceName = names.ofTransportAddress(source, sourcePort, protocol);
  const destinationName = names.ofTransportAddress(destination, destinationPort, protocol);
  return { ...event, sourceName, destinationName, rules: cookies.of(event.cookie) };
}

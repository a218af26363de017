import { CtsError, UsageError } from "../lib/errors.js";
import { type ListStatus, type NodeListStatus, summarizeNodeStatuses } from "../model/list-status.js";
import type { Completeness, ReaderName, ReaderRequest, ReaderRow } from "../model/readers.js";
import type { RowBatch } from "../model/row-batch.js";
import type { SessionNode } from "../session/session.js";
import type { RowList } from "./row-list.js";

/** Which nodes are read; a `Target` is one. */
export interface NodeSource {
  readonly nodes: readonly SessionNode[];
  /** Said in the status of every list, e.g. why names are missing. */
  readonly notes?: readonly string[];
}

/** Sessions that are open at one time, for readings that end by themselves. */
const concurrentNodes = 8;

interface NodeReading<Row> {
  readonly node: SessionNode;
  readonly batches: AsyncGenerator<RowBatch<Row>, Completeness>;
}

type Arrival<Row> =
  | { readonly reading: NodeReading<Row>; readonly result: IteratorResult<RowBatch<Row>, Completeness> }
  | { readonly reading: NodeReading<Row>; readonly error: unknown };

export interface ReadNodesOptions {
  readonly signal: AbortSignal;
  /** Nodes that are read at one time; all of them, for readings that do not end by themselves. */
  readonly concurrency?: number | undefined;
  /** Told at once of what else only the status says, after the last row. */
  readonly onFailure?: ((node: string, error: CtsError) => void) | undefined;
}

/**
 * Reads the same from several nodes at a time and hands rows over as they come, whichever node is first. A node that
 * cannot be read is missing from the status; only when none can be read is the first error thrown.
 */
export function readNodes<Name extends ReaderName>(
  source: NodeSource,
  name: Name,
  request: ReaderRequest<Name>,
  options: ReadNodesOptions,
): RowList<ReaderRow<Name>> {
  const { signal, concurrency = concurrentNodes, onFailure } = options;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const read: ReadNode<ReaderRow<Name>> = (node) => readNode(node, name, request, either);
  const merge = new NodeMerge({ source, concurrency, read, stop, onFailure });
  return { rows: merge.rows(), status: () => merge.status() };
}

async function* readNode<Name extends ReaderName>(
  node: SessionNode,
  name: Name,
  request: ReaderRequest<Name>,
  signal: AbortSignal,
): AsyncGenerator<RowBatch<ReaderRow<Name>>, Completeness> {
  await using session = await node.open({ signal });
  return yield* session.read(name, request, { signal });
}

type ReadNode<Row> = (node: SessionNode) => AsyncGenerator<RowBatch<Row>, Completeness>;

interface MergeOptions<Row> {
  readonly source: NodeSource;
  readonly concurrency: number;
  readonly read: ReadNode<Row>;
  /** Aborted when the receiver has enough: a reading that waits for its node ends then too. */
  readonly stop: AbortController;
  readonly onFailure: ReadNodesOptions["onFailure"];
}

class NodeMerge<Row> {
  readonly #waiting: SessionNode[];
  readonly #read: ReadNode<Row>;
  readonly #stop: AbortController;
  readonly #onFailure: ReadNodesOptions["onFailure"];
  readonly #pending = new Map<SessionNode, Promise<Arrival<Row>>>();
  readonly #open = new Set<NodeReading<Row>>();
  readonly #statuses = new Map<string, NodeListStatus>();
  readonly #order: readonly string[];
  readonly #source: NodeSource;
  readonly #concurrency: number;
  readonly #notes = new Set<string>();
  readonly #emptyMaps: string[] = [];
  readonly #delivered = new Map<string, number>();
  #mapsRead = 0;
  #firstError: unknown;

  constructor({ source, concurrency, read, stop, onFailure }: MergeOptions<Row>) {
    this.#waiting = [...source.nodes];
    this.#order = source.nodes.map((node) => node.name);
    this.#source = source;
    this.#concurrency = concurrency;
    this.#read = read;
    this.#stop = stop;
    this.#onFailure = onFailure;
  }

  async *rows(): AsyncGenerator<RowBatch<Row>> {
    try {
      while (this.#startReadings()) {
        const arrival = await Promise.race(this.#pending.values());
        this.#pending.delete(arrival.reading.node);
        if ("error" in arrival) this.#fail(arrival.reading, arrival.error);
        else if (arrival.result.done === true) this.#finish(arrival.reading, arrival.result.value);
        else {
          const { name } = arrival.reading.node;
          this.#delivered.set(name, (this.#delivered.get(name) ?? 0) + arrival.result.value.length);
          this.#ask(arrival.reading);
          yield arrival.result.value;
        }
      }
      const isAllMissing = [...this.#statuses.values()].every((status) => status.state === "missing");
      if (isAllMissing && this.#firstError !== undefined) throw this.#firstError;
    } finally {
      await this.#stopReadings();
    }
  }

  /** Of the nodes that were not read to their end because the receiver had enough, the status says so. */
  status(): ListStatus {
    const nodes = this.#order.map(
      (name): NodeListStatus =>
        this.#statuses.get(name) ?? {
          name,
          state: "complete",
          reason: "not read to the end: the limit was reached",
          rowsRead: 0,
          restarts: 0,
        },
    );
    // The source may have found out while its rows were being named.
    const notes = [...new Set([...(this.#source.notes ?? []), ...this.#notes])];
    return summarizeNodeStatuses(nodes, { mapsRead: this.#mapsRead, emptyMaps: this.#emptyMaps, notes });
  }

  #startReadings(): boolean {
    while (this.#open.size < this.#concurrency) {
      const node = this.#waiting.shift();
      if (node === undefined) break;
      const reading = { node, batches: this.#read(node) };
      this.#open.add(reading);
      this.#ask(reading);
    }
    return this.#pending.size > 0;
  }

  #ask(reading: NodeReading<Row>): void {
    const arrival = reading.batches.next().then(
      (result): Arrival<Row> => ({ reading, result }),
      (error: unknown): Arrival<Row> => ({ reading, error }),
    );
    this.#pending.set(reading.node, arrival);
  }

  #finish(reading: NodeReading<Row>, end: Completeness): void {
    this.#open.delete(reading);
    this.#mapsRead += end.mapsRead;
    this.#emptyMaps.push(...(end.emptyMaps ?? []));
    for (const note of end.notes ?? []) this.#notes.add(note);
    this.#statuses.set(reading.node.name, {
      name: reading.node.name,
      state: end.state,
      reason: end.reason,
      rowsRead: end.rowsRead,
      restarts: end.restarts,
      longestSliceMs: end.longestSliceMs,
      release: end.release,
    });
  }

  #fail(reading: NodeReading<Row>, error: unknown): void {
    this.#open.delete(reading);
    // Misuse is the same on every node, and a fault of ours must not hide as a missing node.
    if (error instanceof UsageError || !(error instanceof CtsError)) throw error;
    this.#firstError ??= error;
    const { name } = reading.node;
    const rowsRead = this.#delivered.get(name) ?? 0;
    const state = rowsRead > 0 ? "partial" : "missing";
    this.#statuses.set(name, { name, state, reason: error.message, rowsRead, restarts: 0 });
    this.#onFailure?.(name, error);
  }

  async #stopReadings(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([...this.#open].map((reading) => reading.batches.return(undefined as never)));
  }
}

import { decodeMaglevTable, maglevTableKey } from "../../abi/maglev.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import { KernelError } from "../../lib/errors.js";
import type { MaglevBackend, MaglevRow } from "../../model/lb-rows.js";
import type { MaglevRequest, RowStream } from "../../model/readers.js";
import type { RowBatch } from "../../model/row-batch.js";
import type { NodeContext } from "../node-context.js";
import type { ScanEnd } from "../scan/map-scan.js";
import { scanBpfMap } from "../scan/scan-bpf-map.js";
import { openMapById } from "./inner-maps.js";
import { type Family, families, LbLookups, lbCodecs } from "./lb-maps.js";
import { combineEnds, type EntryDecoder, entrySource, readMap } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/**
 * The look-up tables of the services that Maglev balances, one map in a map each, by family and service id. One table
 * is held at a time: they may have half a megabyte.
 * @throws KernelError `map-missing` when neither outer map is pinned, `layout-unknown`
 */
export async function* readMaglev(
  context: NodeContext,
  request: MaglevRequest,
  signal: AbortSignal,
): RowStream<MaglevRow> {
  using lookups = new LbLookups(context);
  const matcher = new RowMatcher(request.filter);
  const isWanted = (row: MaglevRow): boolean => matcher.isEmpty || matcher.matches({ ends: endsOf(row) });
  const ends: ScanEnd[] = [];
  for (const family of families) {
    if (signal.aborted) break;
    const tables = new TableReader(context, family, lookups, signal);
    ends.push(...(yield* readFamily(tables, request.revNatId, isWanted)));
  }
  if (ends.length === 0 && !signal.aborted) throw context.missingMapsError(families.map(outerName));
  return combineEnds(ends);
}

function outerName(family: Family): string {
  return `cilium_lb${family}_maglev`;
}

function endsOf({ frontend, backends }: MaglevRow) {
  return [frontend, ...backends.map(({ backend }) => backend)].filter((end) => end !== undefined);
}

async function* readFamily(
  tables: TableReader,
  revNatId: number | undefined,
  isWanted: (row: MaglevRow) => boolean,
): AsyncGenerator<RowBatch<MaglevRow>, readonly ScanEnd[]> {
  using outer = tables.open();
  if (outer === undefined) return [];
  const { entries, end } = revNatId === undefined ? await tables.entries(outer) : tables.entry(outer, revNatId);
  for (const entry of entries) {
    if (tables.isAborted) return [{ ...end, state: "partial", reason: "interrupted" }];
    const row = tables.row(entry);
    if (row !== undefined && isWanted(row)) yield [row];
  }
  return [end];
}

interface OuterEntry {
  readonly revNatId: number;
  readonly innerId: number;
}

const innerIds: EntryDecoder<number> = {
  decode: (bytes, offset) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true),
};

/** The tables of one family. */
class TableReader {
  readonly #context: NodeContext;
  readonly #family: Family;
  readonly #lookups: LbLookups;
  readonly #signal: AbortSignal;
  readonly #name: string;

  constructor(context: NodeContext, family: Family, lookups: LbLookups, signal: AbortSignal) {
    this.#context = context;
    this.#family = family;
    this.#lookups = lookups;
    this.#signal = signal;
    this.#name = outerName(family);
  }

  get isAborted(): boolean {
    return this.#signal.aborted;
  }

  open(): BpfMap | undefined {
    return this.#context.openMap(this.#name);
  }

  /** All of the outer map, by service id. */
  async entries(outer: BpfMap): Promise<{ readonly entries: readonly OuterEntry[]; readonly end: ScanEnd }> {
    const codecs = { key: lbCodecs(this.#context, this.#name).revNatId, value: innerIds };
    const source = entrySource(this.#name, codecs, (revNatId, innerId): OuterEntry => ({ revNatId, innerId }));
    const entries: OuterEntry[] = [];
    const batches = readMap(scanBpfMap(outer, this.#context, this.#signal), source);
    while (true) {
      const step = await batches.next();
      if (step.done === true) return { entries: entries.sort((a, b) => a.revNatId - b.revNatId), end: step.value };
      for (const entry of step.value) entries.push(entry);
    }
  }

  entry(outer: BpfMap, revNatId: number): { readonly entries: readonly OuterEntry[]; readonly end: ScanEnd } {
    const bytes = outer.lookup(lbCodecs(this.#context, this.#name).revNatId.encode(revNatId));
    const entries = bytes === undefined ? [] : [{ revNatId, innerId: innerIds.decode(bytes, 0, bytes.length) }];
    return { entries, end: { state: "complete", entries: entries.length, restarts: 0, longestSliceMs: 0 } };
  }

  /** Undefined when the table has gone meanwhile. */
  row({ revNatId, innerId }: OuterEntry): MaglevRow | undefined {
    using inner = openMapById(innerId);
    if (inner === undefined) return undefined;
    checkShape(this.#name, inner);
    const bytes = inner.lookup(maglevTableKey);
    if (bytes === undefined) return undefined;
    const table = decodeMaglevTable(bytes);
    return {
      node: this.#context.place.name,
      family: this.#family,
      revNatId,
      frontend: this.#lookups.frontend(this.#family, revNatId),
      table,
      backends: this.#backendsOf(table),
    };
  }

  #backendsOf(table: Uint32Array): readonly MaglevBackend[] {
    const slots = new Map<number, number>();
    for (const id of table) if (id !== 0) slots.set(id, (slots.get(id) ?? 0) + 1);
    return [...slots]
      .sort(([a], [b]) => a - b)
      .map(([backendId, count]) => ({
        backendId,
        slots: count,
        backend: this.#lookups.backend(this.#family, backendId),
      }));
  }
}

/** Maps in maps are not named: that they are tables, only their shape can say. */
function checkShape(outer: string, { info }: BpfMap): void {
  const { type, keySizeBytes, valueSizeBytes } = info;
  if (type === "array" && keySizeBytes === maglevTableKey.length && valueSizeBytes % 4 === 0) return;
  throw new KernelError(
    "layout-unknown",
    `a map in ${outer} is of type ${type} with keys and values of ${keySizeBytes} and ${valueSizeBytes} bytes: no Maglev table`,
    { details: { outer, type, keySizeBytes, valueSizeBytes } },
  );
}

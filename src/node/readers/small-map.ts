import { createEntryCodecs, type EntryCodecs, type EntryPart, fieldsCodec, sumPerCpu } from "../../abi/entry-codecs.js";
import { newestOf, type Releases } from "../../abi/release.js";
import { rowJoiner } from "../../abi/row-joiner.js";
import { upstreamMap } from "../../abi/upstream-maps.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import { KernelError, UsageError } from "../../lib/errors.js";
import type { RowStream, SmallMapRequest } from "../../model/readers.js";
import type { RowBatch } from "../../model/row-batch.js";
import type { InnerMaps, MapSource, SmallMap, SmallMapRow } from "../../model/small-maps/small-map.js";
import { findSmallMap } from "../../model/small-maps/small-maps.js";
import type { NodeContext } from "../node-context.js";
import type { ScanEnd } from "../scan/map-scan.js";
import { scanBpfMap } from "../scan/scan-bpf-map.js";
import { balanceRow } from "./balanced-rows.js";
import { checkInnerSizes, openInnerMaps } from "./inner-maps.js";
import { LbLookups } from "./lb-maps.js";
import { combineEnds, entrySource, readMap } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/**
 * The entries of a small map, by its declaration.
 * @throws KernelError `map-missing` when none of its maps is pinned, `layout-unknown`
 */
export async function* readSmallMap(
  context: NodeContext,
  request: SmallMapRequest,
  signal: AbortSignal,
): RowStream<SmallMapRow> {
  const map = findSmallMap(request.map);
  if (map === undefined) throw new UsageError("small-map-unknown", `there is no small map "${request.map}"`);
  const sources = pinnedSources(map, context);
  if (sources.length === 0) {
    const names = map.sources.map(({ pin }) => pin);
    throw context.missingMapsError(names, `The agent makes it when ${map.madeWhen}.`);
  }
  using lookups = new LbLookups(context);
  const complete = rowCompleter(map, request, lookups);
  const ends: ScanEnd[] = [];
  for (const source of sources) {
    if (signal.aborted) break;
    ends.push(...(yield* readSource(new SourceReader(context, source, complete, request, signal))));
  }
  return combineEnds(ends);
}

function pinnedSources(map: SmallMap<SmallMapRow>, context: NodeContext): readonly MapSource<SmallMapRow>[] {
  const pinned = new Set(context.pinNames());
  const isReplaced = (by: string | undefined): boolean => by !== undefined && pinned.has(by);
  return map.sources.filter(({ pin, replacedBy }) => pinned.has(pin) && !isReplaced(replacedBy));
}

/** The whole row, or undefined where nobody wants it. */
type CompleteRow = (row: SmallMapRow) => SmallMapRow | undefined;

function rowCompleter(map: SmallMap<SmallMapRow>, { filter }: SmallMapRequest, lookups: LbLookups): CompleteRow {
  const { filters, balancing } = map;
  const matcher = new RowMatcher(filter);
  const isWanted = (row: SmallMapRow): boolean =>
    matcher.isEmpty || filters === undefined || matcher.matches(filters.traits(row));
  return (entry) => {
    const row = balancing === undefined ? entry : balanceRow(lookups, balancing, entry);
    return isWanted(row) ? row : undefined;
  };
}

type Rows = AsyncGenerator<RowBatch<SmallMapRow>, readonly ScanEnd[]>;

async function* readSource(reader: SourceReader): Rows {
  using map = reader.open();
  if (map === undefined) return [];
  return yield* reader.read(map);
}

/** Reads one pinned map, or those that it holds. */
class SourceReader {
  readonly #context: NodeContext;
  readonly #source: MapSource<SmallMapRow>;
  readonly #complete: CompleteRow;
  readonly #request: SmallMapRequest;
  readonly #signal: AbortSignal;
  readonly #releases: Releases;

  constructor(
    context: NodeContext,
    source: MapSource<SmallMapRow>,
    complete: CompleteRow,
    request: SmallMapRequest,
    signal: AbortSignal,
  ) {
    this.#context = context;
    this.#source = source;
    this.#complete = complete;
    this.#request = request;
    this.#signal = signal;
    this.#releases = context.releasesOf(source.pin);
  }

  open(): BpfMap | undefined {
    return this.#context.openMap(this.#source.pin);
  }

  async *read(map: BpfMap): Rows {
    const { inner, pin } = this.#source;
    if (inner !== undefined) return yield* this.#readInnerMaps(map, inner);
    return [yield* this.#readEntries(map, this.#codecsOf(this.#structsOf(pin)), {})];
  }

  async *#readInnerMaps(outer: BpfMap, inner: InnerMaps): Rows {
    const keyStruct = this.#structsOf(this.#source.pin).key;
    const keyCodec = fieldsCodec(keyStruct, inner.outerKey, this.#releases);
    const structs = typeof inner.like === "string" ? this.#structsOf(inner.like) : inner.like;
    const codecs = this.#codecsOf(structs);
    const ends: ScanEnd[] = [];
    for (const { outerKey, map } of openInnerMaps(outer)) {
      ends.push(...(yield* this.#readInnerMap(map, codecs, keyCodec.decode(outerKey))));
      if (this.#signal.aborted) break;
    }
    return ends;
  }

  async *#readInnerMap(opened: BpfMap, codecs: EntryCodecs, outer: EntryPart): Rows {
    using map = opened;
    const wanted = this.#request.outerKeys;
    if (wanted?.includes(String(Object.values(outer)[0])) === false) return [];
    checkInnerSizes(this.#source.pin, map, codecs);
    const end = yield* this.#readEntries(map, codecs, outer);
    if (this.#source.inner?.isEmptyListed === true && end.entries === 0) yield [this.#row(outer)];
    return [end];
  }

  #readEntries(map: BpfMap, codecs: EntryCodecs, outer: EntryPart): AsyncGenerator<RowBatch<SmallMapRow>, ScanEnd> {
    const head = this.#row(outer);
    const isListed = this.#source.isListed ?? (() => true);
    const { pin, isPerCpu } = this.#source;
    const value = isPerCpu === true ? { decode: sumPerCpu.bind(undefined, codecs.value) } : codecs.value;
    // Entries of one map have the same properties, so the first one tells how all are put together.
    let join: ((key: EntryPart, own: EntryPart) => SmallMapRow) | undefined;
    const entries = entrySource<EntryPart, EntryPart, SmallMapRow>(pin, { key: codecs.key, value }, (key, own) => {
      join ??= rowJoiner(head, key, own);
      const row = join(key, own);
      return isListed(row) ? this.#complete(row) : undefined;
    });
    return readMap(scanBpfMap(map, this.#context, this.#signal), entries);
  }

  /** What every row says. */
  #row(outer: EntryPart): SmallMapRow {
    const { name: node, clock } = this.#context.facts;
    return { node, pin: this.#source.pin, release: newestOf(this.#releases), clock, ...outer };
  }

  #codecsOf(structs: { readonly key: string; readonly value: string }): EntryCodecs {
    return createEntryCodecs(structs, this.#source, this.#releases);
  }

  /** The candidates have the map in one size, so what the newest one calls its parts will do. */
  #structsOf(pin: string): { readonly key: string; readonly value: string } {
    const form = upstreamMap(pin, newestOf(this.#releases));
    if (form !== undefined) return form;
    throw new KernelError("layout-unknown", `release ${newestOf(this.#releases)} has no map ${pin}`);
  }
}

import { type CtCodecs, createCtCodecs } from "../../abi/conntrack.js";
import { readCtColumns } from "../../abi/conntrack-columns.js";
import type { CtColumns } from "../../model/conntrack-columns.js";
import type { ConntrackRequest, NodeFacts, RowStream } from "../../model/readers.js";
import type { RowTraits } from "../../model/row-traits.js";
import { type CtMap, type CtRow, ctMaps } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const pinNames: Readonly<Record<CtMap, string>> = {
  tcp4: "cilium_ct4_global",
  any4: "cilium_ct_any4_global",
  tcp6: "cilium_ct6_global",
  any6: "cilium_ct_any6_global",
};

/** Conntrack entries, map after map. Entries of protocol 0 are left out, as upstream's tool does. */
export function readConntrack(context: NodeContext, request: ConntrackRequest, signal: AbortSignal): RowStream<CtRow> {
  const matcher = new RowMatcher(request.filter);
  const wanted = request.maps ?? ctMaps;
  return readMaps(
    context,
    wanted.map((map) => {
      const codecs = createCtCodecs(context.releasesOf(pinNames[map]));
      return conntrackSource(map, codecs, matcher, context.facts);
    }),
    signal,
  );
}

function conntrackSource(map: CtMap, codecs: CtCodecs, matcher: RowMatcher, node: NodeFacts): MapSource<CtRow> {
  const head = { node: node.name, map, nowSeconds: node.monotonicSeconds };
  return {
    name: pinNames[map],
    unknownFields: [
      ...(codecs.entry.unknownFields ?? []),
      ...(codecs.hasRxCounters === undefined ? ["rxPackets", "rxBytes", "backendId"] : []),
    ],
    *batches(slice) {
      const columns = readCtColumns(codecs, head, slice);
      const wanted = wantedEntries(columns, matcher);
      if (wanted.length === columns.length) yield columns;
      else if (wanted.length > 0) yield columns.pick(wanted);
    },
  };
}

function wantedEntries(columns: CtColumns, matcher: RowMatcher): readonly number[] {
  const traits = new EntryTraits(columns);
  const wanted: number[] = [];
  for (let index = 0; index < columns.length; index++) {
    traits.index = index;
    if (traits.protocol !== 0 && (matcher.isEmpty || matcher.matches(traits))) wanted.push(index);
  }
  return wanted;
}

/** One entry after the other, seen by the filter, which asks for nothing but what it speaks of. */
class EntryTraits implements RowTraits {
  index = 0;
  readonly #columns: CtColumns;

  constructor(columns: CtColumns) {
    this.#columns = columns;
  }

  get ends(): RowTraits["ends"] {
    const { values } = this.#columns;
    return [
      { address: this.#columns.source(this.index), port: values.sourcePort[this.index] },
      { address: this.#columns.destination(this.index), port: values.destinationPort[this.index] },
    ];
  }

  get protocol(): number {
    return this.#columns.values.protocol[this.index]!;
  }

  get identity(): number {
    return this.#columns.values.sourceIdentity[this.index]!;
  }

  get state(): string {
    return this.#columns.state(this.index);
  }

  get direction(): string {
    return this.#columns.direction(this.index);
  }
}

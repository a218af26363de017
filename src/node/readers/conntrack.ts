import { AddressReader } from "../../abi/address-reader.js";
import type { Codec } from "../../abi/codec.js";
import { type CtCodecs, type CtTuple, createCtCodecs } from "../../abi/conntrack.js";
import type { ConntrackRequest, NodeFacts, RowStream } from "../../model/readers.js";
import { type CtMap, type CtRow, ctMaps } from "../../model/rows.js";
import type { MapSlice } from "../map-scan.js";
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
  const addresses = new AddressReader();
  const matcher = new RowMatcher(request.filter);
  const wanted = request.maps ?? ctMaps;
  return readMaps(
    context,
    wanted.map((map) => {
      const codecs = createCtCodecs(context.releasesOf(pinNames[map]), addresses);
      return conntrackSource(map, codecs, matcher, context.facts);
    }),
    signal,
  );
}

function conntrackSource(map: CtMap, codecs: CtCodecs, matcher: RowMatcher, node: NodeFacts): MapSource<CtRow> {
  const tuple: Codec<CtTuple> = map.endsWith("6") ? codecs.tuple6 : codecs.tuple4;
  return {
    name: pinNames[map],
    decode: (slice: MapSlice, rows: CtRow[]) => {
      for (let i = 0; i < slice.count; i++) {
        const key = tuple.decode(slice.keys, i * tuple.sizeBytes);
        if (key.protocol === 0) continue;
        const entry = codecs.entry.decode(slice.values, i * codecs.entry.sizeBytes);
        const row = codecs.row(map, key, entry, node.name, node.monotonicSeconds);
        if (matcher.isEmpty || matchesRow(matcher, row)) rows.push(row);
      }
    },
  };
}

function matchesRow(matcher: RowMatcher, row: CtRow): boolean {
  return matcher.matches({
    ends: [
      { address: row.source, port: row.sourcePort },
      { address: row.destination, port: row.destinationPort },
    ],
    protocol: row.protocol,
    identity: row.sourceIdentity,
    state: row.state,
    direction: row.direction,
  });
}

import { createIpcacheCodecs } from "../../abi/ipcache.js";
import { ownRelease, type Release } from "../../abi/release.js";
import { createTunnelCodecs, tunnelRowOfIpcache } from "../../abi/tunnel.js";
import { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { FilteredRequest, IpcacheRequest, RowStream } from "../../model/readers.js";
import type { IpcacheRow, TunnelRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { tunnelMapLayout } from "../release-layouts.js";
import { type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const ipcacheName = "cilium_ipcache_v2";
const tunnelMapName = "cilium_tunnel_map";
/** The last release that has the tunnel map; its layout differs from older ones only in an always-zero field. */
const tunnelMapRelease: Release = "1.17";

export async function* readIpcache(
  context: NodeContext,
  request: IpcacheRequest,
  signal: AbortSignal,
): RowStream<IpcacheRow> {
  if (request.lookup !== undefined) return yield* lookUp(context, IpAddress.parse(request.lookup));
  return yield* readMaps(context, [ipcacheSource(context, new RowMatcher(request.filter))], signal);
}

function ipcacheSource(context: NodeContext, matcher: RowMatcher): MapSource<IpcacheRow> {
  const codecs = createIpcacheCodecs(ownRelease);
  return {
    name: ipcacheName,
    decode: (slice, rows) => {
      for (let i = 0; i < slice.count; i++) {
        const key = codecs.key.decode(slice.keys, i * codecs.key.sizeBytes);
        const value = codecs.value.decode(slice.values, i * codecs.value.sizeBytes);
        const row = codecs.row(key, value, context.place.name);
        const ends = [{ address: row.prefix.address }];
        if (matcher.isEmpty || matcher.matches({ ends, identity: row.identity })) rows.push(row);
      }
    },
  };
}

/**
 * Finds the longest prefix that holds the address. The kernel's own match gives an entry's value but not its prefix, so
 * each length is asked for from the longest down. Whether exactly this key exists, "next key" tells: after a key that
 * is absent it answers the first key of the trie, which comes after no other. linux/kernel/bpf/lpm_trie.c
 */
async function* lookUp(context: NodeContext, address: IpAddress): RowStream<IpcacheRow> {
  using map = context.openMap(ipcacheName);
  if (map === undefined) throw context.missingMapsError([ipcacheName]);
  const codecs = createIpcacheCodecs(ownRelease);
  const first = map.nextKey();
  for (let length = address.bitLength; first !== undefined && length >= 0; length--) {
    const key = { prefix: IpPrefix.of(address, length), clusterId: 0 };
    const bytes = codecs.key.encode(key);
    const isPresent = map.nextKey(bytes)?.equals(first) !== true;
    const value = isPresent ? map.lookup(bytes) : undefined;
    if (value === undefined) continue;
    yield [codecs.row(key, codecs.value.decode(value), context.place.name)];
    return { state: "complete", rowsRead: 1, restarts: 0, mapsRead: 1 };
  }
  return { state: "complete", rowsRead: 0, restarts: 0, mapsRead: 1 };
}

/** Pod prefixes and the nodes behind them: from the tunnel map where the release has one, else from the ipcache. */
export async function* readTunnels(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<TunnelRow> {
  const matcher = new RowMatcher(request.filter);
  using map = context.openMapOfShape(tunnelMapName, tunnelMapLayout);
  if (map !== undefined) {
    const open = () => context.openMapOfShape(tunnelMapName, tunnelMapLayout);
    return yield* readMaps(context, [tunnelMapSource(context, matcher)], signal, open);
  }
  const everything = ipcacheSource(context, matcher);
  const source: MapSource<TunnelRow> = {
    name: ipcacheName,
    decode: (slice, rows) => {
      const entries: IpcacheRow[] = [];
      everything.decode(slice, entries);
      rows.push(...entries.flatMap((entry) => tunnelRowOfIpcache(entry) ?? []));
    },
  };
  return yield* readMaps(context, [source], signal);
}

function tunnelMapSource(context: NodeContext, matcher: RowMatcher): MapSource<TunnelRow> {
  const codecs = createTunnelCodecs(tunnelMapRelease);
  return {
    name: tunnelMapName,
    decode: (slice, rows) => {
      for (let i = 0; i < slice.count; i++) {
        const key = codecs.key.decode(slice.keys, i * codecs.key.sizeBytes);
        const row = codecs.row(key, codecs.value.decode(slice.values, i * codecs.value.sizeBytes), context.place.name);
        if (matcher.isEmpty || matcher.matches({ ends: [{ address: row.prefix.address }] })) rows.push(row);
      }
    },
  };
}

import { createIpcacheCodecs } from "../../abi/ipcache.js";
import { createTunnelCodecs, tunnelRowOfIpcache } from "../../abi/tunnel.js";
import { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { FilteredRequest, IpcacheRequest, RowStream } from "../../model/readers.js";
import type { IpcacheRow, TunnelRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/** Since 1.18, and before. */
const ipcacheNames = ["cilium_ipcache_v2", "cilium_ipcache"] as const;
const tunnelMapName = "cilium_tunnel_map";

export async function* readIpcache(
  context: NodeContext,
  request: IpcacheRequest,
  signal: AbortSignal,
): RowStream<IpcacheRow> {
  if (request.lookup !== undefined) return yield* lookUp(context, IpAddress.parse(request.lookup));
  const matcher = new RowMatcher(request.filter);
  const sources = ipcacheNames.map((name) => ipcacheSource(context, name, matcher));
  return yield* readMaps(context, sources, signal);
}

function ipcacheSource(context: NodeContext, name: string, matcher: RowMatcher): MapSource<IpcacheRow> {
  const codecs = createIpcacheCodecs(context.releasesOf(name));
  return entrySource(name, codecs, (key, value) => {
    const row = codecs.row(key, value, context.place.name);
    const ends = [{ address: row.prefix.address }];
    return matcher.matches({ ends, identity: row.identity }) ? row : undefined;
  });
}

/**
 * Finds the longest prefix that holds the address. The kernel's own match gives an entry's value but not its prefix, so
 * each length is asked for from the longest down. Whether exactly this key exists, "next key" tells: after a key that
 * is absent it answers the first key of the trie, which comes after no other. linux/kernel/bpf/lpm_trie.c
 */
async function* lookUp(context: NodeContext, address: IpAddress): RowStream<IpcacheRow> {
  const name = ipcacheNames.find((candidate) => context.hasMap(candidate)) ?? ipcacheNames[0];
  using map = context.openMap(name);
  if (map === undefined) throw context.missingMapsError(ipcacheNames);
  const codecs = createIpcacheCodecs(context.releasesOf(name));
  // Where the releases in question have the cluster in different places, all of them are zero.
  const clusterId = codecs.key.unknownFields?.includes("clusterId") === true ? undefined : 0;
  const first = map.nextKey();
  for (let length = address.bitLength; first !== undefined && length >= 0; length--) {
    const key = { prefix: IpPrefix.of(address, length), clusterId };
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
  if (context.hasMap(tunnelMapName)) {
    return yield* readMaps(context, [tunnelMapSource(context, matcher)], signal);
  }
  const sources = ipcacheNames.map((name): MapSource<TunnelRow> => {
    const everything = ipcacheSource(context, name, matcher);
    return {
      ...everything,
      *batches(slice) {
        for (const entries of everything.batches(slice)) {
          const rows = [...entries].flatMap((entry) => tunnelRowOfIpcache(entry) ?? []);
          if (rows.length > 0) yield rows;
        }
      },
    };
  });
  return yield* readMaps(context, sources, signal);
}

function tunnelMapSource(context: NodeContext, matcher: RowMatcher): MapSource<TunnelRow> {
  const codecs = createTunnelCodecs(context.releasesOf(tunnelMapName));
  return entrySource(tunnelMapName, codecs, (key, value) => {
    const row = codecs.row(key, value, context.place.name);
    return matcher.matches({ ends: [{ address: row.prefix.address }] }) ? row : undefined;
  });
}

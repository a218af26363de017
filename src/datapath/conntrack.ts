import { setImmediate as nextTurn } from "node:timers/promises";
import { layoutOf } from "../abi/layouts.js";
import { ownRelease } from "../abi/release.js";
import { monotonicNowNs } from "../kernel/net.js";
import type { ConntrackGarbage } from "../model/datapath-port.js";
import type { MapSet } from "./map-set.js";
import { deleteKeys, readEntries } from "./table.js";

const entry = layoutOf("ct_entry", ownRelease).fields;
const LIFETIME = entry.lifetime!.offset;
const BACKEND_ID = entry.backend_id!.offset;
/** Maps, and where the flags stand in their keys. */
const CT_MAPS = ([4, 6] as const).flatMap((family) => {
  const flagsOffset = layoutOf(`ipv${family}_ct_tuple`, ownRelease).fields.flags!.offset;
  return [`cilium_ct${family}_global`, `cilium_ct_any${family}_global`].map((name) => ({ name, flagsOffset }));
});

/** `TUPLE_F_SERVICE` of bpf/lib/conntrack.h. */
const TUPLE_SERVICE = 4;

/** Entries between two turns of the event loop: about a millisecond. */
const SLICE = 4096;

/**
 * Deletes the entries whose lifetime is over. The kernel's LRU only acts when the map is full; until then expired
 * entries would make new connections on old ports look established.
 */
export async function collectConntrackGarbage(
  maps: Pick<MapSet, "get">,
  options: { readonly slice?: number } = {},
): Promise<ConntrackGarbage> {
  const slice = options.slice ?? SLICE;
  let scanned = 0;
  let deleted = 0;
  const backendIdsInUse = new Set<number>();
  for (const { name, flagsOffset } of CT_MAPS) {
    const map = maps.get(name);
    const now = Number(monotonicNowNs() / 1_000_000_000n);
    const expired: Buffer[] = [];
    const isExpired = (key: Buffer, value: Buffer): boolean => {
      if (value.readUInt32LE(LIFETIME) < now) return true;
      if ((key[flagsOffset]! & TUPLE_SERVICE) !== 0) backendIdsInUse.add(Number(value.readBigUInt64LE(BACKEND_ID)));
      return false;
    };
    let seen = 0;
    for (const { key, value } of readEntries(map)) {
      if (isExpired(key, value)) expired.push(Buffer.from(key));
      if (++seen % slice === 0) await nextTurn();
    }
    // A packet may have revived an entry since it was read; then its backend is in use again, too.
    const dead = expired.filter((key) => {
      const value = map.lookup(key);
      return value !== undefined && isExpired(key, value);
    });
    deleteKeys(map, dead);
    scanned += seen;
    deleted += dead.length;
  }
  return { scanned, deleted, backendIdsInUse };
}

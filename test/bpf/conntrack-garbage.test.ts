import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { layoutOf } from "../../src/abi/layouts.js";
import { ownRelease } from "../../src/abi/release.js";
import { collectConntrackGarbage } from "../../src/datapath/conntrack.js";
import { monotonicNowNs } from "../../src/kernel/net.js";
import { DatapathHarness } from "./harness.js";

let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const entry = layoutOf("ct_entry", ownRelease);
/** Half of what the map takes: its LRU evicts nothing. */
const ENTRIES = 2048;

interface TestedMap {
  readonly name: string;
  readonly keyBytes: number;
}

const maps: readonly TestedMap[] = [
  { name: "cilium_ct4_global", keyBytes: 14 },
  { name: "cilium_ct_any4_global", keyBytes: 14 },
  { name: "cilium_ct6_global", keyBytes: 38 },
  { name: "cilium_ct_any6_global", keyBytes: 38 },
];

/** Service entries (`TUPLE_F_SERVICE` is the last byte of the key), one for each backend id. */
function writeServiceEntries({ name, keyBytes }: TestedMap, lifetimeSeconds: number): void {
  const keys = Buffer.alloc(ENTRIES * keyBytes);
  const values = Buffer.alloc(ENTRIES * entry.sizeBytes);
  for (let i = 0; i < ENTRIES; i++) {
    keys.writeUInt32LE(i, i * keyBytes);
    keys[(i + 1) * keyBytes - 1] = 4;
    values.writeUInt32LE(lifetimeSeconds, i * entry.sizeBytes + entry.fields.lifetime!.offset);
    values.writeBigUInt64LE(BigInt(i + 1), i * entry.sizeBytes + entry.fields.backend_id!.offset);
  }
  datapath.get(name).updateBatch(keys, values, ENTRIES);
}

it.each(maps)("deletes what has expired from $name", async (map) => {
  writeServiceEntries(map, 1);
  const { scanned, deleted, backendIdsInUse } = await collectConntrackGarbage(datapath);
  expect(deleted).toBe(scanned);
  expect(backendIdsInUse.size).toBe(0);
});

it.each(maps)("keeps the backend of a connection of $name that comes back to life during the scan", async (map) => {
  writeServiceEntries(map, 1);
  const scan = collectConntrackGarbage(datapath, { slice: 64 });
  // The scan has taken its first entries for expired and now waits for its next turn; their packets come.
  writeServiceEntries(map, Number(monotonicNowNs() / 1_000_000_000n) + 600);
  const { deleted, backendIdsInUse } = await scan;
  expect(deleted).toBe(0);
  expect(backendIdsInUse.size).toBe(ENTRIES);
});

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

/** Service entries (`TUPLE_F_SERVICE` is the last byte of the key), one for each backend id. */
function writeServiceEntries(lifetimeSeconds: number): void {
  const keys = Buffer.alloc(ENTRIES * 14);
  const values = Buffer.alloc(ENTRIES * entry.sizeBytes);
  for (let i = 0; i < ENTRIES; i++) {
    keys.writeUInt32LE(i, i * 14);
    keys[i * 14 + 13] = 4;
    values.writeUInt32LE(lifetimeSeconds, i * entry.sizeBytes + entry.fields.lifetime!.offset);
    values.writeBigUInt64LE(BigInt(i + 1), i * entry.sizeBytes + entry.fields.backend_id!.offset);
  }
  datapath.get("cilium_ct4_global").updateBatch(keys, values, ENTRIES);
}

it("deletes what has expired", async () => {
  writeServiceEntries(1);
  const { scanned, deleted, backendIdsInUse } = await collectConntrackGarbage(datapath);
  expect(deleted).toBe(scanned);
  expect(backendIdsInUse.size).toBe(0);
});

it("keeps the backend of a connection that comes back to life during the scan", async () => {
  writeServiceEntries(1);
  const scan = collectConntrackGarbage(datapath, { slice: 64 });
  // The scan has taken its first entries for expired and now waits for its next turn; their packets come.
  writeServiceEntries(Number(monotonicNowNs() / 1_000_000_000n) + 600);
  const { deleted, backendIdsInUse } = await scan;
  expect(deleted).toBe(0);
  expect(backendIdsInUse.size).toBe(ENTRIES);
});

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.js";
import type { IpPrefix } from "../../lib/ip.js";
import { AddressPool } from "./address-pool.js";
import { AddressPools } from "./address-pools.js";

/** podCIDR → offset that was handed out last. */
type PoolFile = Readonly<Record<string, unknown>>;

/**
 * The pools with the positions of their circles from a former run: otherwise the address of the pod deleted last would be the
 * first one handed out after a restart. A missing or unreadable file only costs that.
 */
export async function openAddressPools(runDir: string, podCidrs: readonly IpPrefix[]): Promise<AddressPools> {
  const saved = await readPoolFile(runDir);
  return new AddressPools(
    podCidrs.map((podCidr) => {
      const cursor = saved[podCidr.text];
      return Number.isInteger(cursor) ? new AddressPool(podCidr, cursor as number) : new AddressPool(podCidr);
    }),
  );
}

async function readPoolFile(runDir: string): Promise<PoolFile> {
  try {
    const content: unknown = JSON.parse(await readFile(poolFile(runDir), "utf8"));
    return typeof content === "object" && content !== null ? (content as PoolFile) : {};
  } catch {
    return {}; // as on the first start of a node
  }
}

export async function savePoolCursors(runDir: string, { pools }: AddressPools): Promise<void> {
  const content: PoolFile = Object.fromEntries(pools.map((pool) => [pool.prefix.text, pool.cursor]));
  await writeFileAtomic(poolFile(runDir), `${JSON.stringify(content)}\n`);
}

function poolFile(runDir: string): string {
  return join(runDir, "ipam.json");
}

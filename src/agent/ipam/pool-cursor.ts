import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.js";
import type { IpPrefix } from "../../lib/ip.js";
import { AddressPool } from "./address-pool.js";

interface PoolFile {
  readonly podCidr: string;
  readonly cursor: number;
}

/**
 * The pool with the position of its circle from a former run: otherwise the address of the pod deleted last would be the
 * first one handed out after a restart. A missing or unreadable file only costs that.
 */
export async function openAddressPool(runDir: string, podCidr: IpPrefix): Promise<AddressPool> {
  try {
    const saved = JSON.parse(await readFile(poolFile(runDir), "utf8")) as PoolFile;
    if (saved.podCidr === podCidr.text && Number.isInteger(saved.cursor)) return new AddressPool(podCidr, saved.cursor);
  } catch {
    // As on the first start of a node.
  }
  return new AddressPool(podCidr);
}

export async function savePoolCursor(runDir: string, pool: AddressPool): Promise<void> {
  const content: PoolFile = { podCidr: pool.prefix.text, cursor: pool.cursor };
  await writeFileAtomic(poolFile(runDir), `${JSON.stringify(content)}\n`);
}

function poolFile(runDir: string): string {
  return join(runDir, "ipam.json");
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../lib/atomic-file.js";

/** How often an agent was started on this run directory, this start included. */
export async function countStart(runDir: string): Promise<number> {
  const path = join(runDir, "starts");
  let before = 0;
  try {
    before = Number.parseInt(await readFile(path, "utf8"), 10) || 0;
  } catch {
    // The first start.
  }
  await writeFileAtomic(path, `${before + 1}\n`);
  return before + 1;
}

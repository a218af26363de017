import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identifyProcess, type ProcessId } from "../../src/lab/process-table.js";

const own = identifyProcess(process.pid)!;

/**
 * Begins the names of what this process makes outside of itself and a kill would leave behind: folders with mounts, cgroups,
 * network namespaces. It names its maker, pid and start time: the next run knows what to sweep (sweep-orphans.ts).
 */
export const ownPrefix = `cts-t-${own.pid}s${own.startTime}`;

/** Who made the thing of this name; undefined when it is not called after its maker. */
export function makerOf(name: string): ProcessId | undefined {
  const [, pid, startTime] = /^cts-t-(\d+)s(\d+)-/.exec(name) ?? [];
  return pid === undefined || startTime === undefined ? undefined : { pid: Number(pid), startTime };
}

const LAB = "-lab-";

/** The lab that a folder of {@link LabClaim} claims. */
export function claimedLab(folderName: string): string | undefined {
  const at = folderName.indexOf(LAB);
  return at < 0 ? undefined : folderName.slice(at + LAB.length);
}

/** A lab's name is too short to tell its maker: a folder that does names the lab. */
export class LabClaim implements Disposable {
  readonly #path: string;

  constructor(lab: string) {
    this.#path = join(tmpdir(), `${ownPrefix}${LAB}${lab}`);
    mkdirSync(this.#path, { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

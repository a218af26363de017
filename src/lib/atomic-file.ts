import { randomUUID } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";

export interface AtomicFileOptions {
  /** Permission bits. Default 0o644. */
  readonly mode?: number;
}

/**
 * Replaces a file as a whole: readers, and whoever starts after a `kill -9`, find the old content or the new one. The temporary
 * file lies beside it, because rename(2) is atomic within one file system only. A crash of the machine may lose the new content.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: AtomicFileOptions = {},
): Promise<void> {
  const draft = draftPath(path);
  try {
    await writeFile(draft, data, { flag: "wx", mode: options.mode ?? 0o644 });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** {@link writeFileAtomic} without leaving the caller's turn, for places that must not be interleaved. */
export function writeFileAtomicSync(path: string, data: string | Uint8Array, options: AtomicFileOptions = {}): void {
  const draft = draftPath(path);
  try {
    writeFileSync(draft, data, { flag: "wx", mode: options.mode ?? 0o644 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function draftPath(path: string): string {
  return `${path}.${randomUUID()}.tmp`;
}

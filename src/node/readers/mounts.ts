import { readFileSync } from "node:fs";
import { KernelError } from "../../lib/errors.js";
import { parseMounts } from "../../model/mounts.js";
import type { MountRow } from "../../model/node-files.js";
import type { RowStream } from "../../model/readers.js";
import type { NodeContext } from "../node-context.js";

/** The node's BPF file systems, in the order of its mount table. @throws KernelError `mounts-unreadable`, `bpffs-missing` */
export async function* readMounts(context: NodeContext): RowStream<MountRow> {
  const { mountInfo = "/proc/self/mountinfo", name: node } = context.place;
  const rows = parseMounts(readTable(mountInfo, node))
    .filter(({ filesystem }) => filesystem === "bpf")
    .map((mount) => ({ node, ...mount }));
  if (rows.length === 0) throw context.missingBpffsError();
  yield rows;
  return { state: "complete", rowsRead: rows.length, restarts: 0, mapsRead: 0 };
}

function readTable(path: string, node: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { message } = error as NodeJS.ErrnoException;
    throw new KernelError("mounts-unreadable", `reading the mounts of node ${node} failed: ${message}`, {
      cause: error,
    });
  }
}

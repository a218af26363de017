import { readFileSync } from "node:fs";
import { KernelError } from "../../lib/errors.js";
import type { MountRow } from "../../model/node-files.js";
import type { RowStream } from "../../model/readers.js";
import type { NodeContext } from "../node-context.js";

/** The node's BPF file systems, in the order of its mount table. @throws KernelError `mounts-unreadable`, `bpffs-missing` */
export async function* readMounts(context: NodeContext): RowStream<MountRow> {
  const { mountInfo = "/proc/self/mountinfo", name: node } = context.place;
  const rows = readTable(mountInfo, node)
    .split("\n")
    .flatMap((line) => parseMount(line) ?? [])
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

/** `36 35 98:0 /root /mount rw,noatime shared:1 - type source rw,mode=700`; undefined when it is no such line. */
export function parseMount(line: string): Omit<MountRow, "node"> | undefined {
  const [left = "", right = "", ...more] = line.split(" - ");
  const [id = "", parent = "", device, root, mountPoint, mountOptions, ...optionalFields] = left.split(" ");
  const [filesystem, source, superOptions] = right.split(" ");
  const isWhole = mountOptions !== undefined && superOptions !== undefined && more.length === 0;
  if (!isWhole || !/^\d+$/.test(id) || !/^\d+$/.test(parent)) return undefined;
  return {
    mountId: Number(id),
    parentId: Number(parent),
    device: device!,
    root: root!,
    mountPoint: mountPoint!,
    mountOptions,
    optionalFields,
    filesystem: filesystem!,
    source: source!,
    superOptions,
  };
}

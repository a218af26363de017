import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BpfLink } from "../../kernel/bpf-link.js";
import { BpfProgram } from "../../kernel/bpf-program.js";
import type { RowStream } from "../../model/readers.js";
import type { LinkRow } from "../../model/status-report.js";
import type { NodeContext } from "../node-context.js";

/** Links that our datapath has pinned; a node without our datapath has none. */
export async function* readLinks(context: NodeContext): RowStream<LinkRow> {
  const folder = join(context.place.bpffs, "cts", "links");
  const rows = listFolder(folder).map((name) => describeLink(context.place.name, name, join(folder, name)));
  if (rows.length > 0) yield rows;
  return { state: "complete", rowsRead: rows.length, restarts: 0, mapsRead: 0 };
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function describeLink(node: string, name: string, path: string): LinkRow {
  using link = BpfLink.openPinned(path);
  const { type, programId, ifindex, cgroupId } = link.info;
  using program = BpfProgram.openById(programId);
  return {
    node,
    name,
    kind: type,
    programId,
    programName: program.name,
    isDangling: type === "cgroup" ? cgroupId === 0n : ifindex === 0,
  };
}

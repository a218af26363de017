/** Whose layouts a node's maps were read with. */
export interface ReleaseFinding {
  /** Upstream releases, oldest first; fields in which they differ are unknown. */
  readonly releases: readonly string[];
  /** Some maps are of one release and some of the next, as in the middle of an upgrade. */
  readonly isMixed: boolean;
  /** What was found, one line each. */
  readonly evidence: readonly string[];
}

/** How the reading of one node ended. */
export interface NodeListStatus {
  readonly name: string;
  readonly state: "complete" | "partial" | "missing";
  /** Why it is not complete. */
  readonly reason?: string | undefined;
  readonly rowsRead: number;
  /** How often the reader had to start a map again because its cursor's key vanished. */
  readonly restarts: number;
  /** The longest time that one system call of the reading held a CPU. */
  readonly longestSliceMs?: number | undefined;
  readonly release?: ReleaseFinding | undefined;
}

/** Whether a list is whole; printed after it (design: completeness stands in `status` after `items`). */
export interface ListStatus {
  readonly state: "complete" | "partial";
  readonly reason?: string | undefined;
  /** Rows read before filters. */
  readonly rowsRead: number;
  readonly restarts: number;
  readonly nodes: readonly NodeListStatus[];
  /** How many kernel maps the rows came from; upstream's conntrack list prints an empty line after each. */
  readonly mapsRead?: number | undefined;
  /** Those that had no entry; upstream's policy list has a block for them too. */
  readonly emptyMaps?: readonly string[] | undefined;
  /** What could not be decided, e.g. fields that differ between the releases that remain. */
  readonly notes?: readonly string[] | undefined;
}

/** One status out of the nodes' own. */
export function summarizeNodeStatuses(
  nodes: readonly NodeListStatus[],
  extra: Pick<ListStatus, "mapsRead" | "emptyMaps" | "notes"> = {},
): ListStatus {
  const bad = nodes.filter((node) => node.state !== "complete");
  const sum = (value: (node: NodeListStatus) => number): number =>
    nodes.reduce((total, node) => total + value(node), 0);
  const reason = bad.map((node) => `${node.name}: ${node.reason ?? node.state}`).join("; ");
  return {
    state: bad.length === 0 ? "complete" : "partial",
    ...(bad.length === 0 ? {} : { reason }),
    rowsRead: sum((node) => node.rowsRead),
    restarts: sum((node) => node.restarts),
    nodes,
    ...(extra.mapsRead === undefined ? {} : { mapsRead: extra.mapsRead }),
    ...(extra.emptyMaps === undefined ? {} : { emptyMaps: extra.emptyMaps }),
    ...(extra.notes === undefined || extra.notes.length === 0 ? {} : { notes: extra.notes }),
  };
}

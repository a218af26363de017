import type { NodeIdRow, SockRevNatRow } from "../model/rows.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, type RowList, sortedRows } from "./row-list.js";

interface ReadOptions {
  readonly signal: AbortSignal;
}

/** Numbers that nodes gave to node addresses. */
export function listNodeIds(target: Target, options: ReadOptions): RowList<NodeIdRow> {
  return sortedRows(
    readNodes(target, "node-ids", {}, options),
    compareBy(
      (row) => row.node,
      (row) => row.nodeId,
      (row) => row.address,
    ),
  );
}

/** What sockets dialled, by the backends that they were given. */
export function listSocketReverseNat(target: Target, options: ReadOptions): RowList<SockRevNatRow> {
  return readNodes(target, "socket-reverse-nat", {}, options);
}

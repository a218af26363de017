import type { SockRevNatRow } from "../model/rows.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import type { RowList } from "./row-list.js";

/** What sockets dialled, by the backends that they were given. */
export function listSocketReverseNat(
  target: Target,
  options: { readonly signal: AbortSignal },
): RowList<SockRevNatRow> {
  return readNodes(target, "socket-reverse-nat", {}, options);
}

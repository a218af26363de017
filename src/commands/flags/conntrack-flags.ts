import type { RowSelection } from "../../actions/row-selection.js";
import type { CtState } from "../../model/rows.js";
import {
  directionFilterFlag,
  identityFilterFlag,
  nameFilterFlags,
  protocolFilterFlags,
  serviceFilterFlag,
  stateFilterFlag,
} from "./filter-flags.js";
import { toRowSelection } from "./to-row-selection.js";

/** Which conntrack entries. */
export const conntrackFilterFlags = {
  ...nameFilterFlags,
  ...serviceFilterFlag,
  ...protocolFilterFlags,
  ...stateFilterFlag,
  ...identityFilterFlag,
  ...directionFilterFlag(["in", "out", "service"]),
};

/** What becomes of the flags. */
export function toConntrackSelection(
  flags: Parameters<typeof toRowSelection>[0] & { readonly state?: readonly CtState[] | undefined },
): RowSelection {
  return { ...toRowSelection(flags), states: flags.state };
}

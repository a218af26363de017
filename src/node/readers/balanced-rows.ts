import type { BalancedRow } from "../../model/small-maps/balanced-row.js";
import type { Balancing, SmallMapRow } from "../../model/small-maps/small-map.js";
import type { Family, LbLookups } from "./lb-maps.js";

/** Puts into a row what its numbers of the load balancer stand for. */
export function balanceRow(lookups: LbLookups, balancing: Balancing<SmallMapRow>, row: SmallMapRow): BalancedRow {
  const serviceId = balancing.serviceId?.(row);
  const backendId = balancing.backendId?.(row);
  return {
    ...row,
    frontend: serviceId === undefined ? undefined : frontendOf(lookups, serviceId),
    backend: backendId === undefined ? undefined : lookups.backend(4, backendId),
  };
}

/** Both families share one set of numbers. */
function frontendOf(lookups: LbLookups, id: number): BalancedRow["frontend"] {
  const found = (family: Family) => lookups.frontend(family, id);
  return found(4) ?? found(6);
}

import { be, uint } from "../struct-fields.js";
import { type BalancedRow, balancedTraits, serviceFields } from "./balanced-row.js";
import { type MapSource, smallMap, source } from "./small-map.js";

/** An entry of the programs' counters has no `failed`, one of the agent's has nothing else. */
interface ActivityRow extends BalancedRow {
  readonly revNatId: number;
  readonly zone: number;
  readonly opened?: number;
  readonly closed?: number;
  readonly failed?: number;
}

const key = { revNatId: be("svc_id"), zone: uint("zone") };
const sources = [
  source("cilium_lb_act", key, { opened: uint("opened"), closed: uint("closed") }),
  // The agent keeps these over its restarts; no program writes them. Since 1.17.
  source("cilium_lb_fct", key, { failed: uint("value") }),
];

/** Connections of services by the zone of their backends, since 1.16. */
export const activityMap = smallMap<ActivityRow>(sources as readonly MapSource<never>[] as MapSource<ActivityRow>[], {
  name: "lb-activity",
  kind: "LbActivityList",
  summary: "List how many connections Services opened and closed, by zone",
  madeWhen: "active connection tracking is on (since 1.16)",
  balancing: { serviceId: (row) => row.revNatId },
  fields: {
    ...serviceFields,
    zone: { header: "ZONE", type: "integer", doc: "number that the agent's configuration gives the backends' zone" },
    opened: { header: "OPENED", type: "integer", doc: "connections", isOptional: true },
    closed: { header: "CLOSED", type: "integer", doc: "connections", isOptional: true },
    active: {
      header: "ACTIVE",
      type: "integer",
      doc: "opened and not closed; both counters wrap at 32 bits",
      isOptional: true,
      value: ({ opened, closed }) =>
        opened === undefined || closed === undefined ? undefined : (opened - closed) >>> 0,
    },
    failed: {
      header: "FAILED",
      type: "integer",
      doc: "connections whose backend went, as the agent counts them",
      isOptional: true,
    },
  },
  order: (row) => [row.revNatId, row.zone, row.pin],
  nameOf: (row) => `${row.revNatId}-${row.zone}${row.failed === undefined ? "" : "-failed"}`,
  filters: { hasServices: true, traits: balancedTraits },
});

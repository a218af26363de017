import type { PolicyRow } from "../model/policy-rows.js";
import { identityLabels } from "./names/identity-labels.js";
import type { Target } from "./open-target.js";
import { readCookieRules } from "./policy/cookie-rules.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, mapRows, type RowList, sortedRows } from "./row-list.js";

export interface PolicySelection {
  readonly endpointIds?: readonly number[] | undefined;
  readonly identities?: readonly number[] | undefined;
  readonly directions?: readonly string[] | undefined;
  readonly protocols?: readonly number[] | undefined;
  /** Leave identities and cookies as numbers: nobody is asked for labels and rules then. */
  readonly isNumeric?: boolean | undefined;
}

/** Policy entries of the nodes' endpoints with the labels of their peers and the rules behind them, deny first as upstream sorts them. */
export async function listPolicy(
  target: Target,
  selection: PolicySelection,
  options: { readonly signal: AbortSignal },
): Promise<RowList<PolicyRow>> {
  const filter = {
    identities: nonEmpty(selection.identities),
    directions: nonEmpty(selection.directions),
    protocols: nonEmpty(selection.protocols),
  };
  const hasLabels = selection.isNumeric !== true;
  const request = { filter, endpointIds: nonEmpty(selection.endpointIds), hasLabels };
  const list = readNodes(target, "policy", request, options);
  if (!hasLabels) return sortedRows(list, byPlace);
  const names = await target.names();
  let rules: ReadonlyMap<number, readonly string[]> = new Map();
  const sorted = sortedRows(list, byPlace, async (rows) => {
    if (rows.some(({ cookie = 0 }) => cookie !== 0)) rules = await readCookieRules(target);
  });
  return mapRows(sorted, (row) => ({
    ...row,
    labels: row.labels ?? identityLabels(row.identity, names),
    rules: rules.get(row.cookie ?? 0),
  }));
}

const byPlace = compareBy<PolicyRow>(
  (row) => row.node,
  (row) => row.endpointId,
  (row) => row.map,
  (row) => (row.isDeny ? 0 : 1),
  (row) => (row.direction === "ingress" ? 0 : 1),
  (row) => row.identity,
  (row) => row.prefixLength,
  (row) => row.protocol,
  (row) => row.port,
);

function nonEmpty<T>(values: readonly T[] | undefined): readonly T[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

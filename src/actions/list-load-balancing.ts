import type { MaglevRow, NumberedService, SourceRangeRow } from "../model/lb-rows.js";
import type { LbBackendRow, LbServiceRow, RevNatRow } from "../model/rows.js";
import type { NameIndex } from "./names/name-index.js";
import { namesFor, type ReadOptions } from "./names/names-for.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, preparedRows, type RowList, sortedRows } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

/** Entries of the service maps with their backends resolved, in the order of the frontends. */
export async function listLbServices(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<LbServiceRow>> {
  const names = await namesFor(target, selection, options);
  const list = readNodes(target, "lb-services", { filter: resolveSelection(selection, names) }, options);
  if (!options.isNamed) return list;
  const byFrontend = compareBy<LbServiceRow>(
    (row) => row.node,
    (row) => row.address,
    (row) => row.port,
    (row) => row.protocol,
    (row) => row.scope,
    (row) => row.slot,
  );
  return sortedRows(list, byFrontend, async (rows) => {
    await target.learnServices(rows);
    for (const row of rows) {
      const { address, port, protocol, backend } = row;
      // Port 0 is the entry for every port that the Service does not have: it belongs to whoever has the address.
      row.serviceName = port === 0 ? names.ofAddress(address) : names.ofFrontend(address, port, protocol);
      row.backendName = backend && names.ofAddress(backend.address);
    }
  });
}

export async function listLbBackends(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<LbBackendRow>> {
  const names = await namesFor(target, selection, options);
  const list = readNodes(target, "lb-backends", { filter: resolveSelection(selection, names) }, options);
  if (!options.isNamed) return list;
  const byId = compareBy<LbBackendRow>(
    (row) => row.node,
    (row) => row.backendId,
    (row) => row.address,
  );
  return sortedRows(list, byId, async (rows) => {
    for (const row of rows) row.backendName = names.ofAddress(row.address);
  });
}

export async function listSourceRanges(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<SourceRangeRow>> {
  const names = await namesFor(target, selection, options);
  const list = readNodes(target, "lb-source-ranges", { filter: resolveSelection(selection, names) }, options);
  if (!options.isNamed) return list;
  const byService = compareBy<SourceRangeRow>(
    (row) => row.node,
    (row) => row.revNatId,
    (row) => row.prefix.address,
    (row) => row.prefix.length,
  );
  return sortedRows(list, byService, (rows) => nameServices(target, names, rows));
}

/** Names the services that rows are numbered with. */
async function nameServices(target: Target, names: NameIndex, rows: Iterable<NumberedService>): Promise<void> {
  await target.learnServices([...rows].flatMap(({ frontend }) => frontend ?? []));
  for (const row of rows) {
    row.serviceName = row.frontend && names.ofFrontend(row.frontend.address, row.frontend.port, 0);
  }
}

export async function listReverseNat(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<RevNatRow>> {
  const names = await namesFor(target, selection, options);
  const list = readNodes(target, "lb-reverse-nat", { filter: resolveSelection(selection, names) }, options);
  if (!options.isNamed) return list;
  const byId = compareBy<RevNatRow>(
    (row) => row.node,
    (row) => row.revNatId,
    (row) => row.address,
  );
  return sortedRows(list, byId, async (rows) => {
    await target.learnServices(rows);
    for (const row of rows) row.serviceName = names.ofFrontend(row.address, row.port, 0);
  });
}

/**
 * The services' look-up tables, by family and service id on each node, as they come: each may have half a megabyte.
 * @param revNatId only this service's
 */
export async function listMaglev(
  target: Target,
  selection: RowSelection & { readonly revNatId?: number | undefined },
  options: ReadOptions,
): Promise<RowList<MaglevRow>> {
  const names = await namesFor(target, selection, options);
  const request = { filter: resolveSelection(selection, names), revNatId: selection.revNatId };
  const list = readNodes(target, "maglev", request, options);
  if (!options.isNamed) return list;
  return preparedRows(list, async (rows) => {
    await nameServices(target, names, rows);
    for (const { backends } of rows) {
      for (const entry of backends) entry.backendName = entry.backend && names.ofAddress(entry.backend.address);
    }
  });
}

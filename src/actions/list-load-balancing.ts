import type { MaglevRow, NumberedService, SourceRangeRow } from "../model/lb-rows.js";
import type { LbBackendRow, LbServiceRow, RevNatRow } from "../model/rows.js";
import type { NameIndex } from "./names/name-index.js";
import type { Target, TransportEnd } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, mapRows, prepareRows, type RowList, sortedRows } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

interface ReadOptions {
  readonly signal: AbortSignal;
}

/** Takes the Services of rows that are frontends into the names. */
function learnFrontends(target: Target): (rows: Iterable<TransportEnd>) => Promise<void> {
  return (rows) => target.learnServices(rows);
}

/** Entries of the service maps with their backends resolved, in the order of the frontends. */
export async function listLbServices(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<LbServiceRow>> {
  const names = await target.names(selection);
  const list = readNodes(target, "lb-services", { filter: resolveSelection(selection, names) }, options);
  const named = prepareRows(list, learnFrontends(target), (row) => ({
    ...row,
    // Port 0 is the entry for every port that the Service does not have: it belongs to whoever has the address.
    serviceName: row.port === 0 ? names.ofAddress(row.address) : names.ofFrontend(row.address, row.port, row.protocol),
    backendName: row.backend === undefined ? undefined : names.ofAddress(row.backend.address),
  }));
  return sortedRows(
    named,
    compareBy(
      (row) => row.node,
      (row) => row.address,
      (row) => row.port,
      (row) => row.protocol,
      (row) => row.scope,
      (row) => row.slot,
    ),
  );
}

export async function listLbBackends(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<LbBackendRow>> {
  const names = await target.names(selection);
  const list = readNodes(target, "lb-backends", { filter: resolveSelection(selection, names) }, options);
  const named = mapRows(list, (row) => ({ ...row, backendName: names.ofAddress(row.address) }));
  return sortedRows(
    named,
    compareBy(
      (row) => row.node,
      (row) => row.backendId,
      (row) => row.address,
    ),
  );
}

export async function listSourceRanges(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<SourceRangeRow>> {
  const names = await target.names(selection);
  const list = readNodes(target, "lb-source-ranges", { filter: resolveSelection(selection, names) }, options);
  return sortedRows(
    nameServices(target, names, list),
    compareBy(
      (row) => row.node,
      (row) => row.revNatId,
      (row) => row.prefix.address,
      (row) => row.prefix.length,
    ),
  );
}

/** Adds the names of the services that rows are numbered with. */
function nameServices<Row extends NumberedService>(target: Target, names: NameIndex, list: RowList<Row>): RowList<Row> {
  return prepareRows(
    list,
    (rows) => learnFrontends(target)([...rows].flatMap(({ frontend }) => frontend ?? [])),
    (row) => ({
      ...row,
      serviceName:
        row.frontend === undefined ? undefined : names.ofFrontend(row.frontend.address, row.frontend.port, 0),
    }),
  );
}

export async function listReverseNat(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<RevNatRow>> {
  const names = await target.names(selection);
  const list = readNodes(target, "lb-reverse-nat", { filter: resolveSelection(selection, names) }, options);
  const named = prepareRows(list, learnFrontends(target), (row) => ({
    ...row,
    serviceName: names.ofFrontend(row.address, row.port, 0),
  }));
  return sortedRows(
    named,
    compareBy(
      (row) => row.node,
      (row) => row.revNatId,
      (row) => row.address,
    ),
  );
}

/** The services' look-up tables, by family and service id on each node. @param revNatId only this service's */
export async function listMaglev(
  target: Target,
  selection: RowSelection & { readonly revNatId?: number | undefined },
  options: ReadOptions,
): Promise<RowList<MaglevRow>> {
  const names = await target.names(selection);
  const request = { filter: resolveSelection(selection, names), revNatId: selection.revNatId };
  const list = nameServices(target, names, readNodes(target, "maglev", request, options));
  return mapRows(list, (row) => ({
    ...row,
    backends: row.backends.map((backend) => ({
      ...backend,
      backendName: backend.backend === undefined ? undefined : names.ofAddress(backend.backend.address),
    })),
  }));
}

import type { IpcacheRow, LocalEndpointRow, TunnelRow } from "../model/rows.js";
import { identityLabels } from "./names/identity-labels.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { compareBy, mapRows, type RowList, sortedRows } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

interface ReadOptions {
  readonly signal: AbortSignal;
}

/** ipcache entries; with `lookup`, of each node the one that the datapath would find for that address. */
export async function listIpcache(
  target: Target,
  selection: RowSelection & { readonly lookup?: string | undefined },
  options: ReadOptions,
): Promise<RowList<IpcacheRow>> {
  const names = await target.names(selection);
  const request = { filter: resolveSelection(selection, names), lookup: selection.lookup };
  return mapRows(readNodes(target, "ipcache", request, options), (row) => ({
    ...row,
    name: row.prefix.length === row.prefix.address.bitLength ? names.ofAddress(row.prefix.address) : undefined,
    labels: identityLabels(row.identity, names),
  }));
}

/** What the datapath of each node delivers locally. */
export async function listLocalEndpoints(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<LocalEndpointRow>> {
  const names = await target.names(selection);
  const list = readNodes(target, "local-endpoints", { filter: resolveSelection(selection, names) }, options);
  const named = mapRows(list, (row) => ({ ...row, name: names.ofAddress(row.address) }));
  return sortedRows(
    named,
    compareBy(
      (row) => row.node,
      (row) => row.address,
    ),
  );
}

/** Pod prefixes and the nodes that they are tunnelled to. */
export async function listTunnels(
  target: Target,
  selection: RowSelection,
  options: ReadOptions,
): Promise<RowList<TunnelRow>> {
  const names = await target.names(selection);
  const list = readNodes(target, "tunnels", { filter: resolveSelection(selection, names) }, options);
  const named = mapRows(list, (row) => ({ ...row, remoteNode: names.nodeOf(row.tunnelEndpoint.text) }));
  return sortedRows(
    named,
    compareBy(
      (row) => row.node,
      (row) => row.prefix.address,
      (row) => row.prefix.length,
    ),
  );
}

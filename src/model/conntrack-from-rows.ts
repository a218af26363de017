import type { IpAddress } from "../lib/ip.js";
import { CtColumns, type CtColumnValues, ctDirections } from "./conntrack-columns.js";
import { type NameColumn, noName } from "./name-column.js";
import type { RowBatch } from "./row-batch.js";
import type { AddressName, CtRow } from "./rows.js";

/** Any batch of conntrack rows as columns: sorted rows are of many maps and nodes, and come in as many runs. */
export function ctColumnsOf(rows: RowBatch<CtRow>): readonly CtColumns[] {
  if (rows instanceof CtColumns) return [rows];
  const runs: CtRow[][] = [];
  for (const row of rows) {
    const run = runs.at(-1);
    if (run !== undefined && isAlike(run[0]!, row)) run.push(row);
    else runs.push([row]);
  }
  return runs.map(columnsOfRun);
}

/** Of one map, read at one time, with the same fields. */
function isAlike(a: CtRow, b: CtRow): boolean {
  return (
    a.map === b.map &&
    a.node === b.node &&
    a.clusterId === b.clusterId &&
    a.layout === b.layout &&
    a.clock === b.clock &&
    (a.natPort === undefined) === (b.natPort === undefined) &&
    (a.interfaceIndex === undefined) === (b.interfaceIndex === undefined)
  );
}

function columnsOfRun(rows: readonly CtRow[]): CtColumns {
  const { node, map, clusterId, layout, clock } = rows[0]!;
  const numbers = (of: (row: CtRow) => number): number[] => rows.map(of);
  const optional = (of: (row: CtRow) => number | undefined): Uint16Array | undefined =>
    rows.every((row) => of(row) === undefined) ? undefined : Uint16Array.from(rows, (row) => of(row) ?? 0);
  const words = (of: (row: CtRow) => bigint): Uint32Array =>
    Uint32Array.from(rows.flatMap((row) => [Number(of(row) & 0xffff_ffffn), Number(of(row) >> 32n)]));
  const values: CtColumnValues = {
    protocol: Uint8Array.from(numbers((row) => row.protocol)),
    direction: Uint8Array.from(numbers((row) => ctDirections.indexOf(row.direction))),
    isRelated: Uint8Array.from(numbers((row) => (row.isRelated ? 1 : 0))),
    source: Int32Array.from(rows.flatMap((row) => addressWords(row.source))),
    sourcePort: Uint16Array.from(numbers((row) => row.sourcePort)),
    destination: Int32Array.from(rows.flatMap((row) => addressWords(row.destination))),
    destinationPort: Uint16Array.from(numbers((row) => row.destinationPort)),
    expiresAtSeconds: Uint32Array.from(numbers((row) => row.expiresAtSeconds)),
    packets: words((row) => row.packets),
    bytes: words((row) => row.bytes),
    rxFlagsSeen: Uint8Array.from(numbers((row) => row.rxFlagsSeen)),
    txFlagsSeen: Uint8Array.from(numbers((row) => row.txFlagsSeen)),
    lastRxReportSeconds: Uint32Array.from(numbers((row) => row.lastRxReportSeconds)),
    lastTxReportSeconds: Uint32Array.from(numbers((row) => row.lastTxReportSeconds)),
    flags: Uint16Array.from(numbers((row) => row.flags)),
    revNatId: Uint16Array.from(numbers((row) => row.revNatId)),
    sourceIdentity: Uint32Array.from(numbers((row) => row.sourceIdentity)),
    union0: words((row) => row.union0),
    union1: words((row) => row.rxBytes ?? row.backendId ?? 0n),
    natPort: optional((row) => row.natPort),
    interfaceIndex: optional((row) => row.interfaceIndex),
  };
  const columns = new CtColumns({ node, map, clusterId, layout, clock }, values);
  columns.sourceNames = nameColumn(rows.map((row) => row.sourceName));
  columns.destinationNames = nameColumn(rows.map((row) => row.destinationName));
  return columns;
}

function nameColumn(names: readonly (AddressName | undefined)[]): NameColumn {
  const known = [...new Set(names.filter((name) => name !== undefined))];
  const ids = new Map(known.map((name, id) => [name, id]));
  return { names: known, ids: Int32Array.from(names, (name) => (name && ids.get(name)) ?? noName) };
}

function addressWords({ family, word0, word1, word2, word3 }: IpAddress): readonly number[] {
  return family === 4 ? [word0] : [word0, word1, word2, word3];
}

import { formatAge } from "../../lib/time.js";
import type { LabObjectRow, LabRow } from "../../model/lab-rows.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { orDash } from "./cells.js";

function ageText(createdAt: string | undefined): string {
  return createdAt === undefined ? "-" : formatAge(Date.now() - Date.parse(createdAt));
}

/** Oldest last, as ages sort. */
function ageKey(createdAt: string | undefined): number {
  return createdAt === undefined ? 0 : -Date.parse(createdAt);
}

/** `lab list` */
export const labList: ListFormat<LabRow> = {
  kind: "LabList",
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "STATE", value: (row) => row.state },
    { header: "NODES", value: (row) => String(row.nodes), sortKey: (row) => row.nodes },
    { header: "PODS", value: (row) => String(row.pods), sortKey: (row) => row.pods },
    { header: "AGE", value: (row) => ageText(row.createdAt), sortKey: (row) => ageKey(row.createdAt) },
  ],
  item: (row) =>
    definedFields({
      name: row.name,
      state: row.state,
      nodes: row.nodes,
      pods: row.pods,
      createdAt: row.createdAt,
    }),
  name: (row) => `lab/${row.name}`,
};

function objectName(row: LabObjectRow): string {
  return row.namespace === undefined ? row.name : `${row.namespace}/${row.name}`;
}

/** `lab status` */
export const labStatusList: ListFormat<LabObjectRow> = {
  kind: "LabStatusList",
  columns: [
    { header: "KIND", value: (row) => row.kind },
    { header: "NAME", value: objectName },
    { header: "NODE", value: (row) => orDash(row.node) },
    { header: "ADDRESS", value: (row) => row.addresses.join() || "-" },
    { header: "READY", value: (row) => `${row.ready}/${row.containers}` },
    { header: "STATUS", value: (row) => row.status },
    { header: "RESTARTS", value: (row) => String(row.restarts), sortKey: (row) => row.restarts },
    { header: "AGE", value: (row) => ageText(row.createdAt), sortKey: (row) => ageKey(row.createdAt) },
    { header: "PID", isWide: true, value: (row) => orDash(row.pid), sortKey: (row) => row.pid ?? 0 },
    { header: "MESSAGE", isWide: true, value: (row) => orDash(row.message) },
  ],
  item: (row) =>
    definedFields({
      kind: row.kind,
      namespace: row.namespace,
      name: row.name,
      node: row.node,
      status: row.status,
      message: row.message,
      ready: row.ready,
      containers: row.containers,
      restarts: row.restarts,
      address: row.addresses[0],
      addresses: row.addresses,
      pid: row.pid,
      createdAt: row.createdAt,
    }),
  name: (row) => `${row.kind.toLowerCase()}/${objectName(row)}`,
};

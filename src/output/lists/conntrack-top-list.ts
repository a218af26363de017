import { IpAddress } from "../../lib/ip.js";
import type { JsonObject, JsonValue } from "../../lib/json-value.js";
import type { CtDimension, CtTopGroup, CtTopRow } from "../../model/conntrack-groups.js";
import { protocolName } from "../../model/protocol-names.js";
import type { AddressName, L4Address } from "../../model/rows.js";
import { type Column, definedFields, jsonCounter, type ListFormat, type SortKey } from "../list-format.js";
import { l4Text, nameText, orDash, orUnknown } from "./cells.js";

/** What all entries that nodes did not count apart are called. */
const restName = "(other)";

/** `bpf ct top`: a column for each thing that was counted by. */
export function conntrackTopList(
  by: readonly CtDimension[],
  { isWatched }: { readonly isWatched: boolean },
): ListFormat<CtTopRow> {
  return {
    kind: "ConntrackGroupList",
    columns: [
      ...by.flatMap((dimension, index) => groupColumns(dimension, index === 0)),
      count("ENTRIES", (row) => row.entries),
      { header: "SHARE", align: "right", value: (row) => percent(row.share), sortKey: (row) => row.share },
      ...(isWatched ? [count("CHANGE", (row) => row.change, changeText)] : []),
      count("PACKETS", (row) => row.packets),
      count("BYTES", (row) => row.bytes),
    ],
    item: (row) => itemOf(by, row),
    name: (row) => `conntrackgroup/${by.map((dimension) => nameOf(dimension, row)).join("/")}`,
  };
}

function count(
  header: string,
  of: (row: CtTopRow) => number | bigint | undefined,
  text: (value: number | bigint | undefined) => string = unknownText,
): Column<CtTopRow> {
  return { header, align: "right", value: (row) => text(of(row)), sortKey: (row) => of(row) ?? -1 };
}

function unknownText(value: number | bigint | undefined): string {
  return orUnknown(value === undefined ? undefined : String(value));
}

function changeText(value: number | bigint | undefined): string {
  if (value === undefined) return "-";
  return value > 0 ? `+${value}` : String(value);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

const headers: Readonly<Record<CtDimension, string>> = {
  service: "SERVICE",
  pod: "POD",
  node: "NODE",
  identity: "IDENTITY",
  proto: "PROTO",
  state: "STATE",
  direction: "DIR",
};

function groupColumns(dimension: CtDimension, isFirst: boolean): readonly Column<CtTopRow>[] {
  const main: Column<CtTopRow> = {
    header: headers[dimension],
    value: ({ group }) => (group === undefined ? (isFirst ? restName : "-") : orDash(cellOf(dimension, group))),
    sortKey: ({ group }): SortKey =>
      dimension === "identity" ? (group?.identity ?? -1) : group === undefined ? "" : (textOf(dimension, group) ?? ""),
  };
  if (dimension !== "identity") return [main];
  return [main, { header: "LABELS", value: ({ group }) => orDash(group?.labels?.join(",")) }];
}

/** Of many Services that a connection may belong to, JSON names all. */
function cellOf(dimension: CtDimension, group: CtTopGroup): string | undefined {
  const { services = [] } = group;
  if (dimension !== "service" || services.length <= 2) return textOf(dimension, group);
  return `${serviceText(services[0]!)} or ${services.length - 1} others`;
}

function nameOf(dimension: CtDimension, { group }: CtTopRow): string {
  return group === undefined ? restName : orDash(textOf(dimension, group));
}

/** Undefined where there is nothing to be named. */
function textOf(dimension: CtDimension, group: CtTopGroup): string | undefined {
  switch (dimension) {
    case "service":
      return group.services?.map(serviceText).join(" or ");
    case "pod":
      return group.pod instanceof IpAddress ? group.pod.text : nameText(group.pod);
    case "node":
      return group.node;
    case "identity":
      return group.identity === undefined ? undefined : String(group.identity);
    case "proto":
      return group.protocol === undefined ? undefined : protocolName(group.protocol);
    case "state":
      return group.state;
    case "direction":
      return group.direction;
  }
}

function serviceText(service: AddressName | L4Address): string {
  return "name" in service ? nameText(service) : l4Text(service);
}

function itemOf(by: readonly CtDimension[], { group, ...row }: CtTopRow): JsonObject {
  return definedFields({
    ...(group === undefined ? { other: true } : groupItem(by, group)),
    entries: row.entries,
    share: Math.round(10_000 * row.share) / 10_000,
    change: row.change,
    packets: counter(row.packets),
    bytes: counter(row.bytes),
  });
}

function groupItem(by: readonly CtDimension[], group: CtTopGroup): Record<string, JsonValue | undefined> {
  const item: Record<string, JsonValue | undefined> = {};
  for (const dimension of by) {
    item[dimension] = dimension === "identity" ? group.identity : textOf(dimension, group) || null;
  }
  return { ...item, labels: group.labels };
}

/** Null where it depends on the release. */
function counter(value: bigint | undefined): JsonValue {
  return value === undefined ? null : jsonCounter(value);
}

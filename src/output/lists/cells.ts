import { addressPort } from "../../lib/ip.js";
import type { JsonObject } from "../../lib/json-value.js";
import { protocolName } from "../../model/protocol-names.js";
import type { AddressName, L4Address, NodeRowBase, ServiceRow } from "../../model/rows.js";
import type { Column } from "../list-format.js";
import { definedFields } from "../list-format.js";

/** `10.0.0.1:80/TCP` */
export function l4Text(address: L4Address): string {
  return `${addressPort(address.address, address.port)}/${protocolName(address.protocol)}`;
}

/** `10.0.0.1:80/TCP`, and upstream's ending for what only pods and the node itself meet: `10.0.0.1:80/TCP/i`. */
export function frontendText({ frontend, scope }: Pick<ServiceRow, "frontend" | "scope">): string {
  return `${l4Text(frontend)}${scope === "internal" ? "/i" : ""}`;
}

/** `shop/cart-0`, the node's name, or `-` where nothing is known. */
export function nameText(name: AddressName | undefined): string {
  if (name === undefined) return "-";
  return name.namespace === undefined ? name.name : `${name.namespace}/${name.name}`;
}

export function nameItem(name: AddressName | undefined): JsonObject | undefined {
  return name === undefined
    ? undefined
    : definedFields({ kind: name.kind, namespace: name.namespace, name: name.name });
}

export function l4Item(address: L4Address): JsonObject {
  return { address: address.address.text, port: address.port, protocol: protocolName(address.protocol) };
}

/** The NODE column that every per-node list starts with. */
export const nodeColumn: Column<NodeRowBase> = { header: "NODE", value: (row) => row.node ?? "-" };

/** What kubectl prints for an absent value. */
export function orDash(value: string | number | undefined): string {
  return value === undefined || value === "" ? "-" : String(value);
}

/** For fields in which the releases that a map may be of differ. */
export function orUnknown(value: string | number | undefined): string {
  return value === undefined ? "?" : String(value);
}

/** `@3` behind addresses of another cluster, as upstream writes it. */
export function clusterSuffix(clusterId: number | undefined): string {
  return clusterId === undefined || clusterId === 0 ? "" : `@${clusterId}`;
}

export function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

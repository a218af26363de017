import type { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { NodeClock } from "../node-clock.js";
import type { RowTraits } from "../row-traits.js";
import type { AddressName, NodeRowBase } from "../rows.js";
import type { UpstreamRelease } from "../upstream-release.js";
import type { MapFields, ValuesOf } from "./map-fields.js";
import type { UpstreamForm } from "./upstream-form.js";

/**
 * A map whose entries are listed as they are. One declaration says where the fields of its rows lie, how they are called
 * in tables and JSON, what rows can be filtered by and what upstream's tool prints; one reader, one action, one list, one
 * command and one generator of schemas go by it (docs/adr/0010-small-maps.md).
 */
export interface SmallMap<Row extends SmallMapRow> {
  /** One word: the reader's argument, and what `-o name` prints in front of {@link nameOf}. */
  readonly name: string;
  /** Of the JSON envelope. */
  readonly kind: string;
  /** What the command does, as its help says it. */
  readonly summary: string;
  readonly description?: string;
  /** When an agent makes the map, for whoever finds none: `the agent makes it when …`. */
  readonly madeWhen: string;
  /** Read one after the other; those that are not pinned are left out. */
  readonly sources: readonly MapSource<Row>[];
  /** JSON field → column. */
  readonly fields: Readonly<Record<string, RowField<Row>>>;
  /** What rows are sorted by, within a node. Absent: as the kernel has them, for maps that may be large. */
  readonly order?: (row: Row) => readonly OrderKey[];
  nameOf(row: Row): string;
  readonly filters?: SmallMapFilters<Row>;
  /** Its rows have numbers of the load balancer: the reader looks them up (src/model/small-maps/balanced-row.ts). */
  readonly balancing?: Balancing<Row>;
  /** What is shown depends on the node's clock. */
  readonly isTimed?: boolean;
  readonly upstream?: UpstreamForm<Row>;
}

/** What every row of a small map says beside its own fields. */
export interface SmallMapRow extends NodeRowBase {
  /** Name of the map that it was read from. */
  readonly pin: string;
  /** The newest release that the map may be of: upstream's formats take its form. */
  readonly release: UpstreamRelease;
  readonly clock: NodeClock;
  /** Field of type `name` → what its address is called, as far as the name source knew it. */
  readonly names?: Readonly<Record<string, AddressName>> | undefined;
}

/** Numbers of a row that the load balancer's maps say the meaning of. */
export interface Balancing<Row> {
  serviceId?(row: Row): number;
  backendId?(row: Row): number;
}

/** Where rows come from. */
export interface MapSource<Row> {
  /** Name of the pinned map; with {@link inner} of the outer one. */
  readonly pin: string;
  readonly key: MapFields;
  readonly value: MapFields;
  /** Not read when this map is pinned, which took its place. */
  readonly replacedBy?: string;
  /** There is a value for each CPU: their numbers are added. */
  readonly isPerCpu?: boolean;
  /** The entries are those of the maps in this one. */
  readonly inner?: InnerMaps;
  /** False for entries that say nothing: unused slots of an array. */
  isListed?(row: Row): boolean;
}

/** The maps in an outer map. */
export interface InnerMaps {
  /** The outer key's part of the row. */
  readonly outerKey: MapFields;
  /** The pinned map that they look like, or else what their keys and values are. */
  readonly like: string | { readonly key: string; readonly value: string };
  /** An inner map without entries makes one row all the same, of the outer key alone. */
  readonly isEmptyListed?: boolean;
}

type FieldType = "address" | "prefix" | "integer" | "port" | "counter" | "text" | "flag" | "protocol" | "name";
type FieldValue = IpAddress | IpPrefix | number | bigint | string | boolean | AddressName | undefined;

/** A field of the JSON item, and mostly a column. */
export interface RowField<Row> {
  /** Upper case. Absent: no column. */
  readonly header?: string;
  readonly type: FieldType;
  /** For the schema. */
  readonly doc: string;
  /** Shown with `-o wide` only. */
  readonly isWide?: boolean;
  /** Some rows have no such field. */
  readonly isOptional?: boolean;
  /** Absent: the property of the field's name. */
  value?(row: Row): FieldValue;
  /** What the table shows, where that is not the value's own text. */
  text?(row: Row): string;
  /** Of addresses: the port that the table shows with them. */
  port?(row: Row): number;
  /** Of fields of type `name`: whose name it is. */
  addressOf?(row: Row): IpAddress | undefined;
  /** Or of which Service's frontend it is the name. */
  frontendOf?(row: Row): { readonly address: IpAddress; readonly port: number } | undefined;
}

type OrderKey = number | bigint | string | IpAddress | undefined;

/** What a command's filter flags can ask for. */
export interface SmallMapFilters<Row> {
  traits(row: Row): RowTraits;
  /** Rows are of these protocols and ports; of these identities. */
  readonly hasPorts?: boolean;
  readonly hasIdentities?: boolean;
  /** Rows have addresses of pods: pods, namespaces and label selectors can be asked for. */
  readonly hasAddresses?: boolean;
  /** Rows have frontends: Services can be asked for. */
  readonly hasServices?: boolean;
  readonly directions?: readonly string[];
}

/** A source whose rows have the fields of its key and its value. */
export function source<const Key extends MapFields, const Value extends MapFields>(
  pin: string,
  key: Key,
  value: Value,
  options: Omit<MapSource<SmallMapRow & ValuesOf<Key> & ValuesOf<Value>>, "pin" | "key" | "value"> = {},
): MapSource<SmallMapRow & ValuesOf<Key> & ValuesOf<Value>> {
  return { pin, key, value, ...options };
}

/** The rows of some sources, for functions beside their declaration. */
export type RowOf<Sources extends readonly MapSource<never>[]> =
  Sources[number] extends MapSource<infer Row> ? Row : never;

/** A declaration; what its functions know of a row follows from its sources. */
export function smallMap<Row extends SmallMapRow>(
  sources: readonly MapSource<Row>[],
  declaration: NoInfer<Omit<SmallMap<Row>, "sources">>,
): SmallMap<Row> {
  return { sources, ...declaration };
}

/** The value of one field of a row. */
export function fieldValue<Row extends SmallMapRow>(name: string, field: RowField<Row>, row: Row): FieldValue {
  if (field.type === "name") return row.names?.[name];
  return field.value === undefined
    ? ((row as Readonly<Record<string, unknown>>)[name] as FieldValue)
    : field.value(row);
}

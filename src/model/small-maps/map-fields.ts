import type { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { FieldSpec } from "../struct-fields.js";

/** An address out of a union of both families: IPv4 in its first four bytes. */
export interface UnionAddressField {
  readonly kind: "union-address";
  /** Names of the structure's fields. */
  readonly ip: string;
  readonly family: string;
}

/** A prefix of a longest-prefix map: its length counts the bits in front of the address too. */
export interface PrefixField {
  readonly kind: "prefix";
  readonly address: string;
  readonly length: string;
  /** Family of the address, or the name of the field that says it. */
  readonly family: 4 | 6 | string;
  /** Bits of the key between the length and the address. */
  readonly fixedBits: number;
}

/** How one property of a row lies in a map's key or value. */
export type MapField = FieldSpec<unknown> | UnionAddressField | PrefixField;

/** Property → where it lies. */
export type MapFields = Readonly<Record<string, MapField>>;

/** What the properties hold. */
export type ValuesOf<Fields extends MapFields> = { readonly [Name in keyof Fields]: ValueOf<Fields[Name]> };

type ValueOf<Field> = Field extends UnionAddressField
  ? IpAddress
  : Field extends PrefixField
    ? IpPrefix
    : Field extends FieldSpec<infer T>
      ? T
      : never;

export const unionAddress = (ip: string, family: string): UnionAddressField => ({ kind: "union-address", ip, family });

export const prefix = (family: 4 | 6, address: string, length: string, fixedBits = 0): PrefixField => ({
  kind: "prefix",
  address,
  length,
  family,
  fixedBits,
});

export const unionPrefix = (ip: string, family: string, length: string, fixedBits: number): PrefixField => ({
  kind: "prefix",
  address: ip,
  length,
  family,
  fixedBits,
});

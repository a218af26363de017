import type { IpAddress } from "../lib/ip.js";

export type FieldKind = "uint" | "be" | "sint" | "u64" | "ip4" | "ip6" | "mac" | "text" | "bytes" | "bit" | "bits";

/**
 * How one property of a decoded value lies in the structure. Made by the functions below; src/abi/struct-codec.ts
 * compiles them.
 */
export interface FieldSpec<T> {
  readonly kind: FieldKind;
  /** Names that the field has had over the releases; the first one that the layout has counts. */
  readonly names: readonly string[];
  /** Bytes to use instead of the layout's: a group of bit fields read as one integer. */
  readonly sizeBytes?: number;
  /** Property when the release lacks the field; without it, its absence is an error. */
  readonly absent?: { readonly value: T };
}

/** Unsigned integer in host order, of the layout's size up to 4 bytes. */
export const uint = (...names: string[]): FieldSpec<number> => ({ kind: "uint", names });
/** Unsigned integer in network order, of the layout's size up to 4 bytes. */
export const be = (...names: string[]): FieldSpec<number> => ({ kind: "be", names });
/** Signed integer in host order. */
export const sint = (...names: string[]): FieldSpec<number> => ({ kind: "sint", names });
/** 64-bit unsigned integer in host order. */
export const u64 = (...names: string[]): FieldSpec<bigint> => ({ kind: "u64", names });
/** IPv4 address. */
export const ip4 = (...names: string[]): FieldSpec<IpAddress> => ({ kind: "ip4", names });
/** IPv6 address. */
export const ip6 = (...names: string[]): FieldSpec<IpAddress> => ({ kind: "ip6", names });
/** Six octets as `AA:BB:CC:DD:EE:FF`, the form upstream prints. */
export const mac = (...names: string[]): FieldSpec<string> => ({ kind: "mac", names });
/** NUL-padded UTF-8. */
export const text = (...names: string[]): FieldSpec<string> => ({ kind: "text", names });
/** A copy of the bytes. */
export const bytes = (...names: string[]): FieldSpec<Uint8Array> => ({ kind: "bytes", names });
/** One bit. */
export const bit = (...names: string[]): FieldSpec<boolean> => ({ kind: "bit", names });
/** A bit field. */
export const bits = (...names: string[]): FieldSpec<number> => ({ kind: "bits", names });
/** The bit fields that begin with `name`, as one integer of `sizeBytes` bytes. */
export const bitGroup = (sizeBytes: 1 | 2, ...names: string[]): FieldSpec<number> => ({
  kind: "uint",
  names,
  sizeBytes,
});
/** A field that some releases lack; the property is undefined there. */
export const optional = <T>(spec: FieldSpec<T>): FieldSpec<T | undefined> => ({
  ...spec,
  absent: { value: undefined },
});
/** A field that some releases lack; the property is `value` there. */
export const orElse = <T>(spec: FieldSpec<T>, value: T): FieldSpec<T> => ({ ...spec, absent: { value } });

export type FieldSpecs<T> = { readonly [Property in keyof T]-?: FieldSpec<T[Property]> };

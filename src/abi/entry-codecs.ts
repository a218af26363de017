import { type IpAddress, IpPrefix } from "../lib/ip.js";
import type { MapField, MapFields, PrefixField, UnionAddressField } from "../model/small-maps/map-fields.js";
import { bytes, type FieldSpec, ip4, ip6, uint } from "../model/struct-fields.js";
import { addressOfUnion, unionOfAddress } from "./address-reader.js";
import { AbiError, type Codec, checkBounds, mapCodec } from "./codec.js";
import type { Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/** Properties of a row, by name. */
export type EntryPart = Readonly<Record<string, unknown>>;

/** Codecs of one map's entries, made of the declaration of its fields. */
export interface EntryCodecs {
  readonly key: Codec<EntryPart>;
  readonly value: Codec<EntryPart>;
}

/**
 * @param structs what key and value are
 * @throws AbiError `abi-layout` when a field is in none of the releases' layouts
 */
export function createEntryCodecs(
  structs: { readonly key: string; readonly value: string },
  fields: { readonly key: MapFields; readonly value: MapFields },
  releases: Releases,
): EntryCodecs {
  return {
    key: fieldsCodec(structs.key, fields.key, releases),
    value: fieldsCodec(structs.value, fields.value, releases),
  };
}

/**
 * A codec of the given properties of a structure; some are made of several of its fields.
 * Its `decode` throws AbiError `abi-family` and `abi-prefix` too.
 */
export function fieldsCodec(struct: string, fields: MapFields, releases: Releases): Codec<EntryPart> {
  const parts = Object.entries(fields).map(([name, field]) => partOf(struct, name, field));
  const raw = structCodec<EntryPart>(struct, releases, Object.assign({}, ...parts.map(({ raw: own }) => own)));
  // Most structures are read as they are.
  if (parts.every(({ isPlain }) => isPlain)) return raw;
  return mapCodec<EntryPart, EntryPart>(
    raw,
    (value) => Object.fromEntries(parts.map(({ name, read }) => [name, read(value)])),
    (value) => Object.assign({}, ...parts.map(({ name, write }) => write(value[name]))),
  );
}

/** One property, and the fields that it is made of. */
interface Part {
  readonly name: string;
  readonly isPlain: boolean;
  readonly raw: Readonly<Record<string, FieldSpec<unknown>>>;
  read(raw: EntryPart): unknown;
  write(value: unknown): EntryPart;
}

function partOf(struct: string, name: string, field: MapField): Part {
  switch (field.kind) {
    case "union-address":
      return unionPart(name, field);
    case "prefix":
      return prefixPart(struct, name, field);
    default:
      return {
        name,
        isPlain: true,
        raw: { [name]: field },
        read: (raw) => raw[name],
        write: (value) => ({ [name]: value }),
      };
  }
}

function unionPart(name: string, field: UnionAddressField): Part {
  const [ip, family] = [`${name}Ip`, `${name}Family`];
  return {
    name,
    isPlain: false,
    raw: { [ip]: bytes(field.ip), [family]: uint(field.family) },
    read: (raw) => addressOfUnion(raw[ip] as Uint8Array, raw[family] as number),
    write: (value) => {
      const union = unionOfAddress(value as IpAddress);
      return { [ip]: union.ip, [family]: union.family };
    },
  };
}

function prefixPart(struct: string, name: string, field: PrefixField): Part {
  const length = `${name}Length`;
  const address = addressPart(name, field);
  return {
    name,
    isPlain: false,
    raw: { ...address.raw, [length]: uint(field.length) },
    read: (raw) => {
      const base = address.read(raw) as IpAddress;
      const bits = (raw[length] as number) - field.fixedBits;
      if (bits >= 0 && bits <= base.bitLength) return IpPrefix.of(base, bits);
      throw new AbiError("abi-prefix", `${struct} of ${base} cannot have ${raw[length]} prefix bits`, {
        details: { struct, prefixLength: raw[length], fixedBits: field.fixedBits },
      });
    },
    write: (value) => {
      const prefix = value as IpPrefix;
      return { ...address.write(prefix.address), [length]: prefix.length + field.fixedBits };
    },
  };
}

function addressPart(name: string, { family, address }: PrefixField): Part {
  if (typeof family === "string") return unionPart(name, { kind: "union-address", ip: address, family });
  const ip = `${name}Ip`;
  return {
    name,
    isPlain: false,
    raw: { [ip]: family === 4 ? ip4(address) : ip6(address) },
    read: (raw) => raw[ip],
    write: (value) => ({ [ip]: value }),
  };
}

/** What the kernel aligns each CPU's value to. */
const cpuStrideBytes = 8;

/**
 * Adds the numbers of all CPUs' values, which the kernel gives one behind the other.
 * @param offset of the first CPU's
 */
export function sumPerCpu(codec: Codec<EntryPart>, source: Uint8Array, offset: number, lengthBytes: number): EntryPart {
  checkBounds("the value of all CPUs", source, offset, lengthBytes);
  const stride = Math.ceil(codec.sizeBytes / cpuStrideBytes) * cpuStrideBytes;
  const sums: Record<string, number | bigint> = {};
  for (let at = offset; at + codec.sizeBytes <= offset + lengthBytes; at += stride) {
    for (const [name, value] of Object.entries(codec.decode(source, at))) {
      if (typeof value === "bigint") sums[name] = ((sums[name] as bigint | undefined) ?? 0n) + value;
      if (typeof value === "number") sums[name] = ((sums[name] as number | undefined) ?? 0) + value;
    }
  }
  return sums;
}

import { text, uint } from "../model/struct-fields.js";
import { AbiError, type Codec, mapCodec } from "./codec.js";
import { ownReleases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/** Kinds of things that an ownership record names, numbered as `CTS_OWNER_*` in bpf/lib/layouts.h. */
export const ownerKinds = ["install", "map", "program", "link", "device"] as const;
export type OwnerKind = (typeof ownerKinds)[number];

/** Key of `cts_owner` (64 bytes). */
export interface OwnerKey {
  readonly kind: OwnerKind;
  /** Pin name, or name of a device; up to 60 bytes. */
  readonly name: string;
}

/** Value of `cts_owner` (48 bytes). */
export interface OwnerValue {
  /** UUID of the installation. */
  readonly installId: string;
  /** Id of the map, program or link; ifindex of a device. */
  readonly objectId: number;
  /** Layout version of the record. */
  readonly version: number;
}

export interface OwnerCodecs {
  readonly key: Codec<OwnerKey>;
  readonly value: Codec<OwnerValue>;
}

interface RawKey {
  readonly kind: number;
  readonly name: string;
}

export function createOwnerCodecs(): OwnerCodecs {
  const rawKey = structCodec<RawKey>("cts_owner_key", ownReleases, {
    kind: uint("kind"),
    name: text("name"),
  });
  return {
    key: mapCodec<RawKey, OwnerKey>(
      rawKey,
      (raw) => ({ kind: ownerKindOf(raw.kind), name: raw.name }),
      ({ kind, name }) => ({ kind: ownerKinds.indexOf(kind), name }),
    ),
    value: structCodec<OwnerValue>("cts_owner_value", ownReleases, {
      installId: text("install_id"),
      objectId: uint("object_id"),
      version: uint("version"),
    }),
  };
}

function ownerKindOf(kind: number): OwnerKind {
  const name = ownerKinds[kind];
  if (name === undefined)
    throw new AbiError("abi-range", `${kind} is no kind of an ownership record`, { details: { kind } });
  return name;
}

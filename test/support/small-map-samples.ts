import * as fc from "fast-check";
import type { Codec } from "../../src/abi/codec.js";
import { createEntryCodecs, type EntryPart, fieldsCodec, sumPerCpu } from "../../src/abi/entry-codecs.js";
import { layoutOf } from "../../src/abi/layouts.js";
import { type Release, releases } from "../../src/abi/release.js";
import { type UpstreamMap, upstreamMap } from "../../src/abi/upstream-maps.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import type { NodeClock } from "../../src/model/node-clock.js";
import type { MapField, MapFields } from "../../src/model/small-maps/map-fields.js";
import type { MapSource, SmallMap, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import type { FieldSpec } from "../../src/model/struct-fields.js";
import { captureExists, readCapturedMap } from "../unit/abi-capture-files.js";

/** What a source's maps are in a release, and codecs to fill them with; undefined where the release has none. */
export function sourceIn({ pin, inner, key, value }: MapSource<SmallMapRow>, release: Release) {
  const form = upstreamMap(pin, release);
  if (form === undefined) return undefined;
  const structs = inner === undefined ? form : structsOfInner(inner.like, release);
  const outerKey = inner === undefined ? undefined : fieldsCodec(form.key, inner.outerKey, [release]);
  return { form, structs, outerKey, codecs: createEntryCodecs(structs, { key, value }, [release]) };
}

function structsOfInner(
  like: string | { readonly key: string; readonly value: string },
  release: Release,
): Pick<UpstreamMap, "key" | "value"> {
  return typeof like === "string" ? upstreamMap(like, release)! : like;
}

/** Rows of any values in the layout of the newest release that has the source. */
export function sampleRows(
  source: MapSource<SmallMapRow>,
  { seed, count }: { readonly seed: number; readonly count: number },
): readonly SmallMapRow[] {
  const release = [...releases].reverse().find((candidate) => sourceIn(source, candidate) !== undefined)!;
  const { structs, form } = sourceIn(source, release)!;
  const parts = fc.tuple(
    partsOf(form.key, source.inner?.outerKey ?? {}, release),
    partsOf(structs.key, source.key, release),
    partsOf(structs.value, source.value, release),
  );
  return fc
    .sample(parts, { seed, numRuns: count })
    .map(([outer, key, value]) => ({ pin: source.pin, release, clock: clockAt(4711), ...outer, ...key, ...value }));
}

export function clockAt(nowSeconds: number): NodeClock {
  return { nowSeconds, jiffiesHz: undefined };
}

/** The rows of a map as it was captured on a real node, read at `readAtSeconds` of its clock. */
export function capturedRowsOf<Row extends SmallMapRow>(map: SmallMap<Row>, readAtSeconds = 0): readonly Row[] {
  const release = "1.20";
  const rows = (map as unknown as SmallMap<SmallMapRow>).sources.flatMap((source) => {
    const found = sourceIn(source, release);
    if (found === undefined || !captureExists(`maps/${source.pin}.jsonl`, release)) return [];
    const { key, value } = found.codecs;
    return readCapturedMap(source.pin).entries.map((entry): SmallMapRow => {
      const own = source.isPerCpu === true ? sumOfCpus(value, entry.value) : value.decode(entry.value);
      return { pin: source.pin, release, clock: clockAt(readAtSeconds), ...key.decode(entry.key), ...own };
    });
  });
  return rows as readonly SmallMapRow[] as readonly Row[];
}

/** A capture has the CPUs' values side by side, the kernel at multiples of eight bytes. */
function sumOfCpus(value: Codec<EntryPart>, bytes: Buffer): EntryPart {
  const stride = Math.ceil(value.sizeBytes / 8) * 8;
  const aligned = Buffer.alloc((bytes.length / value.sizeBytes) * stride);
  for (let cpu = 0; cpu * value.sizeBytes < bytes.length; cpu++) {
    bytes.copy(aligned, cpu * stride, cpu * value.sizeBytes, (cpu + 1) * value.sizeBytes);
  }
  return sumPerCpu(value, aligned, 0, aligned.length);
}

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const ip4 = bytesOf(4).map((bytes) => IpAddress.fromBytes(bytes));
const ip6 = bytesOf(16).map((bytes) => IpAddress.fromBytes(bytes));
const mac = bytesOf(6).map((bytes) =>
  [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(":"),
);

/** Any values that the fields can hold in the release. */
export function partsOf(struct: string, fields: MapFields, release: Release): fc.Arbitrary<EntryPart> {
  const values = Object.entries(fields).map(([name, field]) => [name, valuesOf(struct, field, release)] as const);
  return fc.record(Object.fromEntries(values));
}

function valuesOf(struct: string, field: MapField, release: Release): fc.Arbitrary<unknown> {
  if (field.kind === "union-address") return fc.oneof(ip4, ip6);
  if (field.kind === "prefix") return prefixes(typeof field.family === "number" ? field.family : undefined);
  const layout = layoutOf(struct, release);
  const name = field.names.find((candidate) => layout.fields[candidate] !== undefined);
  if (name === undefined) return fc.constant(field.absent?.value);
  const { sizeBytes, bit } = layout.fields[name]!;
  return scalars(field, sizeBytes, bit?.width);
}

function prefixes(family: number | undefined): fc.Arbitrary<IpPrefix> {
  const addresses = family === undefined ? fc.oneof(ip4, ip6) : family === 4 ? ip4 : ip6;
  return fc
    .tuple(addresses, fc.integer({ min: 0, max: 128 }))
    .map(([address, length]) => IpPrefix.of(address, Math.min(length, address.bitLength)));
}

function scalars(field: FieldSpec<unknown>, sizeBytes: number, width: number | undefined): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "ip4":
      return ip4;
    case "ip6":
      return ip6;
    case "mac":
      return mac;
    case "u64":
      return fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    case "bit":
      return fc.boolean();
    case "bytes":
      return bytesOf(sizeBytes);
    case "bits":
      return fc.integer({ min: 0, max: 2 ** (width ?? 1) - 1 });
    default:
      return fc.integer({ min: 0, max: 2 ** (8 * sizeBytes) - 1 });
  }
}

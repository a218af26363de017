import { type FieldSpec, type FieldSpecs, uint } from "../model/struct-fields.js";
import { checkBounds, type StructCodec, type StructColumns } from "./codec.js";
import type { StructLayout } from "./layout.js";
import { layoutsOf } from "./layouts.js";
import type { Releases } from "./release.js";
import { columnReader } from "./struct-columns.js";
import { structRuntime } from "./struct-runtime.js";
import { agreedField, type BoundField, bindField, readExpression, writeStatement } from "./struct-source.js";

/** Fields that are the same in every value: they are written, and no property of it. */
type Constants = Readonly<Record<string, number>>;

/**
 * The codec of an upstream structure. A field that lies differently in two of the releases cannot be told: it reads as
 * undefined, which its specification has to allow ({@link optional}), and cannot be written.
 * @throws AbiError `abi-layout` when a field is in no layout, or ambiguous though it must be there
 */
export function structCodec<T extends object>(
  struct: string,
  releases: Releases,
  specs: FieldSpecs<T>,
  constants: Constants = {},
): StructCodec<T> {
  return layoutCodec(struct, layoutsOf(struct, releases), specs, constants);
}

/**
 * Compiles layouts of one size to a codec. The source of the functions is put together from the layout, so that every read
 * is at a constant offset and every value is made with all its properties at once: half a million conntrack entries
 * decode in a fraction of a second, and a new release is a new table and no code (docs/adr/0003).
 * Only property names and numbers enter that source.
 * @throws AbiError `abi-layout` when a field is not in the layout
 */
export function layoutCodec<T extends object>(
  name: string,
  layouts: readonly StructLayout[],
  specs: FieldSpecs<T>,
  constants: Constants = {},
): StructCodec<T> {
  const bind = (property: string, spec: FieldSpec<unknown>): BoundField =>
    agreedField(
      layouts.map((layout) => bindField(name, layout, property, spec)),
      name,
    );
  const fields = Object.entries(specs as Record<string, FieldSpec<unknown>>).map(([property, spec]) =>
    bind(property, spec),
  );
  const constantFields = Object.keys(constants).map((field) => bind(field, uint(field)));
  const reads = fields.map((field) => `${field.property}: ${readExpression(field)}`).join(",\n");
  const writes = [...fields, ...constantFields].map(writeStatement).join("\n");
  const decode = new Function("run", `"use strict"; return (b, o) => ({\n${reads}\n});`);
  const encode = new Function("run", `"use strict"; return (b, value) => {\n${writes}\n};`);
  const decodeAt = decode(structRuntime) as (b: Uint8Array, o: number) => T;
  const encodeInto = encode(structRuntime) as (b: Buffer, value: T) => void;
  let readColumns: ReturnType<typeof columnReader> | undefined;
  const sizeBytes = layouts[0]?.sizeBytes ?? 0;
  const unknownFields = fields.filter((field) => field.isAmbiguous).map((field) => field.property);
  return {
    sizeBytes,
    unknownFields,
    decode(source, offset = 0) {
      if (offset < 0 || offset + sizeBytes > source.length || !Number.isInteger(offset)) {
        checkBounds(name, source, offset, sizeBytes);
      }
      return decodeAt(source, offset);
    },
    columns(source, count) {
      checkBounds(name, source, 0, count * sizeBytes);
      readColumns ??= columnReader(name, fields, sizeBytes);
      return readColumns(source, count) as StructColumns<T>;
    },
    encode(value) {
      const target = Buffer.alloc(sizeBytes);
      encodeInto(target, { ...value, ...constants });
      return target;
    },
  };
}

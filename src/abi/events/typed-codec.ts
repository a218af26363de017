import type { CaptureHeader } from "../../model/monitor.js";
import { type FieldSpecs, uint } from "../../model/struct-fields.js";
import { type Codec, mapCodec } from "../codec.js";

/** A structure's fields with the type byte that it begins with. */
export type Typed<Header> = Header & { readonly type: number };

/** Writes the type byte and leaves it out of the value. */
export function withType<Header extends object>(type: number, codec: Codec<Typed<Header>>): Codec<Header> {
  return mapCodec(
    codec,
    ({ type: _, ...header }) => header as unknown as Header,
    (header) => ({ ...header, type }),
  );
}

export const captureHeaderSpecs: FieldSpecs<CaptureHeader> = {
  source: uint("source"),
  hash: uint("hash"),
  originalLengthBytes: uint("len_orig"),
  capturedLengthBytes: uint("len_cap"),
  version: uint("version"),
};

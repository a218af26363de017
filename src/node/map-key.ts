import type { MapInfo } from "../kernel/bpf-map.js";
import type { BtfType } from "../kernel/btf.js";
import { encodeBtfValue } from "../kernel/btf-encode.js";
import { createBtfDecoder } from "../kernel/btf-value.js";
import { UsageError } from "../lib/errors.js";
import type { JsonValue } from "../lib/json-value.js";

/**
 * Reads a key as a user writes it: JSON where its type is known, a number or a name where it is one of these, else bytes in
 * hex, with or without blanks or colons between them. Of keys that are numbers bytes need them: `10` is ten.
 * @throws UsageError `bad-key`, `bad-typed-value`
 */
export function parseMapKey(text: string, info: MapInfo, type: BtfType | undefined): Buffer {
  const written = text.trim();
  if (/^[{["]/.test(written)) return encodeBtfValue(typeOrRefuse(written, info, type), parseJson(written));
  if (type !== undefined && isScalar(type) && !/[\s:]/.test(written)) return encodeBtfValue(type, written);
  const bytes = hexBytes(written);
  if (bytes?.length === info.keySizeBytes) return bytes;
  const found = bytes === undefined ? "is no bytes in hex" : `has ${bytes.length} bytes`;
  throw new UsageError("bad-key", `key "${text}" ${found}: keys of ${info.name} have ${info.keySizeBytes}`, {
    hint: shapeHint(type),
  });
}

function isScalar({ kind }: BtfType): boolean {
  return kind === "int" || kind === "enum" || kind === "pointer";
}

function typeOrRefuse(text: string, { name }: MapInfo, type: BtfType | undefined): BtfType {
  if (type !== undefined) return type;
  throw new UsageError("bad-key", `key ${text} cannot be read: nothing says what keys of ${name} are`, {
    hint: "Without BTF keys are bytes in hex, such as 0a:00:00:01.",
  });
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError("bad-key", `key ${text} is no JSON: ${(error as Error).message}`);
  }
}

function hexBytes(text: string): Buffer | undefined {
  const digits = text.replace(/^0x/i, "").replaceAll(/[\s:]+/g, "");
  return /^([0-9a-f]{2})+$/i.test(digits) ? Buffer.from(digits, "hex") : undefined;
}

/** What a key looks like, with zeros in it. */
function shapeHint(type: BtfType | undefined): string {
  const bytes = "A key is its bytes in hex, such as 0a:00:00:01";
  if (type === undefined) return `${bytes}.`;
  return `${bytes}, or here like ${JSON.stringify(createBtfDecoder(type).decode(Buffer.alloc(type.sizeBytes)))}.`;
}

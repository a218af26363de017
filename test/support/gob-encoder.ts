import type { GobValue } from "../../src/abi/gob/gob-value.js";

/** A type as a test writes it down. A type that shall hold itself is given by reference to its own object. */
export type TestType =
  | { readonly kind: "bool" | "int" | "uint" | "float" | "bytes" | "string" | "complex" | "interface" }
  | { readonly kind: "array"; readonly element: TestType; readonly length: number }
  | { readonly kind: "slice"; readonly element: TestType }
  | { readonly kind: "map"; readonly key: TestType; readonly element: TestType }
  | { readonly kind: "struct"; readonly name: string; readonly fields: readonly (readonly [string, TestType])[] }
  | { readonly kind: "encoder"; readonly name: string };

const basicIds: Readonly<Record<string, number>> = {
  bool: 1,
  int: 2,
  uint: 3,
  float: 4,
  bytes: 5,
  string: 6,
  complex: 7,
  interface: 8,
};

/** Writes gob streams: types before they are needed, one message a value. Interfaces hold nothing. */
export class GobTestEncoder {
  readonly #ids = new Map<TestType, number>();
  #nextId = 65;

  /** The messages that define the type, those it is made of too, and then the value. */
  encode(type: TestType, value: GobValue): Buffer {
    const definitions: Buffer[] = [];
    const id = this.#define(type, definitions);
    const start = type.kind === "struct" ? [] : [uint(0n)];
    return Buffer.concat([...definitions, message([int(BigInt(id)), ...start, this.#value(type, value)])]);
  }

  #define(type: TestType, out: Buffer[]): number {
    const known = basicIds[type.kind] ?? this.#ids.get(type);
    if (known !== undefined) return known;
    const id = this.#nextId++;
    this.#ids.set(type, id);
    out.push(message([int(BigInt(-id)), this.#wireType(type, id, out)]));
    return id;
  }

  #wireType(type: TestType, id: number, out: Buffer[]): Buffer {
    const name = "name" in type ? type.name : "";
    const common = structOf([name === "" ? undefined : text(name), int(BigInt(id))]);
    const reference = (of: TestType): Buffer => int(BigInt(this.#define(of, out)));
    switch (type.kind) {
      case "array":
        return structOf([structOf([common, reference(type.element), int(BigInt(type.length))])]);
      case "slice":
        return structOf([undefined, structOf([common, reference(type.element)])]);
      case "struct": {
        const fields = type.fields.map(([field, of]) => structOf([text(field), reference(of)]));
        return structOf([undefined, undefined, structOf([common, list(fields)])]);
      }
      case "map":
        return structOf([
          undefined,
          undefined,
          undefined,
          structOf([common, reference(type.key), reference(type.element)]),
        ]);
      default:
        return structOf([undefined, undefined, undefined, undefined, structOf([common])]);
    }
  }

  #value(type: TestType, value: GobValue): Buffer {
    if (typeof value === "boolean") return uint(value ? 1n : 0n);
    if (typeof value === "bigint") return type.kind === "uint" ? uint(value) : int(value);
    if (typeof value === "number") return float(value);
    if (typeof value === "string") return text(value);
    if (value instanceof Uint8Array) return Buffer.concat([uint(BigInt(value.length)), value]);
    if (value === undefined) return text("");
    if (!("kind" in value)) {
      const { element } = type as TestType & { readonly kind: "slice" };
      return list(value.map((each) => this.#value(element, each)));
    }
    switch (value.kind) {
      case "complex":
        return Buffer.concat([float(value.real), float(value.imaginary)]);
      case "map": {
        const { key, element } = type as TestType & { readonly kind: "map" };
        return list(value.entries.map(([k, v]) => Buffer.concat([this.#value(key, k), this.#value(element, v)])));
      }
      case "struct": {
        const { fields } = type as TestType & { readonly kind: "struct" };
        return structOf(
          fields.map(([name, of]) => (value.fields.has(name) ? this.#value(of, value.fields.get(name)) : undefined)),
        );
      }
    }
  }
}

/** One message with its length. */
export function message(parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([uint(BigInt(content.length)), content]);
}

export function uint(value: bigint): Buffer {
  if (value < 0x80n) return Buffer.from([Number(value)]);
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  return Buffer.concat([Buffer.from([256 - bytes.length]), bytes]);
}

export function int(value: bigint): Buffer {
  return uint(value < 0n ? (~value << 1n) | 1n : value << 1n);
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return uint(bytes.reverse().readBigUInt64BE());
}

function text(value: string): Buffer {
  return Buffer.concat([uint(BigInt(Buffer.byteLength(value))), Buffer.from(value)]);
}

function list(elements: readonly Buffer[]): Buffer {
  return Buffer.concat([uint(BigInt(elements.length)), ...elements]);
}

/** Fields by position; absent ones are stepped over. */
function structOf(fields: readonly (Buffer | undefined)[]): Buffer {
  const parts: Buffer[] = [];
  let last = -1;
  fields.forEach((field, index) => {
    if (field === undefined) return;
    parts.push(uint(BigInt(index - last)), field);
    last = index;
  });
  return Buffer.concat([...parts, uint(0n)]);
}

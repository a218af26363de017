import { GobError } from "./gob-error.js";
import { GobMessages, MissingBytes } from "./gob-messages.js";
import { GobReader } from "./gob-reader.js";
import { type GobType, GobTypes, wireTypeId } from "./gob-types.js";
import { type GobValue, isGobStruct } from "./gob-value.js";

/** What a stream may ask of its reader at most. */
export interface GobLimits {
  /** Of one message, which is held whole. */
  readonly messageBytes: number;
  /** Values in one message, fields and elements included. */
  readonly values: number;
  /** How deep values may lie in each other. */
  readonly depth: number;
  /** Types that a stream defines, with the fields of structs. */
  readonly types: number;
}

export const defaultGobLimits: GobLimits = { messageBytes: 4 << 20, values: 100_000, depth: 64, types: 10_000 };

/**
 * Decodes a stream of Go's package encoding/gob, whose documentation specifies it: bytes in, in pieces of any size, values
 * out. Types are learned from the stream. After an error the place of the next message is unknown, so every later call
 * fails with the same error.
 */
export class GobDecoder {
  readonly #limits: GobLimits;
  readonly #types: GobTypes;
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;
  /** No message is whole before as many bytes have come. */
  #neededBytes = 1;
  #failure: GobError | undefined;

  constructor(limits: Partial<GobLimits> = {}) {
    this.#limits = { ...defaultGobLimits, ...limits };
    this.#types = new GobTypes(this.#limits.types);
  }

  /**
   * Takes the next bytes, which may be kept while their message is unfinished, and returns the values that are whole now.
   * What is wrong behind them is thrown by the next call.
   * @throws GobError
   */
  push(bytes: Uint8Array): readonly GobValue[] {
    if (this.#failure !== undefined) throw this.#failure;
    if (bytes.length > 0) this.#pieces.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < this.#neededBytes) return [];
    const values = this.#decodeMessages(Buffer.concat(this.#pieces));
    if (values.length === 0 && this.#failure !== undefined) throw this.#failure;
    return values;
  }

  /** No more bytes will come. @throws GobError what the last call left to be thrown, `gob-cut` in the middle of a message */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#pendingBytes > 0)
      throw new GobError("gob-cut", `the stream ends ${this.#pendingBytes} bytes into a message`);
  }

  #decodeMessages(buffer: Buffer): readonly GobValue[] {
    const messages = new GobMessages(buffer, this.#limits.messageBytes);
    const values: GobValue[] = [];
    let start = 0;
    try {
      while (true) {
        start = messages.offset;
        const found = new MessageDecoding(messages, this.#types, this.#limits).message();
        if (found !== undefined) values.push(found.value);
        this.#types.commit();
      }
    } catch (error) {
      if (error instanceof MissingBytes) this.#keep(buffer.subarray(start), error.neededBytes - start);
      else if (error instanceof GobError) this.#failure = error;
      else throw error;
      return values;
    }
  }

  /** A value that is spread over messages is begun again when the next of them is whole. */
  #keep(rest: Buffer, neededBytes: number): void {
    this.#types.rollback();
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
    this.#neededBytes = neededBytes;
  }
}

/** Decodes bytes that hold one value and nothing else but the types that it needs. @throws GobError */
export function decodeGob(bytes: Uint8Array, limits: Partial<GobLimits> = {}): GobValue {
  const decoder = new GobDecoder(limits);
  const values = decoder.push(bytes);
  decoder.end();
  if (values.length !== 1) throw new GobError("gob-cut", `${values.length} values where there should be one`);
  return values[0];
}

/** More messages than one value of a sane sender is spread over. */
const longestChain = 1000;

/** One message: a type, or a value and whatever types its interfaces bring along. */
class MessageDecoding {
  readonly #messages: GobMessages;
  readonly #types: GobTypes;
  readonly #limits: GobLimits;
  readonly #start: number;
  #values = 0;
  #chain = 0;

  constructor(messages: GobMessages, types: GobTypes, limits: GobLimits) {
    this.#messages = messages;
    this.#start = messages.offset;
    this.#types = types;
    this.#limits = limits;
  }

  /** Undefined for a message that defines a type. @throws GobError, {@link MissingBytes} */
  message(): { readonly value: GobValue } | undefined {
    const reader = new GobReader(this.#messages.next());
    const id = this.#typeId(reader);
    if (id < 0) this.#define(-id, reader);
    const found = id < 0 ? undefined : { value: this.#topLevel(id, reader, 0) };
    if (reader.remaining > 0) throw new GobError("gob-cut", `${reader.remaining} bytes follow the end of a message`);
    return found;
  }

  #typeId(reader: GobReader): number {
    const id = reader.int();
    if (id > 0x7fff_ffffn || id < -0x7fff_ffffn) throw new GobError("gob-type", `${id} is no type`);
    return Number(id);
  }

  #define(id: number, reader: GobReader): void {
    const definition = this.#value(wireTypeId, reader, 0);
    if (isGobStruct(definition)) this.#types.define(id, definition);
  }

  /** What is no struct is sent as if it were the first field of one, without an end. */
  #topLevel(id: number, reader: GobReader, depth: number): GobValue {
    const isStruct = this.#types.get(id).kind === "struct";
    if (!isStruct && reader.uint() !== 0n) throw new GobError("gob-number", "a value that is no struct has fields");
    return this.#value(id, reader, depth);
  }

  #value(id: number, reader: GobReader, depth: number): GobValue {
    const { values, depth: deepest } = this.#limits;
    if (++this.#values > values) throw new GobError("gob-limit", `more than ${values} values in a message`);
    if (depth > deepest) throw new GobError("gob-limit", `values lie deeper than ${deepest} in each other`);
    const type = this.#types.get(id);
    switch (type.kind) {
      case "bool":
        return reader.uint() !== 0n;
      case "int":
        return reader.int();
      case "uint":
        return reader.uint();
      case "float":
        return reader.float();
      case "bytes":
        return reader.bytes();
      case "string":
        return reader.text();
      case "complex":
        return { kind: "complex", real: reader.float(), imaginary: reader.float() };
      default:
        return this.#composite(type, reader, depth + 1);
    }
  }

  #composite(type: GobType, reader: GobReader, depth: number): GobValue {
    switch (type.kind) {
      case "array":
      case "slice":
        return this.#elements(type, reader, depth);
      case "map":
        return this.#entries(type, reader, depth);
      case "struct":
        return this.#fields(type, reader, depth);
      default:
        return this.#interface(reader, depth);
    }
  }

  #elements(type: GobType & { kind: "array" | "slice" }, reader: GobReader, depth: number): readonly GobValue[] {
    const count = reader.count();
    if (type.kind === "array" && count !== type.length) {
      throw new GobError("gob-type", `an array of ${type.length} has ${count} elements`);
    }
    const elements: GobValue[] = [];
    // No value is shorter than a byte, so the message ends before the count does much harm.
    for (let i = 0; i < count; i++) elements.push(this.#value(type.element, reader, depth));
    return elements;
  }

  #entries(type: GobType & { kind: "map" }, reader: GobReader, depth: number): GobValue {
    const count = reader.count();
    const entries: (readonly [GobValue, GobValue])[] = [];
    for (let i = 0; i < count; i++) {
      entries.push([this.#value(type.key, reader, depth), this.#value(type.element, reader, depth)]);
    }
    return { kind: "map", entries };
  }

  #fields(type: GobType & { kind: "struct" }, reader: GobReader, depth: number): GobValue {
    const fields = new Map<string, GobValue>();
    let index = -1;
    for (let step = reader.count(); step !== 0; step = reader.count()) {
      index += step;
      const field = type.fields[index];
      if (field === undefined) throw new GobError("gob-type", `${type.name} has no field ${index}`);
      fields.set(field.name, this.#value(field.type, reader, depth));
    }
    return { kind: "struct", type: type.name, fields };
  }

  /**
   * The name of the concrete type, its id, how long the value's first piece is, and the value. Types that were never sent
   * come between name and id. Go's encoder sends what it has of a message with the first of them, so the value goes on in
   * the next message, or, within another interface, behind the length of its next piece.
   */
  #interface(reader: GobReader, depth: number): GobValue {
    if (reader.text() === "") return undefined;
    let id = this.#typeId(reader);
    while (id < 0) {
      this.#define(-id, reader);
      if (reader.remaining > 0) reader.uint();
      else reader.continueWith(this.#nextInChain());
      id = this.#typeId(reader);
    }
    reader.uint();
    return this.#topLevel(id, reader, depth);
  }

  #nextInChain(): Buffer {
    const { messageBytes } = this.#limits;
    if (++this.#chain > longestChain || this.#messages.offset - this.#start > messageBytes) {
      throw new GobError("gob-limit", `a value in more than ${longestChain} messages or ${messageBytes} bytes`);
    }
    return this.#messages.next();
  }
}

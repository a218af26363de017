import type { JsonObject, JsonValue } from "../lib/json-value.js";
import { type TextBuffer, type TextPiece, textPiece } from "./text-buffer.js";

/** A field of a list's JSON items. A value that is absent leaves the field out. */
export interface JsonField<Row> {
  readonly name: string;
  value(row: Row): JsonValue | undefined;
  /** Writes the label and the value as JSON; false where there is none. */
  write(row: Row, label: TextPiece, out: TextBuffer): boolean;
}

/** A field with a value of its own. */
export function jsonField<Row>(name: string, value: (row: Row) => JsonValue | undefined): JsonField<Row> {
  return {
    name,
    value,
    write(row, label, out) {
      const present = value(row);
      if (present === undefined) return false;
      out.piece(label);
      writeValue(present, out);
      return true;
    },
  };
}

/** A field with fields in it. */
export function jsonObjectField<Row, Part>(
  name: string,
  part: (row: Row) => Part | undefined,
  fields: JsonFields<Part>,
): JsonField<Row> {
  return {
    name,
    value(row) {
      const present = part(row);
      return present === undefined ? undefined : fields.item(present);
    },
    write(row, label, out) {
      const present = part(row);
      if (present === undefined) return false;
      out.piece(label);
      fields.write(present, out);
      return true;
    },
  };
}

/** The fields of an item: the item as an object, and as text without making one. Both say the same. */
export class JsonFields<Row> {
  readonly #fields: readonly JsonField<Row>[];
  readonly #first: readonly TextPiece[];
  readonly #next: readonly TextPiece[];

  constructor(fields: readonly JsonField<Row>[]) {
    this.#fields = fields;
    this.#first = fields.map(({ name }) => textPiece(`{${JSON.stringify(name)}:`));
    this.#next = fields.map(({ name }) => textPiece(`,${JSON.stringify(name)}:`));
  }

  item(row: Row): JsonObject {
    const item: Record<string, JsonValue> = {};
    for (const field of this.#fields) {
      const value = field.value(row);
      if (value !== undefined) item[field.name] = value;
    }
    return item;
  }

  /** `JSON.stringify(this.item(row))` */
  write(row: Row, out: TextBuffer): void {
    let labels = this.#first;
    for (let i = 0; i < this.#fields.length; i++) {
      if (this.#fields[i]!.write(row, labels[i]!, out)) labels = this.#next;
    }
    out.text(labels === this.#first ? "{}" : "}");
  }
}

/** Text that stands in JSON as it is. */
const plainText = /^[ !#-[\]-~]*$/;

function writeValue(value: JsonValue, out: TextBuffer): void {
  if (typeof value === "number" && Number.isFinite(value)) out.number(value);
  else if (typeof value === "string" && plainText.test(value)) {
    out.text('"');
    out.text(value);
    out.text('"');
  } else out.text(JSON.stringify(value));
}

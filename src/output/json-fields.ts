import type { JsonObject, JsonValue } from "../lib/json-value.js";
import { type TextBuffer, type TextPiece, textPiece } from "./text-buffer.js";

/** A field of a list's JSON items. A value that is absent leaves the field out. */
export interface JsonField<Row> {
  readonly name: string;
  value(row: Row): JsonValue | undefined;
  /** Writes the label and the value as JSON; false where there is none. */
  write(row: Row, label: TextPiece, out: TextBuffer): boolean;
  /** The value as JSON, open where rows of one form differ; nothing where there is none. */
  formPieces(row: Row): readonly FormPiece<Row>[];
}

/** Text that all rows of a form have, or what each of them has for itself. */
type FormPiece<Row> = string | ((row: Row) => JsonValue | undefined);

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
    formPieces(row) {
      const present = value(row);
      return present === undefined ? [] : [JSON.stringify(present)];
    },
  };
}

/** The same, of those that rows of one form differ in. */
export function ownField<Row>(name: string, value: (row: Row) => JsonValue | undefined): JsonField<Row> {
  return { ...jsonField(name, value), formPieces: (row) => (value(row) === undefined ? [] : [value]) };
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
    formPieces(row) {
      const present = part(row);
      if (present === undefined) return [];
      return fields
        .formPieces(present)
        .map((piece) => (typeof piece === "string" ? piece : (one) => piece(part(one)!)));
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

  formPieces(row: Row): readonly FormPiece<Row>[] {
    const fields = this.#fields
      .map(({ name, formPieces }) => ({ name, pieces: formPieces(row) }))
      .filter(({ pieces }) => pieces.length > 0);
    const labelled = fields.flatMap(({ name, pieces }, i) => [
      `${i === 0 ? "" : ","}${JSON.stringify(name)}:`,
      ...pieces,
    ]);
    return ["{", ...labelled, "}"];
  }
}

/** The items of rows that are alike but for some fields: what they share was written once. */
export class JsonForm<Row> {
  readonly #open: readonly { readonly before: TextPiece; value(row: Row): JsonValue | undefined }[];
  readonly #end: TextPiece;

  /** @param row one of them; all have the same fields */
  constructor(fields: JsonFields<Row>, row: Row) {
    const open: { readonly before: TextPiece; value(row: Row): JsonValue | undefined }[] = [];
    let text = "";
    for (const piece of fields.formPieces(row)) {
      if (typeof piece === "string") text += piece;
      else {
        open.push({ before: textPiece(text), value: piece });
        text = "";
      }
    }
    this.#open = open;
    this.#end = textPiece(text);
  }

  /** `fields.write(row, out)` */
  write(row: Row, out: TextBuffer): void {
    for (const { before, value } of this.#open) {
      out.piece(before);
      writeValue(value(row) ?? null, out);
    }
    out.piece(this.#end);
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

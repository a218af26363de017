import { type NameColumn, noName } from "../model/name-column.js";
import type { AddressName } from "../model/rows.js";
import type { EntryWriter } from "./list-format.js";
import { PieceTable } from "./piece-table.js";

/** Writes the texts of names, each made once. */
export class NamePieces {
  readonly #textOf: (name: AddressName) => string;
  #names: readonly AddressName[] = [];
  #table: PieceTable | undefined;

  constructor(textOf: (name: AddressName) => string) {
    this.#textOf = textOf;
  }

  /** For the names of one batch; writes nothing where there is no name. */
  writer({ names, ids }: NameColumn = { names: [], ids: new Int32Array() }): EntryWriter {
    const table = this.#tableOf(names);
    return (index, out) => {
      const id = ids[index] ?? noName;
      if (id !== noName) table.write(id, out);
    };
  }

  /** Batches of one command share their list of names. */
  #tableOf(names: readonly AddressName[]): PieceTable {
    if (this.#table !== undefined && names === this.#names) return this.#table;
    this.#names = names;
    this.#table = new PieceTable((id) => this.#textOf(names[id]!));
    return this.#table;
  }
}

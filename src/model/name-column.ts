import type { AddressName } from "./rows.js";

/** The id of an address that has no name. */
export const noName = -1;

/** The names of one end of many entries: for each the place of its name in a list, or {@link noName}. */
export interface NameColumn {
  /** May grow meanwhile; nothing in it changes. */
  readonly names: readonly AddressName[];
  readonly ids: Int32Array;
}

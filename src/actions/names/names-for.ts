import { emptyNames } from "../../model/names-document.js";
import type { Target } from "../open-target.js";
import { needsNames, type RowSelection } from "../row-selection.js";
import { NameIndex } from "./name-index.js";

/** How the rows of a list are to be read. */
export interface ReadOptions {
  readonly signal: AbortSignal;
  /** False for upstream's formats, which print no names: then rows come without, and as the kernel has them. */
  readonly isNamed: boolean;
}

/** What rows are named with and what the selection speaks of; nobody is asked for names that neither needs. */
export async function namesFor(
  target: Target,
  selection: RowSelection,
  { isNamed }: Pick<ReadOptions, "isNamed">,
): Promise<NameIndex> {
  return isNamed || needsNames(selection) ? target.names(selection) : new NameIndex(emptyNames);
}

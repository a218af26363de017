import type { IpAddress } from "../../lib/ip.js";
import type { CtColumns } from "../../model/conntrack-columns.js";
import type { EntryWriter } from "../list-format.js";
import { textPiece } from "../text-buffer.js";

export type CtEnd = "source" | "destination";

const bracket = textPiece("[");
const closingBracket = textPiece("]:");
const colon = textPiece(":");

/** Writes the addresses of one end. @param textOf what IPv6 addresses are written as */
export function addressWriter(
  columns: CtColumns,
  end: CtEnd,
  textOf = (address: IpAddress): string => address.text,
): EntryWriter {
  if (columns.isV6) return (index, out) => out.text(textOf(columns[end](index)));
  const words = columns.values[end];
  return (index, out) => out.v4(words[index]!);
}

/** Writes what `addressPort` says of one end. */
export function addressPortWriter(columns: CtColumns, end: CtEnd): EntryWriter {
  const { values, isV6 } = columns;
  const ports = end === "source" ? values.sourcePort : values.destinationPort;
  const writeAddress = addressWriter(columns, end);
  return (index, out) => {
    if (isV6) out.piece(bracket);
    writeAddress(index, out);
    out.labelled(isV6 ? closingBracket : colon, ports[index]!);
  };
}

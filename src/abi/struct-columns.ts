import { AbiError } from "./codec.js";
import { type BoundField, readExpression, wordExpression } from "./struct-source.js";

/**
 * Compiles the reading of many structures of one kind to a loop that fills an array for each property, at constant
 * offsets: half a million conntrack entries in a few hundredths of a second.
 * @throws AbiError `abi-layout` when a property is neither a number nor an address
 */
export function columnReader(
  struct: string,
  fields: readonly BoundField[],
  sizeBytes: number,
): (bytes: Uint8Array, count: number) => unknown {
  const columns = fields.filter((field) => field.at !== undefined).map((field) => columnOf(struct, field));
  const made = columns.map(({ field, array, words }) => `const ${field.property} = new ${array}(${words} * n);`);
  const read = columns.flatMap(({ field, words, reads }) =>
    reads.map((read, word) => `${field.property}[${words} * i + ${word}] = ${read};`),
  );
  const source = `"use strict"; return (b, n) => {
    ${made.join("\n")}
    for (let i = 0, o = 0; i < n; i++, o += ${sizeBytes}) {
      ${read.join("\n")}
    }
    return { ${columns.map(({ field }) => field.property).join(", ")} };
  };`;
  return new Function(source)() as (bytes: Uint8Array, count: number) => unknown;
}

interface Column {
  readonly field: BoundField;
  readonly array: string;
  /** Elements of one entry. */
  readonly words: number;
  /** JavaScript that reads each of them. */
  readonly reads: readonly string[];
}

function columnOf(struct: string, field: BoundField): Column {
  const words = (count: number, order: "host" | "network"): string[] =>
    Array.from({ length: count }, (_, word) => wordExpression(field, 4 * word, order));
  switch (field.spec.kind) {
    case "uint":
    case "be":
      return { field, array: `Uint${8 * field.sizeBytes}Array`, words: 1, reads: [readExpression(field)] };
    case "u64":
      return { field, array: "Uint32Array", words: 2, reads: words(2, "host") };
    case "ip4":
      return { field, array: "Int32Array", words: 1, reads: words(1, "network") };
    case "ip6":
      return { field, array: "Int32Array", words: 4, reads: words(4, "network") };
    default:
      throw new AbiError("abi-layout", `${struct}.${field.property} is no number that a column could hold`);
  }
}

import { Flags } from "#oclif";
import { UsageError } from "../../lib/errors.js";
import { didYouMean } from "../../lib/nearest-name.js";
import { protocolNumber, protocolWords } from "../../model/protocol-names.js";

/** An integer within bounds; anything else is misuse. */
export const boundedInteger = Flags.custom<number, { readonly min: number; readonly max: number }>({
  parse: async (text, _, { min, max }) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError("bad-number", `"${text}" is not a whole number from ${min} to ${max}`);
  },
});

/** A protocol by name or number. */
export const protocolFlag = Flags.custom<number>({
  parse: async (text) => {
    const number = protocolNumber(text);
    if (number !== undefined) return number;
    throw new UsageError("unknown-protocol", `"${text}" is no protocol${didYouMean(text, protocolWords)}`, {
      hint: `protocols are ${protocolWords.join(", ")} or a number`,
    });
  },
});

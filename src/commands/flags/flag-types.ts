import { Flags } from "#oclif";
import { UsageError } from "../../lib/errors.js";
import { didYouMean } from "../../lib/nearest-name.js";
import { parseDurationMs } from "../../lib/time.js";
import { protocolNumber, protocolWords } from "../../model/protocol-names.js";

/** An integer within bounds; anything else is misuse. */
export const boundedInteger = Flags.custom<number, { readonly min: number; readonly max: number }>({
  parse: async (text, _, { min, max }) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError("bad-number", `"${text}" is not a whole number from ${min} to ${max}`);
  },
});

/** A length of time, or a point of it in milliseconds of the Unix epoch. */
export type Moment =
  | { readonly kind: "duration"; readonly ms: number }
  | { readonly kind: "time"; readonly ms: number };

/** `30s`, `2h13m`, or a time as RFC 3339 writes it. */
export const momentFlag = Flags.custom<Moment>({
  parse: async (text) => {
    const durationMs = parseDurationMs(text);
    if (durationMs !== undefined) return { kind: "duration", ms: durationMs };
    const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN;
    if (!Number.isNaN(ms)) return { kind: "time", ms };
    throw new UsageError(
      "bad-moment",
      `"${text}" is neither a duration as 30s or 2h13m, nor a time as 2026-11-21T14:03:00Z`,
    );
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

import { AgentError, type CtsErrorOptions } from "../../lib/errors.js";

/**
 * Bytes that are no gob stream, or one that holds something else than was asked for. Codes: `gob-cut` (a value ends before
 * its bytes do, or the other way round), `gob-number` (no such integer), `gob-type` (a type that was never defined, twice, or
 * wrongly), `gob-limit` (larger, deeper or more than {@link GobLimits} allow), `gob-shape` (a field of another kind).
 */
export class GobError extends AgentError {
  constructor(code: GobErrorCode, message: string, options: CtsErrorOptions = {}) {
    super(code, message, options);
  }
}

export type GobErrorCode = "gob-cut" | "gob-number" | "gob-type" | "gob-limit" | "gob-shape";

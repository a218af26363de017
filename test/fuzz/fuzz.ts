import { isDeepStrictEqual } from "node:util";
import { makeInput, Random } from "./mutate.js";

/** Something that reads bytes that nobody vouches for. */
export interface FuzzTarget {
  readonly name: string;
  /** Well-formed inputs to begin with. */
  readonly seeds: readonly Buffer[];
  /** Decodes; may throw what {@link FuzzTarget.isRefusal} knows. */
  run(bytes: Uint8Array): unknown;
  /** An error by which the target refuses an input, as its contract says. */
  isRefusal(error: unknown): boolean;
}

export interface FuzzReport {
  readonly name: string;
  readonly inputs: number;
  readonly refused: number;
  readonly failures: readonly FuzzFailure[];
}

export interface FuzzFailure {
  readonly target: string;
  readonly inputHex: string;
  readonly what: string;
}

/** Room on either side of an input, filled with what must not show in the result. */
const margin = 64;

/**
 * Feeds a target with mutated inputs, each twice between different bytes: a result that differs has read outside of its
 * input. Anything thrown but a refusal is a failure.
 */
export function fuzz(target: FuzzTarget, options: { readonly seed: number; readonly inputs: number }): FuzzReport {
  const random = new Random(options.seed);
  const failures: FuzzFailure[] = [];
  let refused = 0;
  for (let i = 0; i < options.inputs; i++) {
    const input = makeInput(target.seeds, random);
    const outcome = runBetween(target, input, 0x00);
    const again = runBetween(target, input, 0xa5);
    if (outcome.kind === "refused") refused++;
    const what = faultOf(outcome, again);
    if (what !== undefined) failures.push({ target: target.name, inputHex: input.toString("hex"), what });
  }
  return { name: target.name, inputs: options.inputs, refused, failures };
}

type Outcome =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "refused" }
  | { readonly kind: "thrown"; readonly error: unknown };

function runBetween(target: FuzzTarget, input: Buffer, surroundings: number): Outcome {
  const room = Buffer.alloc(input.length + 2 * margin, surroundings);
  input.copy(room, margin);
  try {
    return { kind: "value", value: target.run(room.subarray(margin, margin + input.length)) };
  } catch (error) {
    return target.isRefusal(error) ? { kind: "refused" } : { kind: "thrown", error };
  }
}

function faultOf(outcome: Outcome, again: Outcome): string | undefined {
  if (outcome.kind === "thrown") return `throws ${String(outcome.error)}`;
  if (outcome.kind !== again.kind) return "is refused or not by what lies around it";
  if (outcome.kind !== "value" || again.kind !== "value") return undefined;
  return isDeepStrictEqual(outcome.value, again.value) ? undefined : "reads outside of its input";
}

import { CtsError, ExitCode } from "../lib/errors.js";

/** What the user sees of a failure, and the exit code that goes with it. */
export interface ErrorReport {
  /** Whole text for stderr without a trailing newline; empty when the end is a quiet one. */
  readonly text: string;
  readonly exitCode: ExitCode;
}

/** Names the command line in texts: what the user typed to get here. */
export interface ErrorContext {
  /** E.g. `kubectl cilium-ts bpf ct list`. */
  readonly commandLine: string;
  /** Flags of the command line that say where to look, for the commands that are named as next steps. */
  readonly target?: ErrorTarget | undefined;
  /** Print stack traces and machine-readable details too. */
  readonly isVerbose: boolean;
}

/** `--lab NAME`, `--name NAME` of the lab commands, or `--local`. */
export type ErrorTarget = { readonly lab: string } | "local";

/** Finds in the words of a command line where it was told to look. */
export function findErrorTarget(words: readonly string[]): ErrorTarget | undefined {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  if (own.includes("--local")) return "local";
  for (const [index, word] of own.entries()) {
    const [flag, value = own[index + 1]] = word.split("=", 2);
    if ((flag === "--lab" || flag === "--name") && value !== undefined && value !== "") return { lab: value };
  }
  return undefined;
}

/** A step that is a command of ours is to be run on the same target, so that it can be typed as it stands. */
function onTarget(step: string, target: ErrorTarget | undefined): string {
  if (target === undefined || !step.startsWith("kubectl cilium-ts ")) return step;
  if (/ --(lab|name|local|help)\b/.test(step)) return step;
  const [command = "", ...comment] = step.split("   ");
  const isLabCommand = command.startsWith("kubectl cilium-ts lab ");
  if (target === "local") return isLabCommand ? step : [`${command} --local`, ...comment].join("   ");
  return [`${command} ${isLabCommand ? "--name" : "--lab"} ${target.lab}`, ...comment].join("   ");
}

/** Turns anything thrown into words and an exit code; classifies by class and code, never by message text. */
export function reportError(error: unknown, context: ErrorContext): ErrorReport {
  if (error instanceof CtsError) return { text: describeCtsError(error, context), exitCode: error.exitCode };
  if (isParseError(error)) {
    return {
      text: `${sentence(withoutParserFrame(error.message))}\nNext: ${context.commandLine} --help`,
      exitCode: ExitCode.usage,
    };
  }
  const lines = [`Unexpected error: ${error instanceof Error ? error.message : String(error)}`];
  if (error instanceof Error && error.stack !== undefined) lines.push(error.stack.split("\n").slice(1, 6).join("\n"));
  lines.push("This is a bug in kubectl cilium-ts. Please report it with the lines above and the output of:");
  lines.push("  kubectl cilium-ts version -o json");
  return { text: lines.join("\n"), exitCode: ExitCode.bug };
}

function describeCtsError(error: CtsError, context: ErrorContext): string {
  const lines = [sentence(withoutParserFrame(error.message))];
  if (error.hint !== undefined) lines.push(`Hint: ${error.hint}`);
  for (const cause of causesOf(error)) lines.push(`Cause: ${cause}`);
  const steps = error.nextSteps.map((step) => onTarget(step, context.target));
  if (steps.length === 1) lines.push(`Next: ${steps[0]}`);
  else if (steps.length > 1) lines.push("Next:", ...steps.map((step) => `  ${step}`));
  else if (error.exitCode === ExitCode.usage) lines.push(`Next: ${context.commandLine} --help`);
  if (context.isVerbose) {
    lines.push(`Code: ${error.code}`);
    const details = Object.entries(error.details);
    if (details.length > 0) lines.push("Details:", ...details.map(([key, value]) => `  ${key}: ${detailText(value)}`));
    if (error.stack !== undefined) lines.push(error.stack);
  }
  return lines.join("\n");
}

function causesOf(error: Error): readonly string[] {
  const causes: string[] = [];
  let cause: unknown = error.cause;
  while (cause instanceof Error && causes.length < 4) {
    if (!error.message.includes(cause.message)) causes.push(cause.message);
    cause = cause.cause;
  }
  return causes;
}

function detailText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v));
}

function sentence(text: string): string {
  return text.startsWith("Error") ? text : `Error: ${text}`;
}

/** oclif marks what the parser refused with `oclif.exit` 2 and appends its own pointer to `--help`, which we word. */
function isParseError(error: unknown): error is Error {
  if (!(error instanceof Error) || !("oclif" in error)) return false;
  const { oclif } = error;
  return typeof oclif === "object" && oclif !== null && "exit" in oclif && oclif.exit === 2;
}

/** oclif puts the flag's name before and a pointer to `--help` behind what a flag's own check said. */
function withoutParserFrame(message: string): string {
  return message
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("See more help"))
    .join("\n")
    .replace(/^Parsing (--\S+)\n/, "$1: ");
}

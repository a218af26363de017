import { protocolWords } from "../../model/protocol-names.js";
import { ctStates } from "../../model/rows.js";

/** What completion needs to know of a command; the manifest has it, so no command is loaded. */
export interface CommandGrammar {
  /** Words of the command, e.g. `["bpf", "ct", "list"]`. */
  readonly words: readonly string[];
  readonly summary?: string | undefined;
  readonly flags: readonly FlagGrammar[];
  readonly args: readonly { readonly name: string; readonly options?: readonly string[] | undefined }[];
}

export interface FlagGrammar {
  readonly name: string;
  readonly char?: string | undefined;
  readonly takesValue: boolean;
  readonly options?: readonly string[] | undefined;
  readonly summary?: string | undefined;
}

/** Kinds of names that only a running lab or cluster knows. */
export type LiveKind = "lab" | "node" | "pod" | "service" | "namespace";

export interface Candidate {
  readonly text: string;
  readonly description?: string | undefined;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names to be added by whoever can look them up. */
  readonly live: readonly LiveKind[];
  /** The word that is being typed; candidates must begin with it. */
  readonly prefix: string;
  /** What was typed of flags that choose where live names come from. */
  readonly context: { readonly lab?: string | undefined; readonly namespace?: string | undefined };
}

const liveFlags: Readonly<Record<string, readonly LiveKind[]>> = {
  lab: ["lab"],
  node: ["node"],
  pod: ["pod"],
  service: ["service"],
  to: ["service", "pod"],
  namespace: ["namespace"],
};

const liveArgs: Readonly<Record<string, readonly LiveKind[]>> = {
  pod: ["pod"],
  source: ["pod"],
  endpoint: ["pod"],
  destination: ["service", "pod"],
  service: ["service"],
  node: ["node"],
  lab: ["lab"],
};

/** Values of flags whose check is more than a list of words. */
const knownValues: Readonly<Record<string, readonly string[]>> = {
  output: ["table", "wide", "json", "yaml", "jsonl", "name", "jsonpath=", "cilium", "cilium-json"],
  proto: protocolWords,
  state: ctStates,
};

/** Says what can come next. @param words typed so far, the last one possibly empty */
export function completeWords(words: readonly string[], commands: readonly CommandGrammar[]): Completion {
  const prefix = words.at(-1) ?? "";
  const typed = words.slice(0, -1);
  const command = findCommand(typed, commands);
  if (command === undefined) return { candidates: nextWords(typed, prefix, commands), live: [], prefix, context: {} };
  const rest = typed.slice(command.words.length);
  const context = { lab: typedValue(rest, command, "lab"), namespace: typedValue(rest, command, "namespace") };
  const at = (completion: Partial<Completion>): Completion => ({
    candidates: [],
    live: [],
    prefix,
    context,
    ...completion,
  });
  const pending = flagAwaitingValue(rest, command);
  if (pending !== undefined) return at(valuesOf(pending, prefix));
  if (/^--[^=]+=/.test(prefix)) return at(inlineValues(prefix, command));
  if (prefix.startsWith("-")) return at({ candidates: flagCandidates(prefix, command) });
  return at(argumentCandidates(rest, prefix, command));
}

function findCommand(typed: readonly string[], commands: readonly CommandGrammar[]): CommandGrammar | undefined {
  return commands
    .filter((command) => command.words.every((word, index) => typed[index] === word))
    .sort((a, b) => b.words.length - a.words.length)[0];
}

function nextWords(
  typed: readonly string[],
  prefix: string,
  commands: readonly CommandGrammar[],
): readonly Candidate[] {
  const next = new Map<string, string | undefined>();
  for (const { words, summary } of commands) {
    const isBelow = words.length > typed.length && typed.every((word, index) => words[index] === word);
    const word = words[typed.length];
    if (!isBelow || word === undefined || !word.startsWith(prefix)) continue;
    next.set(word, words.length === typed.length + 1 ? summary : undefined);
  }
  return [...next].map(([text, description]) => ({ text, description })).sort((a, b) => (a.text < b.text ? -1 : 1));
}

function findFlag(word: string, command: CommandGrammar): FlagGrammar | undefined {
  if (word.startsWith("--")) return command.flags.find((flag) => `--${flag.name}` === word);
  return word.length === 2 && word.startsWith("-") ? command.flags.find((flag) => flag.char === word[1]) : undefined;
}

function flagAwaitingValue(rest: readonly string[], command: CommandGrammar): FlagGrammar | undefined {
  const flag = findFlag(rest.at(-1) ?? "", command);
  return flag?.takesValue === true ? flag : undefined;
}

function valuesOf(flag: FlagGrammar, prefix: string): Pick<Completion, "candidates" | "live"> {
  const values = flag.options ?? knownValues[flag.name] ?? [];
  return { candidates: startingWith(values, prefix), live: liveFlags[flag.name] ?? [] };
}

/** `--output=js`: shells take the whole word, so candidates carry the flag. */
function inlineValues(word: string, command: CommandGrammar): Pick<Completion, "candidates"> {
  const [name = "", value = ""] = word.split(/=(.*)/s);
  const flag = findFlag(name, command);
  if (flag === undefined) return { candidates: [] };
  return { candidates: valuesOf(flag, value).candidates.map(({ text }) => ({ text: `${name}=${text}` })) };
}

function flagCandidates(prefix: string, command: CommandGrammar): readonly Candidate[] {
  return command.flags
    .map((flag) => ({ text: `--${flag.name}`, description: flag.summary }))
    .filter(({ text }) => text.startsWith(prefix));
}

function argumentCandidates(
  rest: readonly string[],
  prefix: string,
  command: CommandGrammar,
): Pick<Completion, "candidates" | "live"> {
  const index = positionals(rest, command).length;
  const arg = command.args[index];
  if (arg === undefined) return { candidates: [], live: [] };
  return { candidates: startingWith(arg.options ?? [], prefix), live: liveArgs[arg.name] ?? [] };
}

function positionals(rest: readonly string[], command: CommandGrammar): readonly string[] {
  return rest.filter((word, index) => {
    const before = findFlag(rest[index - 1] ?? "", command);
    return !word.startsWith("-") && before?.takesValue !== true;
  });
}

function typedValue(rest: readonly string[], command: CommandGrammar, name: string): string | undefined {
  const flag = command.flags.find((candidate) => candidate.name === name);
  for (let index = 0; index < rest.length; index++) {
    if (flag !== undefined && findFlag(rest[index]!, command) === flag) return rest[index + 1];
    if (rest[index]!.startsWith(`--${name}=`)) return rest[index]!.slice(name.length + 3);
  }
  return undefined;
}

function startingWith(words: readonly string[], prefix: string): readonly Candidate[] {
  return words.filter((word) => word.startsWith(prefix)).map((text) => ({ text }));
}

import { Command } from "#oclif";
import { type CommandGrammar, completeWords } from "../actions/completion/complete-words.js";
import { CtsError } from "../lib/errors.js";

/** Cobra's directive "no file names": nothing that we complete is a file unless the shell knows better. */
const noFileCompletion = ":4";

/** kubectl's completion protocol: candidates one a line, then a directive. Never fails: no candidate is an answer. */
export default class Complete extends Command {
  static override summary = "Answer kubectl's request for completion";
  static override hidden = true;
  static override strict = false;

  override async run(): Promise<void> {
    // The words as they were typed: the parser would take a "--" among them for its own.
    const words = this.argv[0] === "--" ? this.argv.slice(1) : this.argv;
    await this.parse(Complete, ["--", ...words]);
    const completion = completeWords(words, this.#grammar());
    const lines = completion.candidates.map(({ text, description }) =>
      description === undefined ? text : `${text}\t${description}`,
    );
    for (const kind of completion.live) {
      const { listLiveNames } = await import("../actions/completion/live-names.js");
      lines.push(...(await listLiveNames(kind, completion).catch(noNames)));
    }
    this.log([...lines, noFileCompletion].join("\n"));
  }

  #grammar(): readonly CommandGrammar[] {
    return this.config.commands
      .filter((command) => command.hidden !== true)
      .map((command) => ({
        words: command.id.split(":"),
        summary: command.summary,
        args: Object.values(command.args).map(({ name, options }) => ({ name, options })),
        flags: Object.values(command.flags).map((flag) => ({
          name: flag.name,
          char: flag.char,
          takesValue: flag.type === "option",
          options: flag.type === "option" ? flag.options : undefined,
          summary: flag.summary,
        })),
      }));
  }
}

/** No lab, several labs, no right to read: there is nothing to offer then. */
function noNames(error: unknown): readonly string[] {
  if (error instanceof CtsError || (error instanceof Error && "code" in error)) return [];
  throw error;
}

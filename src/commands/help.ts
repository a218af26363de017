import { Command, loadHelpClass } from "#oclif";

/** `help COMMAND` for those who type it that way round; the same page as `COMMAND --help`. */
export default class Help extends Command {
  static override summary = "Show the help of a command";
  static override hidden = true;
  static override strict = false;

  override async run(): Promise<void> {
    const { argv } = await this.parse(Help);
    const HelpClass = await loadHelpClass(this.config);
    await new HelpClass(this.config, this.config.pjson.oclif.helpOptions).showHelp(argv.map(String));
  }
}

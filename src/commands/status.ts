import { Flags } from "#oclif";
import { openTarget } from "../actions/open-target.js";
import { readStatus } from "../actions/read-status.js";
import { ExitCode } from "../lib/errors.js";
import { statusItem, statusText, statusYaml } from "../output/status-report.js";
import { BaseCommand } from "./base-command.js";
import { targetFlags, targetOf } from "./flags/target-flags.js";

/** Kernels and agents on one page. */
export default class Status extends BaseCommand {
  static override summary = "Show how the datapath and the agents are";
  static override description =
    "Kernels are read whether or not agents answer. Exits 3 when something is degraded: an agent is down, a node cannot be read, a map is nearly full.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --local",
    "<%= config.bin %> <%= command.id %> -o json",
  ];
  static override flags = {
    output: Flags.option({
      char: "o",
      summary: "output format",
      options: ["text", "json", "yaml"] as const,
      default: "text" as const,
    })(),
    ...targetFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Status);
    await using target = await openTarget(targetOf(flags));
    const report = await readStatus(target, { signal: this.signal });
    if (flags.output === "text") process.stdout.write(statusText(report));
    else if (flags.output === "json") this.log(JSON.stringify(statusItem(report), undefined, 2));
    else process.stdout.write(await statusYaml(report));
    if (report.state === "degraded") this.exit(ExitCode.finding);
  }
}

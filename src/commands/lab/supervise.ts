import { Flags } from "#oclif";
import { BaseCommand } from "../base-command.js";

/** The lab's own process; `lab up` starts it. */
export default class LabSupervise extends BaseCommand {
  static override hidden = true;
  static override summary = "Keep a lab going (started by lab up)";
  static override flags = {
    name: Flags.string({ summary: "name of the lab", required: true }),
    instance: Flags.string({ summary: "the lab that was meant", required: true }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LabSupervise);
    const { runSupervisor } = await import("../../lab/supervisor.js");
    const { createLogger } = await import("../../lib/log.js");
    // Standard error is the lab's supervisor.log.
    const log = createLogger({ name: "lab" });
    await runSupervisor({ lab: flags.name, instance: flags.instance, log, signal: this.signal });
  }
}

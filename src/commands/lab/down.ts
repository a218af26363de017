import { Flags } from "#oclif";
import { BaseCommand } from "../base-command.js";

/** Takes a lab away, whatever state it is in. */
export default class LabDown extends BaseCommand {
  static override summary = "Take a lab away: its processes, namespaces, links, mounts, cgroups and files";
  static override description =
    `Works from what the kernel holds, so it also removes what is left after a kill -9 of anything.
Only what carries the lab's name is touched.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --all"];
  static override flags = {
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    all: Flags.boolean({ summary: "every lab of this machine", exclusive: ["name"] }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LabDown);
    const { stopAllLabs, stopLab } = await import("../../lab/stop-lab.js");
    const { chooseLabName } = await import("../../lab/lab-access.js");
    if (flags.all) {
      const names = await stopAllLabs(this.signal);
      this.log(names.length === 0 ? "no lab exists on this machine" : `removed ${names.join(", ")}`);
      return;
    }
    const name = chooseLabName(flags.name);
    const existed = await stopLab(name, this.signal);
    this.log(existed ? `lab ${name} is removed` : `there is no lab ${name}: nothing to remove`);
  }
}

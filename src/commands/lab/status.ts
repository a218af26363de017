import { Flags } from "#oclif";
import { finishedList } from "../../actions/row-list.js";
import { ExitCode } from "../../lib/errors.js";
import { labStatusList } from "../../output/lists/lab-lists.js";
import { listFlags } from "../flags/list-flags.js";
import { ReadCommand } from "../read-command.js";

/** Nodes and pods of a lab. */
export default class LabStatus extends ReadCommand {
  static override summary = "Show the nodes and pods of a lab";
  static override description =
    `Ends with exit code 3 when a node is not ready, a pod is neither ready nor completed, or the lab's supervisor
does not run. -o wide says why.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o wide"];
  static override flags = {
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LabStatus);
    const { chooseLabName, openLab } = await import("../../lab/lab-access.js");
    const { describeLabObjects } = await import("../../lab/describe-lab.js");
    const { hasSupervisor } = await import("../../lab/lab-lock.js");
    const lab = openLab(chooseLabName(flags.name));
    let isFine = true;
    await this.printRows(
      labStatusList,
      flags,
      async () => {
        const rows = await describeLabObjects(lab);
        const isSupervised = await hasSupervisor(lab.paths.lab);
        isFine = isSupervised && rows.every((row) => row.message === undefined);
        const next = `kubectl cilium-ts lab up --name ${lab.paths.lab}`;
        return finishedList(rows, isSupervised ? [] : [`the lab's supervisor does not run: ${next} starts a new one`]);
      },
      { exitCode: () => (isFine ? ExitCode.ok : ExitCode.finding) },
    );
  }
}

import { Args, Flags } from "#oclif";
import { writePiece } from "../../lib/write-piece.js";
import { BaseCommand } from "../base-command.js";

/** Logs of a lab's pods and of its own parts. */
export default class LabLogs extends BaseCommand {
  static override summary = "Print the log of a pod, of a node's agent or of the lab's supervisor";
  static override examples = [
    "<%= config.bin %> <%= command.id %> shop/client-1",
    "<%= config.bin %> <%= command.id %> agent/node-1 -f",
    "<%= config.bin %> <%= command.id %> supervisor --tail 20",
  ];
  static override args = {
    what: Args.string({ description: "POD, NAMESPACE/POD, agent/NODE or supervisor", required: true }),
  };
  static override flags = {
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    namespace: Flags.string({ char: "n", summary: "namespace of the pod (default: any)" }),
    container: Flags.string({ char: "c", summary: "container (default: the pod's first)" }),
    follow: Flags.boolean({ char: "f", summary: "go on with what is written later" }),
    tail: Flags.integer({ summary: "only the last lines", helpValue: "LINES", min: 1 }),
  };

  override async run(): Promise<void> {
    const { flags, args } = await this.parse(LabLogs);
    const { chooseLabName, openLab } = await import("../../lab/lab-access.js");
    const { readLabLog } = await import("../../lab/read-log.js");
    const lab = openLab(chooseLabName(flags.name));
    const { namespace, container, follow, tail } = flags;
    const log = readLabLog(lab, { target: args.what, namespace, container, follow, tail, signal: this.signal });
    for await (const part of log) await writePiece(process.stdout, part, this.signal);
    if (this.signal.aborted) this.exit(this.stopExitCode());
  }
}

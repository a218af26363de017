import { Args, Flags } from "#oclif";
import { UsageError } from "../../lib/errors.js";
import { BaseCommand } from "../base-command.js";

/** Runs a command in a pod of a lab. */
export default class LabExec extends BaseCommand {
  static override summary = "Run a command in a pod or on a node of a lab";
  static override description =
    `The command comes from this machine's file system and runs in the namespaces and the cgroup of the pod, with this
terminal. cts-lab is on its PATH: cts-lab http URL, cts-lab tcp HOST PORT, cts-lab udp HOST PORT. Ends with the command's exit code.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> shop/client-1 -- cts-lab http http://cart/",
    "<%= config.bin %> <%= command.id %> node/node-1 -- ip address",
  ];
  static override args = { pod: Args.string({ description: "POD, NAMESPACE/POD or node/NODE", required: true }) };
  static override flags = {
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    namespace: Flags.string({ char: "n", summary: "namespace of the pod (default: any)" }),
    container: Flags.string({ char: "c", summary: "container (default: the pod's first)" }),
  };

  override async run(): Promise<void> {
    // oclif sorts words of the command among its own arguments: what stands behind "--" never goes through it.
    const separator = this.argv.indexOf("--");
    const command = separator < 0 ? [] : this.argv.slice(separator + 1);
    const { flags, args } = await this.parse(LabExec, separator < 0 ? this.argv : this.argv.slice(0, separator));
    if (command.length === 0) throw new UsageError("no-command", "say what to run: lab exec POD -- COMMAND");
    const { chooseLabName, openLab } = await import("../../lab/lab-access.js");
    const { execInLab } = await import("../../lab/exec-in-lab.js");
    const lab = openLab(chooseLabName(flags.name));
    const { namespace, container } = flags;
    this.exit(await execInLab(lab, { target: args.pod, namespace, container, command }));
  }
}

import { Args, Flags } from "#oclif";
import { BaseCommand } from "../../base-command.js";

/** Ends a node's agent and keeps it down. */
export default class LabAgentStop extends BaseCommand {
  static override summary = "Stop the agent of a node and keep it down: traffic goes on";
  static override examples = [
    "<%= config.bin %> <%= command.id %> node-1",
    "<%= config.bin %> <%= command.id %> node-1 --kill",
  ];
  static override args = { node: Args.string({ description: "name of the node", required: true }) };
  static override flags = {
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    kill: Flags.boolean({ summary: "SIGKILL instead of SIGTERM" }),
  };

  override async run(): Promise<void> {
    const { flags, args } = await this.parse(LabAgentStop);
    const { chooseLabName, openLab } = await import("../../../lab/lab-access.js");
    const { holdAgent } = await import("../../../lab/hold-agent.js");
    await holdAgent(openLab(chooseLabName(flags.name)), args.node, { isKill: flags.kill, signal: this.signal });
    this.log(`the agent of ${args.node} is stopped`);
  }
}

import { Args, Flags } from "#oclif";
import { BaseCommand } from "../../base-command.js";

/** Starts a node's agent that was stopped. */
export default class LabAgentStart extends BaseCommand {
  static override summary = "Start the agent of a node again and wait until it is ready";
  static override examples = ["<%= config.bin %> <%= command.id %> node-1"];
  static override args = { node: Args.string({ description: "name of the node", required: true }) };
  static override flags = {
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    timeout: Flags.integer({ summary: "seconds to wait", helpValue: "SECONDS", default: 60, min: 1, max: 86400 }),
  };

  override async run(): Promise<void> {
    const { flags, args } = await this.parse(LabAgentStart);
    const { chooseLabName, openLab } = await import("../../../lab/lab-access.js");
    const { releaseAgent } = await import("../../../lab/hold-agent.js");
    const options = { timeoutMs: flags.timeout * 1000, signal: this.signal };
    await releaseAgent(openLab(chooseLabName(flags.name)), args.node, options);
    this.log(`the agent of ${args.node} is ready`);
  }
}

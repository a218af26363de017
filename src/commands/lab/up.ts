import { Flags } from "#oclif";
import { BaseCommand } from "../base-command.js";

/** Brings a lab up, or carries on one that is there. */
export default class LabUp extends BaseCommand {
  static override summary = "Start a lab: nodes, pods and Services on this machine, on the real datapath";
  static override description =
    `Nodes and pods are namespaces of this machine; every node runs an agent, every pod a process.
A lab that runs already takes up what the manifests add or change. What a killed command left behind is removed first.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> -f examples/demo",
    "<%= config.bin %> <%= command.id %> --nodes 3 --name big",
  ];
  static override flags = {
    filename: Flags.string({
      char: "f",
      summary: "manifest file or folder; may be repeated",
      multiple: true,
      helpValue: "PATH",
    }),
    name: Flags.string({ summary: "name of the lab", default: "default" }),
    nodes: Flags.integer({
      summary: "nodes in all (default: those in the manifests, else 2)",
      helpValue: "N",
      min: 1,
      max: 256,
    }),
    mtu: Flags.integer({
      summary: "MTU of the nodes' network, bytes (default 1500)",
      helpValue: "BYTES",
      min: 1280,
      max: 65535,
    }),
    timeout: Flags.integer({
      summary: "seconds to wait until all is ready",
      helpValue: "SECONDS",
      default: 120,
      min: 1,
      max: 86400,
    }),
    wait: Flags.boolean({ summary: "wait until nodes and pods are ready", default: true, allowNo: true }),
    "agent-command": Flags.string({ summary: "program to run as the agent", multiple: true, hidden: true }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LabUp);
    const [
      { requireLabHost },
      { expectedNodes, startLab },
      { awaitLab },
      { loadManifests },
      { readKnownServices },
      { readKnownSettings },
      { ownCommandLine },
    ] = await Promise.all([
      import("../../lab/lab-access.js"),
      import("../../lab/start-lab.js"),
      import("../../lab/await-lab.js"),
      import("../../lab/load-manifests.js"),
      import("../../lab/known-services.js"),
      import("../../lab/known-settings.js"),
      import("../../lab/command-line.js"),
    ]);
    requireLabHost();
    const onProgress = (line: string): void => this.note(line);
    const startedAt = performance.now();
    const knownNodes = expectedNodes(flags.name, flags.nodes);
    const knownServices = await readKnownServices(flags.name);
    const known = { knownNodes, knownServices, ...(await readKnownSettings(flags.name)) };
    const manifests = loadManifests(flags.filename ?? [], { ...known, onNote: onProgress });
    const paths = await startLab({
      name: flags.name,
      manifests,
      nodes: flags.nodes,
      mtuBytes: flags.mtu,
      commandLine: ownCommandLine(),
      agentCommand: flags["agent-command"],
      signal: this.signal,
      onProgress,
    });
    if (!flags.wait) return;
    const ready = await awaitLab(paths, { timeoutMs: flags.timeout * 1000, signal: this.signal, onProgress });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    this.log(`lab ${flags.name} is ready after ${seconds} s: ${ready.nodes.all} nodes, ${ready.pods.all} pods`);
  }
}

import { Flags } from "#oclif";
import { BaseCommand } from "../base-command.js";

const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

/** The node agent, in the foreground until it gets SIGTERM or SIGINT. */
export default class AgentRun extends BaseCommand {
  static override summary = "Run the agent of one node: attach pods, follow Services, keep the eBPF maps";
  static override description = `Needs root and a kernel with BPF. Logs JSON lines to standard error.
SIGTERM and SIGINT end it in order: what is being attached is finished; programs, links and maps stay in the kernel and
traffic goes on. It serves HTTP on RUN-DIR/agent.sock: POST /v1/cni/add, check and del, GET /v1/healthz, /v1/status,
/v1/endpoints, /v1/policies, /v1/policy-cookies, /v1/names, /v1/drops and /metrics, POST /v1/services.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> --node a --state-dir /var/lib/cilium-ts/state --cgroup /sys/fs/cgroup",
  ];
  static override flags = {
    node: Flags.string({ summary: "name of the Node that this machine is", required: true, env: "CTS_NODE_NAME" }),
    "state-dir": Flags.directory({ summary: "folder of the cluster's state", required: true }),
    "run-dir": Flags.string({ summary: "the agent's own files and socket", default: "/run/cilium-ts" }),
    bpffs: Flags.string({ summary: "mount point of the node's bpffs", default: "/sys/fs/bpf" }),
    cgroup: Flags.directory({ summary: "cgroup2 folder that holds the node's pods", required: true }),
    adopt: Flags.boolean({ summary: "take over pinned maps of another installation that have this layout" }),
    "log-level": Flags.option({
      summary: "least level that is logged",
      options: logLevels,
      default: "info" as const,
    })(),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(AgentRun);
    const { runAgentProcess } = await import("../../agent/agent-process.js");
    await runAgentProcess({
      nodeName: flags.node,
      version: this.config.version,
      stateDir: flags["state-dir"],
      runDir: flags["run-dir"],
      bpffs: flags.bpffs,
      cgroupPath: flags.cgroup,
      adopt: flags.adopt,
      logLevel: flags["log-level"],
      signal: this.signal,
    });
  }
}

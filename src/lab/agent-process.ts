import { existsSync, rmSync } from "node:fs";
import type { Logger } from "../lib/log.js";
import { exponentialBackoff } from "../lib/retry.js";
import { sleep } from "../lib/time.js";
import { AgentClient } from "./agent-client.js";
import { lastAgentMessage } from "./agent-log.js";
import type { NodePaths } from "./lab-paths.js";
import { labToolPath } from "./lab-tool.js";
import { isRunning, type ProcessId, readProcessFile } from "./process-table.js";
import { runChecked } from "./run-command.js";

export interface AgentProcessOptions {
  readonly node: string;
  readonly paths: NodePaths;
  readonly stateDir: string;
  /** The node's pid 1, whose namespaces the agent joins. */
  readonly init: ProcessId;
  readonly agentCommand: readonly string[];
  readonly log: Logger;
  /** Told when the agent becomes ready, and why it is not; only of changes. */
  readonly onHealth: (problem: string | undefined) => void;
}

const STARTING_POLL_MS = 50;
const RUNNING_POLL_MS = 500;
/** An agent that ran this long and died is started again at once. */
const HEALTHY_RUN_MS = 60_000;

/** Keeps one node's agent running, as a DaemonSet would: adopts, starts, watches, starts again with back-off. */
export class AgentProcess implements AsyncDisposable {
  readonly client: AgentClient;
  readonly #options: AgentProcessOptions;
  readonly #backoff = exponentialBackoff({ firstMs: 200, maxMs: 10_000 });
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #problem: string | undefined = "not started yet";
  #hasLooked = false;
  #failures = 0;
  #startedAt = 0;

  constructor(options: AgentProcessOptions) {
    this.#options = options;
    this.client = new AgentClient(options.paths.agentSocket);
    this.#loop = this.#run(this.#stop.signal);
  }

  /** False right after an adoption: nothing is known yet, and what was written last still holds. */
  get hasLooked(): boolean {
    return this.#hasLooked;
  }

  /** Undefined when the agent is ready to attach pods. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Stops watching; the agent goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#look(signal);
        await sleep(this.#problem === undefined ? RUNNING_POLL_MS : STARTING_POLL_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.error({ err: error, node: this.#options.node }, "agent could not be started");
        this.#tell(error instanceof Error ? error.message : String(error));
        await sleep(this.#backoff(++this.#failures), signal).catch(() => undefined);
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const running = readProcessFile(this.#options.paths.agentPid);
    if (running !== undefined && isRunning(running)) {
      this.#tell(await this.client.healthProblem(signal));
      if (performance.now() - this.#startedAt > HEALTHY_RUN_MS) this.#failures = 0;
      return;
    }
    if (!isRunning(this.#options.init)) {
      this.#tell("its node died");
      return;
    }
    if (existsSync(this.#options.paths.agentHold)) {
      this.#tell("held back: lab agent start brings it up");
      // It was ended on purpose: nothing to back off from.
      this.#startedAt = 0;
      this.#failures = 0;
      return;
    }
    if (this.#startedAt > 0) await this.#backOff(signal);
    // Held back meanwhile?
    if (!existsSync(this.#options.paths.agentHold)) await this.#start();
  }

  async #backOff(signal: AbortSignal): Promise<void> {
    const delayMs = this.#backoff(++this.#failures);
    const why = lastAgentMessage(this.#options.paths.agentLog);
    this.#options.log.warn({ node: this.#options.node, delayMs, why }, "agent ended, starting it again");
    this.#tell(`the agent ended${why === "" ? "" : `: ${why}`}; it is started again`);
    await sleep(delayMs, signal);
  }

  async #start(): Promise<void> {
    const { paths, node, init, stateDir, agentCommand } = this.#options;
    rmSync(paths.agentExit, { force: true });
    this.#startedAt = performance.now();
    await runChecked(labToolPath, [
      ...["run", "--host", "--node-init", String(init.pid), "--cgroup", paths.agentCgroup],
      ...["--log", paths.agentLog, "--pid-file", paths.agentPid, "--exit-file", paths.agentExit, "--"],
      ...agentCommand,
      // As the node sees them: its own /run, bpffs and cgroup root.
      ...["--node", node, "--state-dir", stateDir, "--run-dir", "/run/cilium-ts"],
      ...["--bpffs", "/sys/fs/bpf", "--cgroup", "/sys/fs/cgroup"],
    ]);
    this.#options.log.info({ node }, "agent started");
  }

  #tell(problem: string | undefined): void {
    if (problem === this.#problem && this.#hasLooked) return;
    this.#hasLooked = true;
    this.#problem = problem;
    this.#options.onHealth(problem);
  }
}

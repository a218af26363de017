import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomicSync } from "../lib/atomic-file.js";
import { KernelError } from "../lib/errors.js";
import { cgroupProcesses, killCgroupTree, makeCgroup } from "./cgroup.js";
import { type ContainerPaths, containerPaths } from "./lab-paths.js";
import { labToolPath } from "./lab-tool.js";
import { isRunning, type ProcessId, readProcessFile, signalProcess } from "./process-table.js";
import { runCommand } from "./run-command.js";

/** How a container stands, from its files and the process table: the same for its starter and for an adopter. */
export type ContainerFacts =
  | { readonly kind: "never-started" }
  | ({ readonly kind: "running"; readonly process: ProcessId } & ContainerRecord)
  | ({ readonly kind: "exited"; readonly exit: ContainerExit } & ContainerRecord);

/** What is written before each start. */
export interface ContainerRecord {
  /** Starts before this one. */
  readonly restartCount: number;
  /** Exits in a row that count for the back-off. */
  readonly exits: number;
  readonly startedAtMs: number;
  /** How the run before ended. */
  readonly lastExit?: ContainerExit;
}

export interface ContainerExit {
  readonly exitCode: number;
  /** 0: it ended by itself. */
  readonly signal: number;
  readonly finishedAtMs: number;
  readonly startedAtMs?: number;
  /** Set when the command could not even be started. */
  readonly message?: string;
}

export interface ContainerStart {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDir: string | undefined;
  readonly hostname: string;
  readonly netnsPath: string;
  readonly hostsFile: string | undefined;
  readonly nodeInit: ProcessId;
}

/** Exit status of a container whose shim was killed with it: nobody saw how it ended. As the kubelet reports it. */
const LOST_EXIT_CODE = 137;
/** The tool's exit code for: the lab's part went well, the command itself cannot run. */
const TOOL_COMMAND_FAILED = 3;

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return undefined; // not there yet; files are replaced as a whole
  }
}

/** One container of one pod on one node, by its folder and cgroup. */
export class ContainerProcess {
  readonly name: string;
  readonly paths: ContainerPaths;
  readonly cgroup: string;

  constructor(name: string, podRoot: string, podCgroup: string) {
    this.name = name;
    this.paths = containerPaths(podRoot, name);
    this.cgroup = join(podCgroup, name);
  }

  facts(): ContainerFacts {
    const record = readJson<ContainerRecord>(this.paths.record);
    if (record === undefined) return { kind: "never-started" };
    const process = readProcessFile(this.paths.pid);
    if (process !== undefined && isRunning(process)) return { ...record, kind: "running", process };
    // Only now: the shim writes the exit right after the process is gone.
    const exit = readJson<ContainerExit>(this.paths.exit);
    if (exit !== undefined) return { ...record, kind: "exited", exit };
    // The shim is about to write it; its file wakes whoever waits.
    if (process !== undefined && cgroupProcesses(this.cgroup).length > 0)
      return { ...record, kind: "running", process };
    const lost = { exitCode: LOST_EXIT_CODE, signal: 9, finishedAtMs: Date.now() };
    return { ...record, kind: "exited", exit: readJson<ContainerExit>(this.paths.exit) ?? lost };
  }

  /** Starts the container; a command that cannot run becomes an exit with 127 or 128, as container runtimes report it. */
  async start(start: ContainerStart, record: ContainerRecord): Promise<void> {
    const before = this.facts();
    // Leftovers of the run before, or of a start that was interrupted.
    await killCgroupTree(this.cgroup);
    makeCgroup(this.cgroup);
    mkdirSync(this.paths.root, { recursive: true });
    rmSync(this.paths.exit, { force: true });
    rmSync(this.paths.pid, { force: true });
    writeFileAtomicSync(this.paths.record, JSON.stringify(record));
    const options = [
      ...["--cgroup", this.cgroup, "--node-init", String(start.nodeInit.pid), "--netns", start.netnsPath],
      ...["--hostname", start.hostname, "--log", this.paths.log],
      ...["--pid-file", this.paths.pid, "--exit-file", this.paths.exit],
      ...(start.hostsFile === undefined ? [] : ["--hosts", start.hostsFile]),
      ...(start.workingDir === undefined ? [] : ["--workdir", start.workingDir]),
    ];
    const result = await runCommand(labToolPath, ["run", ...options, "--", ...start.argv], { env: start.environment });
    if (result.exitCode === 0) return;
    const message = result.stderr.trim().replace(/^cts-lab: /, "");
    if (result.exitCode !== TOOL_COMMAND_FAILED) {
      this.#restore(before);
      throw new KernelError("container-start", `container ${this.name} could not be started: ${message}`);
    }
    const exit = { exitCode: 128, signal: 0, finishedAtMs: Date.now(), message };
    writeFileAtomicSync(this.paths.exit, JSON.stringify(exit));
  }

  /** A start that the lab could not even try does not count as a restart. */
  #restore(before: ContainerFacts): void {
    if (before.kind !== "exited") {
      rmSync(this.paths.record, { force: true });
      return;
    }
    const { kind: _kind, exit, ...record } = before;
    writeFileAtomicSync(this.paths.record, JSON.stringify(record));
    writeFileAtomicSync(this.paths.exit, JSON.stringify(exit));
  }

  /** The container ended with its node, not by its own fault: the next start is not held back. */
  forgiveExits(): void {
    const record = readJson<ContainerRecord>(this.paths.record);
    if (record !== undefined) writeFileAtomicSync(this.paths.record, JSON.stringify({ ...record, exits: 0 }));
  }

  /** Sends a signal to the container's first process; false when it does not run. */
  signal(signal: NodeJS.Signals): boolean {
    const facts = this.facts();
    return facts.kind === "running" && signalProcess(facts.process, signal);
  }
}

import { type FSWatcher, mkdirSync, watch } from "node:fs";
import type { Logger } from "../lib/log.js";
import type { Container } from "../model/kubernetes.js";
import { ContainerProbes, type ProbeRunner } from "./container-probes.js";
import type { ContainerFacts, ContainerProcess } from "./container-process.js";
import { probeByExec } from "./exec-in-container.js";
import type { Prober } from "./prober.js";
import type { ProcessId } from "./process-table.js";

export interface ContainerRunOptions {
  readonly container: Container;
  readonly process: ContainerProcess;
  readonly podIp: string;
  readonly prober: Prober;
  readonly gracePeriodMs: number;
  readonly wasReady: boolean;
  readonly wasStarted: boolean;
  readonly log: Logger;
  /** Something changed: look again. */
  readonly onChange: () => void;
}

type Running = Extract<ContainerFacts, { kind: "running" }>;

/** What the supervisor keeps in memory for one run of one container: its probes, and the watch for its end. */
export class ContainerRun implements Disposable {
  readonly startedAtMs: number;
  readonly process: ProcessId;
  readonly probes: ContainerProbes;
  readonly #options: ContainerRunOptions;
  readonly #exitWatch: FSWatcher;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(facts: Running, options: ContainerRunOptions) {
    this.#options = options;
    this.startedAtMs = facts.startedAtMs;
    this.process = facts.process;
    mkdirSync(options.process.paths.root, { recursive: true });
    this.#exitWatch = watch(options.process.paths.root, { persistent: false }, (_event, file) => {
      if (file === "exit.json") options.onChange();
    });
    this.#exitWatch.on("error", () => options.onChange());
    this.probes = new ContainerProbes({
      container: options.container,
      podIp: options.podIp,
      startedAtMs: facts.startedAtMs,
      runner: this.#runner(facts),
      wasStarted: options.wasStarted,
      wasReady: options.wasReady,
      onChange: options.onChange,
      onDead: (kind, message) => this.#killForProbe(kind, message),
    });
  }

  [Symbol.dispose](): void {
    this.probes[Symbol.dispose]();
    this.#exitWatch.close();
    clearTimeout(this.#killTimer);
  }

  #runner(facts: Running): ProbeRunner {
    const { prober, process } = this.#options;
    return {
      network: (probe) => prober.probe(probe),
      exec: (command, timeoutMs) => probeByExec(facts.process, process.cgroup, command, timeoutMs),
    };
  }

  #killForProbe(kind: string, message: string): void {
    const { process, log, gracePeriodMs, container } = this.#options;
    log.warn(
      { container: container.name, cgroup: process.cgroup, message },
      `${kind} probe failed, restarting the container`,
    );
    process.signal("SIGTERM");
    this.#killTimer = setTimeout(() => process.signal("SIGKILL"), gracePeriodMs);
  }
}

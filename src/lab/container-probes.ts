import { joinHostPort } from "../lib/ip.js";
import { sleep } from "../lib/time.js";
import type { Container, IntOrString, Probe } from "../model/kubernetes.js";
import type { NetworkProbe, ProbeResult } from "./prober.js";

/** Runs one probe; implemented by the node's prober and, for `exec`, by entering the container. */
export interface ProbeRunner {
  network(probe: NetworkProbe): Promise<ProbeResult>;
  exec(command: readonly string[], timeoutMs: number): Promise<ProbeResult>;
}

export interface ContainerProbesOptions {
  readonly container: Container;
  readonly podIp: string;
  readonly startedAtMs: number;
  readonly runner: ProbeRunner;
  /** What an earlier supervisor knew: a container that was ready stays so until its probe says otherwise. */
  readonly wasStarted: boolean;
  readonly wasReady: boolean;
  readonly onChange: () => void;
  /** The container is to be killed. */
  readonly onDead: (kind: "liveness" | "startup", message: string) => void;
}

/** A server needs a moment to listen; a first probe right at the start would only cost a period. */
const FIRST_PROBE_MS = 100;

/**
 * The probes of one run of one container, with the kubelet's rules: startup first, alone; then liveness and readiness side
 * by side. https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
 */
export class ContainerProbes implements Disposable {
  readonly #options: ContainerProbesOptions;
  readonly #stop = new AbortController();
  #isStarted: boolean;
  #isReady: boolean;
  #lastFailure: string | undefined;

  constructor(options: ContainerProbesOptions) {
    this.#options = options;
    const { startupProbe, readinessProbe } = options.container;
    this.#isStarted = startupProbe === undefined || options.wasStarted;
    this.#isReady = readinessProbe === undefined || options.wasReady;
    void this.#run().catch(() => undefined); // ends by abort only
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** What the last failing probe said. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = this.#options.container;
    if (startupProbe !== undefined && !this.#isStarted && !(await this.#startUp(startupProbe))) return;
    await Promise.all([
      livenessProbe === undefined ? undefined : this.#watchLiveness(livenessProbe),
      readinessProbe === undefined ? undefined : this.#watchReadiness(readinessProbe),
    ]);
  }

  async #startUp(probe: Probe): Promise<boolean> {
    for await (const verdict of this.#verdicts(probe, false)) {
      if (verdict.isSuccess) {
        this.#isStarted = true;
        this.#options.onChange();
        return true;
      }
      this.#options.onDead("startup", verdict.message);
      return false;
    }
    return false;
  }

  async #watchLiveness(probe: Probe): Promise<void> {
    for await (const verdict of this.#verdicts(probe, true)) {
      if (verdict.isSuccess) continue;
      this.#options.onDead("liveness", verdict.message);
      return;
    }
  }

  async #watchReadiness(probe: Probe): Promise<void> {
    for await (const verdict of this.#verdicts(probe, this.#isReady)) {
      if (verdict.isSuccess === this.#isReady) continue;
      this.#isReady = verdict.isSuccess;
      this.#options.onChange();
    }
  }

  /** Probes for ever; yields when a threshold of equal results in a row turns the verdict. */
  async *#verdicts(probe: Probe, initial: boolean): AsyncGenerator<ProbeResult> {
    const { signal } = this.#stop;
    const delayMs = Math.max((probe.initialDelaySeconds ?? 0) * 1000, FIRST_PROBE_MS);
    await sleep(Math.max(0, this.#options.startedAtMs + delayMs - Date.now()), signal);
    let verdict: boolean | undefined = initial ? true : undefined;
    for (let isRow = false, row = 0; ; ) {
      const result = await this.#probeOnce(probe);
      signal.throwIfAborted();
      row = row > 0 && isRow === result.isSuccess ? row + 1 : 1;
      isRow = result.isSuccess;
      if (!isRow) this.#lastFailure = result.message;
      const threshold = isRow ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
      if (row >= threshold && verdict !== isRow) {
        verdict = isRow;
        yield result;
      }
      await sleep((probe.periodSeconds ?? 10) * 1000, signal);
    }
  }

  #probeOnce(probe: Probe): Promise<ProbeResult> {
    const { runner, podIp, container } = this.#options;
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    if (probe.exec !== undefined) return runner.exec(probe.exec.command, timeoutMs);
    const target = probe.httpGet ?? probe.tcpSocket;
    const port = target === undefined ? undefined : findPort(container, target.port);
    if (target === undefined || port === undefined)
      return Promise.resolve({ isSuccess: false, message: `the probe names no port of container ${container.name}` });
    const address = target.host ?? podIp;
    if (probe.httpGet === undefined) return runner.network({ kind: "tcp", address, port, timeoutMs });
    if (probe.httpGet.scheme === "HTTPS")
      return Promise.resolve({ isSuccess: false, message: "a lab does not probe over HTTPS: use tcpSocket or exec" });
    const headers = probe.httpGet.httpHeaders ?? [];
    const host = headers.find((header) => header.name.toLowerCase() === "host")?.value ?? joinHostPort(address, port);
    return runner.network({
      kind: "http",
      address,
      port,
      timeoutMs,
      path: probe.httpGet.path ?? "/",
      host,
      headers: headers
        .filter((header) => header.name.toLowerCase() !== "host")
        .map(({ name, value }) => `${name}: ${value}`),
    });
  }
}

/** A number, or the number of the container's port of this name. */
export function findPort(container: Container, port: IntOrString): number | undefined {
  if (typeof port === "number") return port;
  return container.ports?.find((candidate) => candidate.name === port)?.containerPort;
}

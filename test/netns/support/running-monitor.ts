import { type CliOutcome, finishCli, startCli } from "../../support/run-cli.js";
import type { TestLab } from "./lab-fixture.js";

export interface MonitorItem {
  readonly kind?: string;
  readonly type: string;
  readonly node: string;
  readonly lost?: number;
  readonly reason?: string;
  readonly observationPoint?: string;
  readonly verdict?: string;
  readonly direction?: string;
  readonly cookie?: number;
  readonly rules?: readonly string[];
  readonly packet?: { readonly source: string; readonly destinationPort?: number };
}

/** A `monitor` that runs, and what it has printed so far. */
export class RunningMonitor {
  readonly items: MonitorItem[] = [];
  readonly #child: ReturnType<typeof startCli>;
  readonly #ended: Promise<CliOutcome>;
  #rest = "";
  #said = "";

  constructor(lab: TestLab, ...args: readonly string[]) {
    this.#child = startCli(["monitor", "--lab", lab.name, "-o", "jsonl", ...args]);
    this.#ended = finishCli(this.#child);
    this.#child.stderr!.on("data", (text: string) => {
      this.#said += text;
    });
    this.#child.stdout!.on("data", (text: string) => this.#take(text));
  }

  /** Resolves when every node's stream stands. */
  static async start(lab: TestLab, ...args: readonly string[]): Promise<RunningMonitor> {
    const monitor = new RunningMonitor(lab, ...args);
    await monitor.until(() => (monitor.#said.match(/Listening for events on \d+ CPUs/g)?.length ?? 0) === 2);
    return monitor;
  }

  get said(): string {
    return this.#said;
  }

  /** As if nobody read it: the pipe fills, and the command waits. */
  stall(): void {
    this.#child.stdout!.pause();
  }

  resume(): void {
    this.#child.stdout!.resume();
  }

  /** Looks again whenever the command says something, and when it ends. */
  async until(isRight: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (isRight()) resolve();
      };
      this.#child.stdout!.on("data", look);
      this.#child.stderr!.on("data", look);
      this.#child.once("close", () => resolve());
      look();
    });
    if (!isRight()) throw new Error(`the command ended before what was waited for: ${this.#said}`);
  }

  /** Ctrl-C. */
  async stop(): Promise<CliOutcome> {
    this.#child.kill("SIGINT");
    return this.#ended;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  get ended(): Promise<CliOutcome> {
    return this.#ended;
  }

  /** Records of a node that came or were said to be lost. */
  accounted(node: string): number {
    return this.items.filter((item) => item.node === node).reduce((sum, { lost = 1 }) => sum + lost, 0);
  }

  lost(): number {
    return this.items.reduce((sum, { lost = 0 }) => sum + lost, 0);
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    this.items.push(...lines.map((line): MonitorItem => JSON.parse(line)).filter(({ kind }) => kind !== "ListStatus"));
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Lines about pods' interfaces and ours: they come by the hundred and change no device of the node. */
const OF_OTHERS = /\b(lxc[0-9a-f]+|tmp[0-9a-f]+|cilium_\w+)\b/;

/** `ip monitor` ended: it is started again after this time. */
const RESTART_MS = 2000;

export interface NetworkMonitorOptions {
  /** Links, addresses or routes of this network namespace have changed, or may have. */
  readonly onChange: () => void;
  readonly onProblem: (words: string | undefined) => void;
}

/** Follows the kernel's own announcements (rtnetlink) through `ip monitor`, one process for the agent's life. */
export class NetworkMonitor implements Disposable {
  readonly #options: NetworkMonitorOptions;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: NetworkMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#isClosed) return;
    const child = spawn("ip", ["-o", "monitor", "link", "address", "route"], { stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!OF_OTHERS.test(line)) this.#options.onChange();
    });
    child.on("spawn", () => this.#options.onProblem(undefined));
    child.on("error", (error) => this.#again(error.message));
    child.on("exit", (code, signal) => this.#again(`it ended with ${code ?? signal}`));
  }

  #again(words: string): void {
    if (this.#isClosed) return;
    this.#options.onProblem(`changes of the node's devices are not noticed, ip monitor: ${words}`);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.start();
      // Whatever happened meanwhile was not told.
      this.#options.onChange();
    }, RESTART_MS);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#child?.kill("SIGTERM");
  }
}

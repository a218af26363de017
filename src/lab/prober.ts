import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { labToolPath } from "./lab-tool.js";

export interface ProbeResult {
  readonly isSuccess: boolean;
  readonly message: string;
}

export type NetworkProbe =
  | { readonly kind: "tcp"; readonly address: string; readonly port: number; readonly timeoutMs: number }
  | {
      readonly kind: "http";
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly path: string;
      readonly host: string;
      readonly headers: readonly string[];
    };

/** Runs network probes from one node's network namespace, as its kubelet would: one helper process a node. */
export class Prober implements Disposable {
  readonly #args: readonly string[];
  readonly #waiting = new Map<string, (result: ProbeResult) => void>();
  #child: ChildProcessWithoutNullStreams | undefined;
  #count = 0;

  constructor(options: { readonly netnsPath: string; readonly cgroup: string }) {
    this.#args = ["prober", "--netns", options.netnsPath, "--cgroup", options.cgroup];
  }

  probe(probe: NetworkProbe): Promise<ProbeResult> {
    const id = String(++this.#count);
    const fields = [id, probe.kind, probe.address, String(probe.port), String(probe.timeoutMs)];
    if (probe.kind === "http") fields.push(probe.path, probe.host, ...probe.headers);
    const line = fields.map((field) => field.replaceAll(/[\t\r\n]/g, " ")).join("\t");
    return new Promise((resolve) => {
      // The helper keeps the time; this is for the case that it was killed between two probes.
      const timer = setTimeout(() => this.#answer(id, { isSuccess: false, message: "timeout" }), probe.timeoutMs + 500);
      this.#waiting.set(id, (result) => {
        clearTimeout(timer);
        resolve(result);
      });
      this.#helper().stdin.write(`${line}\n`);
    });
  }

  [Symbol.dispose](): void {
    this.#child?.stdin.end();
    this.#child = undefined;
    this.#failAll("the prober was stopped");
  }

  #helper(): ChildProcessWithoutNullStreams {
    if (this.#child !== undefined) return this.#child;
    const child = spawn(labToolPath, this.#args, { stdio: "pipe" });
    this.#child = child;
    const gone = (): void => {
      if (this.#child === child) this.#child = undefined;
      this.#failAll("the prober ended");
    };
    child.on("error", gone);
    child.on("exit", gone);
    child.stdin.on("error", gone);
    child.stderr.resume();
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [id = "", verdict, message = ""] = line.split("\t");
      this.#answer(id, { isSuccess: verdict === "ok", message });
    });
    return child;
  }

  #answer(id: string, result: ProbeResult): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(result);
  }

  #failAll(message: string): void {
    for (const id of [...this.#waiting.keys()]) this.#answer(id, { isSuccess: false, message });
  }
}

import type { ChildProcess } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { AgentNode } from "../agent-node.js";

/** A TCP connection out of a pod that stays open, to a server that answers each message. */
export class OpenConnection implements Disposable {
  readonly #client: ChildProcess;
  readonly #lines: Interface;

  private constructor(client: ChildProcess) {
    this.#client = client;
    this.#lines = createInterface({ input: client.stdout! });
  }

  static async open(node: AgentNode, pod: string, address: string, port: number): Promise<OpenConnection> {
    const client = node.spawnInPod(
      pod,
      `const s = require("net").connect(${port}, "${address}", () => console.log("open"));
       s.on("data", (d) => console.log(String(d)));
       s.on("error", (e) => console.log(e.code));
       process.on("SIGUSR1", () => s.write("?"));`,
    );
    const connection = new OpenConnection(client);
    const line = await connection.#nextLine();
    if (line !== "open") throw new Error(`no connection to ${address}:${port}: ${line}`);
    return connection;
  }

  /** Sends a message; what came back, or the error's code. */
  async ask(): Promise<string> {
    const answer = this.#nextLine();
    this.#client.kill("SIGUSR1");
    return answer;
  }

  async #nextLine(): Promise<string> {
    return new Promise((resolve) => this.#lines.once("line", resolve));
  }

  [Symbol.dispose](): void {
    this.#client.kill("SIGKILL");
  }
}

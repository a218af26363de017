import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type BenchLab, cli } from "../bench-lab.js";
import { cpuSecondsOf } from "../command-costs.js";

/** Names alone: seen and counted. Or lines of JSON, which tell more. */
export type SubscriberOutput = "name" | "jsonl";

/** What a subscriber saw. */
export interface Sight {
  readonly traces: number;
  /** Of the connections to one port, where the output tells; none otherwise. */
  readonly starts: number;
  readonly ends: number;
  readonly drops: number;
  /** Records that ring or queue had no room for. */
  readonly lost: number;
}

interface EventLine {
  readonly type?: string;
  readonly lost?: number;
  readonly packet?: {
    readonly destinationPort?: number;
    readonly sourcePort?: number;
    readonly tcpFlags?: readonly string[];
  };
}

/** Output that has not grown for so long is whole: records come within 50 ms. */
const quietMs = 500;

/** `monitor` on the first node: it decodes and names every start and end of a connection and every dropped packet, into a file in memory. */
export class Subscriber implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #output: SubscriberOutput;

  private constructor(child: ChildProcess, folder: string, output: SubscriberOutput) {
    this.#child = child;
    this.#folder = folder;
    this.#output = output;
  }

  /** It is subscribed when this returns. */
  static async open(lab: BenchLab, output: SubscriberOutput): Promise<Subscriber> {
    const folder = await mkdtemp("/dev/shm/cts-b-");
    const file = await open(join(folder, "events"), "w");
    const types = ["--type", "trace", "--type", "drop"];
    const args = ["monitor", "--lab", lab.name, "--node", "bench-1", ...types, "-o", output];
    const child = spawn(cli, args, { stdio: ["ignore", file.fd, "pipe"] });
    await file.close();
    const subscriber = new Subscriber(child, folder, output);
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`monitor ended with ${code}`)));
      child.stderr?.on("data", (text: Buffer) => text.includes("Listening for events") && resolve());
    });
    return subscriber;
  }

  get cpuSeconds(): number {
    return cpuSecondsOf(this.#child.pid as number);
  }

  /** What it saw until now, when nothing more comes. */
  async sight(port: number): Promise<Sight> {
    const path = join(this.#folder, "events");
    for (let [size, before] = [(await stat(path)).size, -1]; size !== before; size = (await stat(path)).size) {
      before = size;
      await delay(quietMs);
    }
    const seen = { traces: 0, starts: 0, ends: 0, drops: 0, lost: 0 };
    for await (const line of createInterface({ input: createReadStream(path) })) {
      // A loss that is only named stands for one record at least.
      const named: EventLine = line === "lost" ? { type: line, lost: 1 } : { type: line };
      const { type, lost = 0, packet } = this.#output === "name" ? named : (JSON.parse(line) as EventLine);
      seen.lost += lost;
      if (type === "drop") seen.drops++;
      if (type === "trace") seen.traces++;
      if (type !== "trace" || (packet?.destinationPort !== port && packet?.sourcePort !== port)) continue;
      const flags = packet.tcpFlags ?? [];
      if (flags.includes("SYN")) seen.starts++;
      else if (flags.includes("FIN") || flags.includes("RST")) seen.ends++;
    }
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGINT");
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

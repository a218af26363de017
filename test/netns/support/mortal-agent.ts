import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { addonPath } from "../../../src/kernel/addon.js";
import { type AgentNode, until } from "../agent-node.js";

/** The first ones and some that are further and further apart; in a long run each, and whoever asks ends it. */
export function* writesToDieAt(): Generator<number> {
  if (process.env.CTS_TEST_LONG !== "1") yield* [1, 2, 3, 12, 60, 180];
  else for (let write = 1; ; write++) yield write;
}

/** A node whose agent can be told at which of its writes it dies. */
export class MortalAgent {
  readonly #node: AgentNode;
  readonly #plan: string;

  constructor(node: AgentNode) {
    this.#node = node;
    this.#plan = join(node.folder, "kill-at-write");
    const script = join(node.folder, "kill-at-write.mjs");
    buildSync({ entryPoints: [join(import.meta.dirname, "kill-at-write.ts")], outfile: script, format: "esm" });
    const query = new URLSearchParams({ plan: this.#plan, addon: addonPath() });
    node.nodeArguments = ["--import", `${pathToFileURL(script).href}?${query}`];
  }

  /** The next agent dies before this write of its own. */
  planStart(write: number): void {
    writeFileSync(this.#plan, `${write}`);
  }

  /** The agent that runs dies before this one of its writes from now on. */
  async plan(write: number): Promise<void> {
    this.planStart(write);
    this.#node.signal("SIGUSR2");
    await until("the agent has read its plan", () => !existsSync(this.#plan) || this.#node.isDead());
  }

  /** The agent that runs lives on. */
  async pardon(): Promise<void> {
    if (!this.#node.isDead()) await this.plan(Number.POSITIVE_INFINITY);
  }
}

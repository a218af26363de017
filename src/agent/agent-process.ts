import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Datapath } from "../datapath/datapath.js";
import { createLogger, type LogLevel } from "../lib/log.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import { createLinkPort } from "./endpoints/endpoint-link.js";
import { runAgent } from "./run-agent.js";

export interface AgentProcessOptions {
  readonly nodeName: string;
  readonly version: string;
  /** Folder of the cluster's state. */
  readonly stateDir: string;
  readonly runDir: string;
  readonly bpffs: string;
  readonly cgroupPath: string;
  /** Takes over pins of another installation whose layout is ours. */
  readonly adopt: boolean;
  readonly logLevel: LogLevel;
  /** Ends the agent in an orderly way. */
  readonly signal: AbortSignal;
}

/** Compiled BPF objects: the same place from src/ and from dist/. */
const objectsDir = fileURLToPath(new URL("../../bpf/build", import.meta.url));

/** The whole life of an agent process: until `signal` aborts, or the start fails. */
export async function runAgentProcess(options: AgentProcessOptions): Promise<void> {
  const { signal } = options;
  const log = createLogger({ name: "agent", level: options.logLevel });
  const state = await FolderStateSource.open(options.stateDir);
  try {
    const agent = await runAgent({
      nodeName: options.nodeName,
      version: options.version,
      state,
      runDir: options.runDir,
      links: createLinkPort(),
      log,
      openDatapath: ({ config, node }) =>
        Datapath.open({
          bpffs: options.bpffs,
          cgroupPath: options.cgroupPath,
          objectsDir,
          // Of a first start; later ones find theirs in the kernel.
          installId: randomUUID(),
          config,
          node,
          adopt: options.adopt,
        }),
    });
    try {
      const stopped = new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      await Promise.race([agent.ready, stopped]);
      await stopped;
      log.info("agent stops; programs, links and maps stay");
    } finally {
      await agent[Symbol.asyncDispose]();
    }
  } finally {
    await state[Symbol.asyncDispose]();
  }
}

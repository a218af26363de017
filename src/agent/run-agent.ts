import { join } from "node:path";
import { AgentError } from "../lib/errors.js";
import type { Logger } from "../lib/log.js";
import { podFamilies } from "../model/pod-families.js";
import { openCaches } from "./agent-caches.js";
import { readAgentConfig } from "./agent-config-source.js";
import { takeAgentLock } from "./agent-lock.js";
import type { AgentOptions } from "./agent-options.js";
import { createAgentApi } from "./agent-report.js";
import { type AgentRuntime, openRuntime } from "./agent-runtime.js";
import { createAgentRoutes } from "./api/agent-routes.js";
import { type HttpServer, openHttpServer } from "./api/http-server.js";
import { openProcessMonitor } from "./metrics/process-facts.js";
import { describeLocalNode } from "./nodes/local-node.js";
import { waitForNode } from "./nodes/wait-for-node.js";
import { countStart } from "./start-counter.js";
import { StatusBoard } from "./status/status-board.js";
import { listLinks } from "./system/ip-batch.js";
import { MemoryKeeper } from "./system/memory-keeper.js";

export interface RunningAgent extends AsyncDisposable {
  readonly socketPath: string;
  /** Resolves when pods can be attached; rejects when the start failed. */
  readonly ready: Promise<void>;
}

const subsystems = [
  "state",
  "node",
  "datapath",
  "devices",
  "endpoints",
  "identities",
  "policy",
  "ipcache",
  "routes",
  "services",
  "conntrack",
  "events",
  "publish",
];

/**
 * Starts an agent: the socket answers at once, pods can be attached when `ready` resolves. Closing it takes away nothing of the
 * kernel: programs, links and maps work on without an agent.
 * @throws AgentError `agent-running`, `agent-socket`
 */
export async function runAgent(options: AgentOptions): Promise<RunningAgent> {
  const startedAt = performance.now();
  const { log, runDir } = options;
  const lock = await takeAgentLock(runDir);
  const stop = new AbortController();
  const status = new StatusBoard(subsystems);
  const monitor = openProcessMonitor();
  const memory = new MemoryKeeper();
  const starts = await countStart(runDir);
  const runtime = startRuntime(options, status, stop.signal);
  const socketPath = join(runDir, "agent.sock");
  let server: HttpServer | undefined;
  const close = async (): Promise<void> => {
    // Requests first: what is being attached is finished before the parts it needs go.
    await server?.[Symbol.asyncDispose]();
    stop.abort(new AgentError("agent-stopped", "the agent stops"));
    const started = await runtime.catch(() => undefined);
    await started?.[Symbol.asyncDispose]();
    monitor[Symbol.dispose]();
    memory[Symbol.dispose]();
    await lock[Symbol.asyncDispose]();
  };
  try {
    const api = createAgentApi({ options, status, monitor, starts, runtime });
    server = await openHttpServer({ socketPath, handle: createAgentRoutes(api), log });
    log.info({ socketPath, starts, listeningMs: Math.round(performance.now() - startedAt) }, "agent listens");
  } catch (error) {
    await close();
    throw error;
  }
  const ready = runtime.then(() => {
    // The kernel's verifier holds the loop while programs are loaded; that is over now.
    monitor.reset();
    memory.collect();
    log.info({ readyMs: Math.round(performance.now() - startedAt) }, "agent ready");
  });
  ready.catch(() => {});
  return { socketPath, ready, [Symbol.asyncDispose]: close };
}

async function startRuntime(options: AgentOptions, status: StatusBoard, signal: AbortSignal): Promise<AgentRuntime> {
  const { log, state } = options;
  const caches = openCaches(state, { signal, status, log });
  try {
    const config = await readAgentConfig(state, log);
    const families = podFamilies(config);
    const { node, spec } = await waitForNode({
      name: options.nodeName,
      families,
      nodes: caches.nodes,
      signal,
      status,
      log,
    });
    const links = await listLinks();
    if (config.debug) log.level = "debug";
    const localNode = describeLocalNode({ node, spec, links, config });
    const datapath = await options.openDatapath({ config, node: localNode });
    status.set("datapath", "ok");
    try {
      return await openRuntime({ agent: options, node: localNode, config, datapath, caches, status, log });
    } catch (error) {
      await datapath[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    if (!signal.aborted) reportFailedStart(error, status, log);
    throw error;
  }
}

function reportFailedStart(error: unknown, status: StatusBoard, log: Logger): void {
  const words = error instanceof Error ? error.message : String(error);
  status.set("datapath", "failed", [`the agent cannot start: ${words}`]);
  log.error({ err: error }, "the agent cannot start");
}

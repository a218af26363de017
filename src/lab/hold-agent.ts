import { rmSync, writeFileSync } from "node:fs";
import { NotFoundError, TimeoutError } from "../lib/errors.js";
import { sleep } from "../lib/time.js";
import { AgentClient } from "./agent-client.js";
import type { OpenLab } from "./lab-access.js";
import { type NodePaths, nodePaths } from "./lab-paths.js";
import { isRunning, readProcessFile, signalProcess } from "./process-table.js";

const STOP_MS = 15_000;
const POLL_MS = 20;

/** @throws NotFoundError `node-unknown` */
function requireNode({ paths, file }: OpenLab, name: string): NodePaths {
  if (file.nodes.some((node) => node.name === name)) return nodePaths(paths, name);
  throw new NotFoundError("node-unknown", `lab ${paths.lab} has no node "${name}"`, {
    hint: `it has ${file.nodes.map((node) => node.name).join(", ")}`,
  });
}

/** Ends a node's agent and holds it back until {@link releaseAgent}: the datapath works on without it. */
export async function holdAgent(
  lab: OpenLab,
  node: string,
  options: { readonly isKill: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const paths = requireNode(lab, node);
  writeFileSync(paths.agentHold, "");
  const agent = readProcessFile(paths.agentPid);
  if (agent === undefined) return;
  signalProcess(agent, options.isKill ? "SIGKILL" : "SIGTERM");
  const deadline = performance.now() + STOP_MS;
  while (isRunning(agent)) {
    if (performance.now() > deadline) signalProcess(agent, "SIGKILL");
    await sleep(POLL_MS, options.signal);
  }
}

/** Lets the supervisor start the agent again, and waits until it is ready. @throws TimeoutError `agent-not-ready` */
export async function releaseAgent(
  lab: OpenLab,
  node: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const paths = requireNode(lab, node);
  rmSync(paths.agentHold, { force: true });
  const client = new AgentClient(paths.agentSocket);
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const problem = await client.healthProblem(options.signal);
    if (problem === undefined) return;
    if (performance.now() > deadline)
      throw new TimeoutError(
        "agent-not-ready",
        `the agent of ${node} is not ready after ${options.timeoutMs / 1000} s: ${problem}`,
        {
          nextSteps: [`kubectl cilium-ts lab logs agent/${node} --name ${lab.paths.lab}`],
        },
      );
    await sleep(POLL_MS, options.signal);
  }
}

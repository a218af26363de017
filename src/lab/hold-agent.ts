import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { AgentError, TimeoutError } from "../lib/errors.js";
import { sleep } from "../lib/time.js";
import { AgentClient } from "./agent-client.js";
import { lastAgentMessages } from "./agent-log.js";
import { findNode } from "./find-node.js";
import type { OpenLab } from "./lab-access.js";
import type { NodePaths } from "./lab-paths.js";
import { isRunning, readProcessFile, signalProcess } from "./process-table.js";

const STOP_MS = 15_000;
const POLL_MS = 20;
/** A shim that outlives its agent writes down how that ended; one that was killed with it does not. */
const SHIM_MS = 2_000;
/** Of an agent that ended. */
const SHOWN_LINES = 10;

/** Ends a node's agent and holds it back until {@link releaseAgent}: the datapath works on without it. */
export async function holdAgent(
  lab: OpenLab,
  node: string,
  options: { readonly isKill: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const paths = findNode(lab, node);
  writeFileSync(paths.agentHold, "");
  const agent = readProcessFile(paths.agentPid);
  if (agent === undefined) return;
  signalProcess(agent, options.isKill ? "SIGKILL" : "SIGTERM");
  const deadline = performance.now() + STOP_MS;
  while (isRunning(agent)) {
    if (performance.now() > deadline) signalProcess(agent, "SIGKILL");
    await sleep(POLL_MS, options.signal);
  }
  // Or this end could be taken for that of the agent that is started next.
  const shimDeadline = performance.now() + SHIM_MS;
  while (!existsSync(paths.agentExit) && performance.now() < shimDeadline) await sleep(POLL_MS, options.signal);
}

/** Which end of the agent its shim wrote last; undefined: none yet, or it was started since. */
function lastEnd({ agentExit }: NodePaths): string | undefined {
  const stat = statSync(agentExit, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? undefined : `${stat.ino}:${stat.mtimeNs}`;
}

function agentEnded(lab: OpenLab, node: string, paths: NodePaths): AgentError {
  const said = lastAgentMessages(paths.agentLog, SHOWN_LINES).map((line) => `\n  ${line}`);
  return new AgentError("agent-ended", `the agent of ${node} ended instead of becoming ready:${said.join("")}`, {
    hint: "the supervisor goes on trying",
    nextSteps: [`kubectl cilium-ts lab logs agent/${node} --name ${lab.paths.lab}`],
  });
}

/**
 * Lets the supervisor start the agent again, and waits until it is ready.
 * @throws AgentError `agent-ended` with what it said; TimeoutError `agent-not-ready`
 */
export async function releaseAgent(
  lab: OpenLab,
  node: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const paths = findNode(lab, node);
  const formerEnd = lastEnd(paths);
  rmSync(paths.agentHold, { force: true });
  const client = new AgentClient(paths.agentSocket);
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const problem = await client.healthProblem(options.signal);
    if (problem === undefined) return;
    const end = lastEnd(paths);
    if (end !== undefined && end !== formerEnd) throw agentEnded(lab, node, paths);
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

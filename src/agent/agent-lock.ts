import { mkdir, stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { AgentError } from "../lib/errors.js";

export interface AgentLock extends AsyncDisposable {
  readonly runDir: string;
}

/**
 * One agent a run directory. The lock is an abstract unix socket (unix(7)) named after the directory's inode: the kernel takes it
 * away with the process, however that ends, so there is no stale lock to judge by pids. It is per network namespace, and
 * so is an agent.
 * @throws AgentError `agent-running`
 */
export async function takeAgentLock(runDir: string): Promise<AgentLock> {
  await mkdir(runDir, { recursive: true, mode: 0o755 });
  const { dev, ino } = await stat(runDir);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      const reason = isTaken ? "another agent runs with it" : cause.message;
      reject(
        new AgentError(isTaken ? "agent-running" : "agent-lock", `${runDir} cannot be locked: ${reason}`, {
          cause,
          nextSteps: isTaken ? ["Stop the other agent, or give this one a --run-dir of its own."] : [],
        }),
      );
    });
    server.listen(`\0cilium-ts-agent:${dev}:${ino}`, resolve);
  });
  server.unref();
  return { runDir, [Symbol.asyncDispose]: () => release(server) };
}

function release(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

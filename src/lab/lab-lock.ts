import { connect, createServer, type Server } from "node:net";
import { StateError } from "../lib/errors.js";
import { sleep } from "../lib/time.js";

/**
 * A lock that the kernel drops with its holder, however that dies: an abstract unix socket (unix(7)) leaves no file that
 * somebody would have to judge stale. It is seen by everything in this network namespace, which all commands share.
 */
export interface LabLock extends AsyncDisposable {
  release(): Promise<void>;
}

/** What is locked: changing the lab (`up`, `down`), or being its supervisor. */
export type LabLockKind = "change" | "supervisor";

/** What a living holder says to whoever asks. */
const HERE = "here";
const SILENCE_MS = 2_000;

function socketName(lab: string, kind: LabLockKind): string {
  return `\0cts-lab/${lab}/${kind}`;
}

/** Takes the lock, or answers undefined when somebody holds it. */
export async function tryLockLab(lab: string, kind: LabLockKind): Promise<LabLock | undefined> {
  const server = createServer((socket) => socket.on("error", () => undefined).end(HERE));
  const isTaken = await listen(server, socketName(lab, kind));
  if (isTaken) return undefined;
  server.unref(); // a lock does not keep its holder alive
  const release = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { release, [Symbol.asyncDispose]: release };
}

function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(true);
      else reject(error);
    });
    server.listen(path, () => resolve(false));
  });
}

/** Waits for the lock. @throws StateError `lab-busy` after `timeoutMs` */
export async function lockLab(
  lab: string,
  kind: LabLockKind,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<LabLock> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const lock = await tryLockLab(lab, kind);
    if (lock !== undefined) return lock;
    if (performance.now() > deadline)
      throw new StateError("lab-busy", `another command is changing lab ${lab} since ${options.timeoutMs} ms`, {
        hint: "a lab up or lab down that still runs, or was stopped with Ctrl-Z",
      });
    await sleep(20, options.signal);
  }
}

/**
 * True while a supervisor of this lab runs: it says so. That its socket takes a connection is not enough, for that a process
 * in the middle of dying does, too. One that says nothing for a while is stopped or busy, but it is there.
 */
export function hasSupervisor(lab: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketName(lab, "supervisor"));
    socket.setTimeout(SILENCE_MS, () => answer(true));
    const answer = (isThere: boolean): void => {
      resolve(isThere);
      socket.destroy();
    };
    socket.once("data", () => answer(true));
    socket.once("error", () => answer(false));
    socket.once("close", () => answer(false));
  });
}

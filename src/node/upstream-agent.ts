import { lstatSync } from "node:fs";
import { join } from "node:path";
import { exchangeOverSocket } from "../lib/socket-exchange.js";

/** Where an upstream agent has its sockets: `/var/run/cilium` below the node's root. */
export function upstreamRunFolder(root: string): string {
  return join(root, isLink(join(root, "var/run")) ? "run" : "var/run", "cilium");
}

/** A `/var/run` that is a link means `/run`, and followed from here it would lead out of the node's root. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    // What is not there is no folder either.
    return true;
  }
}

/** What an upstream agent says of its health, as JSON: who knows. Undefined when none answers. */
export function readUpstreamHealth(root: string, signal?: AbortSignal): Promise<unknown> {
  return askUpstreamAgent(root, "/v1/healthz", signal);
}

/** What an upstream agent answers to GET, as JSON; undefined when none answers, or something else. */
export async function askUpstreamAgent(root: string, path: string, signal?: AbortSignal): Promise<unknown> {
  const question = { method: "GET", path, timeoutMs: 1000, signal } as const;
  const socket = join(upstreamRunFolder(root), "cilium.sock");
  const answer = await exchangeOverSocket(socket, question).catch(() => undefined);
  try {
    return answer?.status === 200 ? JSON.parse(answer.text) : undefined;
  } catch {
    return undefined;
  }
}

/** The field of an object; undefined of anything else. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

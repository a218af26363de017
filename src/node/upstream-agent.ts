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
export async function readUpstreamHealth(root: string, signal?: AbortSignal): Promise<unknown> {
  const question = { method: "GET", path: "/v1/healthz", timeoutMs: 1000, signal } as const;
  const answer = await exchangeOverSocket(join(upstreamRunFolder(root), "cilium.sock"), question).catch(
    () => undefined,
  );
  try {
    return answer === undefined ? undefined : JSON.parse(answer.text);
  } catch {
    return undefined;
  }
}

/** The field of an object; undefined of anything else. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

import { labAgentSocket } from "../model/lab-record.js";
import { isAgentFailure } from "../session/agent-client.js";
import type { ResolvedTarget } from "../session/resolve-target.js";

/** Where the agents of a target's nodes listen. */
export interface AgentSocket {
  readonly node: string;
  readonly path: string;
}

/** In the order of the nodes that the target was narrowed to. */
export function agentSockets(target: ResolvedTarget): readonly AgentSocket[] {
  return target.nodes.map(({ name }) => {
    if (target.kind === "local") return { node: name, path: target.agentSocket };
    const record = target.lab.nodes.find((node) => node.name === name);
    return { node: name, path: record === undefined ? "" : labAgentSocket(record) };
  });
}

/** What a node's agent said, or why it said nothing. */
export type AgentAnswer<T> =
  | { readonly node: string; readonly answer: T; readonly failure?: undefined }
  | { readonly node: string; readonly answer?: undefined; readonly failure: Error };

/** Asks the agents of all nodes at once: one that does not answer keeps nobody else's answer back. */
export function askAgents<T>(
  target: ResolvedTarget,
  ask: (path: string) => Promise<T>,
): Promise<readonly AgentAnswer<T>[]> {
  return Promise.all(agentSockets(target).map(({ node, path }) => askAgent(node, () => ask(path))));
}

async function askAgent<T>(node: string, ask: () => Promise<T>): Promise<AgentAnswer<T>> {
  try {
    return { node, answer: await ask() };
  } catch (error) {
    if (!isAgentFailure(error)) throw error;
    return { node, failure: error };
  }
}

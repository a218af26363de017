import { labAgentSocket } from "../model/lab-record.js";
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

import { join } from "node:path";
import { AgentError, type CtsError } from "../../lib/errors.js";
import type { EventFilter } from "../../model/event-filter.js";
import type { NodePlace } from "../node-context.js";
import { upstreamRunFolder } from "../upstream-agent.js";
import { openAgentStream } from "./agent-stream.js";
import type { EventSource } from "./event-source.js";
import { openSessionSlot } from "./session-slot.js";
import { openUpstreamSocket } from "./upstream-socket.js";

export interface EventSourceOptions {
  readonly place: NodePlace;
  /** Folder of the node's pinned maps. */
  readonly pinDir: string;
  readonly filter: EventFilter;
  /** Path of an upstream agent's monitor socket, as the node sees it; nobody else is asked then. */
  readonly monitorSocket?: string | undefined;
  readonly signal: AbortSignal;
}

/** Of protocol 1.2, which all releases speak that can be read. */
const upstreamSocket = "monitor1_2.sock";

/**
 * Finds who reads the node's events: our agent, else an upstream one. Their ring is not touched: a perf slot holds one reader,
 * and a ring one consumer position, so a second one would take their records away. Where nobody answers and the datapath is
 * ours, the session gets a ring of its own from it.
 * @throws AgentError `no-event-source` when nobody answers, else what the one that was named says
 */
export async function openEventSource(options: EventSourceOptions): Promise<EventSource> {
  const { place, pinDir, filter, monitorSocket, signal } = options;
  const { root } = place;
  if (monitorSocket !== undefined) return openUpstreamSocket(join(root, monitorSocket), signal);
  const attempts = [
    ...(place.agentSocket === undefined
      ? []
      : [() => openAgentStream(place.agentSocket!, smallEnough(filter), signal)]),
    () => openUpstreamSocket(join(upstreamRunFolder(root), upstreamSocket), signal),
    async () => openSessionSlot(pinDir, filter, signal),
  ];
  const failures: CtsError[] = [];
  for (const attempt of attempts) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      failures.push(error);
    }
  }
  throw new AgentError("no-event-source", `nobody hands on the events of node ${place.name}: ${words(failures)}`, {
    hint: "Events have one reader, the node's agent; they are asked of it, or read beside it where the datapath is ours.",
    nextSteps: [
      "kubectl cilium-ts status   (whether the agent runs)",
      "kubectl cilium-ts bpf metrics list   (what was dropped so far, without an agent)",
      "say where an upstream agent's monitor socket is: --monitor-socket PATH",
    ],
    cause: failures[0],
  });
}

/** An agent takes requests of 64 KB. What it is not told to leave out, the reader of its stream leaves out. */
const largestFilterBytes = 32 * 1024;

function smallEnough({ packets, ...rest }: EventFilter): EventFilter {
  const filter = { ...rest, packets };
  return JSON.stringify(filter).length <= largestFilterBytes ? filter : rest;
}

function words(failures: readonly CtsError[]): string {
  return failures.map(({ message }) => message).join("; ");
}

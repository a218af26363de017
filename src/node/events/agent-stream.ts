import { type IncomingMessage, request } from "node:http";
import { addAbortSignal } from "node:stream";
import { AgentError, TimeoutError } from "../../lib/errors.js";
import type { EventRing } from "../../model/datapath-port.js";
import type { EventFilter } from "../../model/event-filter.js";
import { FrameDecoder, type LossFrame, type RecordFrame } from "../../model/event-frames.js";
import type { EventSource } from "./event-source.js";

/** Longest time until an agent accepts a subscription; it does so from memory. */
const answerTimeoutMs = 2000;

/**
 * Subscribes to the events of our agent, which filters them. Resolves when the subscription is in force.
 * @throws AgentError `agent-down` when nothing listens, `agent-answer` when it refuses; TimeoutError `agent-silent`;
 *   the signal's reason
 */
export async function openAgentStream(
  socketPath: string,
  filter: EventFilter,
  signal: AbortSignal,
): Promise<EventSource> {
  const response = await askForEvents(socketPath, filter, signal);
  const frames = readFrames(response);
  const first = await frames.next();
  const ring = first.done === true ? undefined : first.value.ring;
  if (first.done === true || ring === undefined) {
    response.destroy();
    throw new AgentError("agent-answer", `the agent on ${socketPath} sent no events: its stream begins otherwise`);
  }
  return {
    description: `the agent on ${socketPath}`,
    isOwn: true,
    ring,
    events: eventsOf(first.value, frames),
    [Symbol.dispose]: () => void response.destroy(),
  };
}

async function askForEvents(socketPath: string, filter: EventFilter, signal: AbortSignal): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    signal.throwIfAborted();
    const headers = { "content-type": "application/json" };
    const call = request({ socketPath, method: "POST", path: "/v1/events", headers, agent: false, signal });
    call.setTimeout(answerTimeoutMs, () => call.destroy(silentError(socketPath)));
    call.on("response", (answer) => {
      // From here on, silence means that nothing happens.
      call.setTimeout(0);
      resolve(answer);
    });
    call.on("error", (error: NodeJS.ErrnoException) => {
      reject(signal.aborted ? signal.reason : error instanceof TimeoutError ? error : downError(socketPath, error));
    });
    call.end(JSON.stringify(filter));
  });
  if (response.statusCode === 200) return addAbortSignal(signal, response);
  const words = await refusalOf(response);
  throw new AgentError("agent-answer", `the agent on ${socketPath} serves no events: ${words}`, {
    details: { status: response.statusCode },
  });
}

function silentError(socketPath: string): TimeoutError {
  const seconds = answerTimeoutMs / 1000;
  return new TimeoutError("agent-silent", `the agent on ${socketPath} did not answer within ${seconds} s`);
}

function downError(socketPath: string, error: NodeJS.ErrnoException): AgentError {
  return new AgentError("agent-down", `the agent does not answer on ${socketPath} (${error.code ?? error.message})`, {
    ...(error.code === "EACCES" ? { nextSteps: ["run the command as root"] } : {}),
    details: { socketPath, errno: error.code },
    cause: error,
  });
}

/** Answers of the agent to anything but a stream are short. */
const longestRefusalBytes = 4096;

async function refusalOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    text += chunk.toString("utf8");
    if (text.length > longestRefusalBytes) break;
  }
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // Whatever it is: the status tells.
  }
  return `HTTP ${response.statusCode}`;
}

interface FrameBatch {
  readonly ring?: EventRing | undefined;
  readonly events: readonly (RecordFrame | LossFrame)[];
}

async function* readFrames(response: IncomingMessage): AsyncGenerator<FrameBatch, string> {
  const decoder = new FrameDecoder();
  try {
    for await (const bytes of response as AsyncIterable<Buffer>) {
      const frames = decoder.push(bytes);
      if (frames.length === 0) continue;
      const ring = frames.find((frame) => frame.kind === "ring");
      yield { ring, events: frames.filter((frame) => frame.kind !== "ring") };
    }
  } catch (error) {
    // A process that is killed does not end its answer.
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return "the agent went away";
    throw error;
  }
  return "the agent ended the stream: it stops";
}

async function* eventsOf(first: FrameBatch, rest: AsyncGenerator<FrameBatch, string>): EventSource["events"] {
  if (first.events.length > 0) yield first.events;
  while (true) {
    const step = await rest.next();
    if (step.done === true) return step.value;
    if (step.value.events.length > 0) yield step.value.events;
  }
}

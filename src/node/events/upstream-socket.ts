import { connect, type Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import { type MonitorPayload, PayloadDecoder, payloadType } from "../../abi/monitor/payload.js";
import { AgentError } from "../../lib/errors.js";
import type { EventSource, RawEvent } from "./event-source.js";

/** Connects to an upstream agent's monitor socket. @throws AgentError `monitor-socket`; the signal's reason */
export async function openUpstreamSocket(path: string, signal: AbortSignal): Promise<EventSource> {
  const socket = await openSocket(path, signal);
  return {
    description: `the upstream agent on ${path}`,
    isOwn: false,
    events: readPayloads(socket),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

function openSocket(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect(path);
    addAbortSignal(signal, socket);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      reject(signal.aborted ? signal.reason : socketError(path, error));
    });
  });
}

function socketError(path: string, error: NodeJS.ErrnoException): AgentError {
  return new AgentError("monitor-socket", `connecting to ${path} failed: ${error.code ?? error.message}`, {
    nextSteps:
      error.code === "EACCES" || error.code === "EPERM"
        ? ["run the command as root"]
        : ["say where the agent's monitor socket is: --monitor-socket PATH"],
    details: { path, errno: error.code },
    cause: error,
  });
}

async function* readPayloads(socket: Socket): EventSource["events"] {
  const decoder = new PayloadDecoder();
  try {
    for await (const bytes of socket as AsyncIterable<Buffer>) {
      const payloads = decoder.push(bytes);
      if (payloads.length > 0) yield payloads.map(toRawEvent);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return "the agent went away";
    throw error;
  }
  decoder.end();
  return "the agent closed the connection";
}

function toRawEvent({ type, cpu, data, lost }: MonitorPayload): RawEvent {
  const timeMs = Date.now();
  if (type === payloadType.sample) return { kind: "record", cpu, timeMs, bytes: data };
  if (type === payloadType.lost) return { kind: "loss", cpu, timeMs, count: lost };
  return { kind: "foreign", cpu, timeMs, type, bytes: data };
}

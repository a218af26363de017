import { AgentError, TimeoutError } from "./errors.js";

/** One question to an agent. */
export interface SocketQuestion {
  readonly method: "GET" | "POST";
  /** E.g. `/v1/status`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** How long the agent may be silent; 2 s when nothing is said, for what it answers from memory. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What it said, whatever it means. */
export interface SocketAnswer {
  readonly status: number;
  readonly text: string;
}

/** The longest answer that anybody asks for, with room to spare; more is an error and not memory. */
const maxAnswerBytes = 256 * 1024 * 1024;

function tooLong(socketPath: string, { method, path }: SocketQuestion): Error {
  return new AgentError(
    "agent-answer",
    `the agent on ${socketPath} answered ${method} ${path} with more than ${maxAnswerBytes} bytes`,
  );
}

/**
 * One exchange of HTTP over an agent's unix socket, on a connection of its own.
 * @throws TimeoutError `agent-silent`; the socket's errors as they are (`ENOENT`, `ECONNREFUSED`, `ECONNRESET` …);
 *   the signal's reason
 */
export async function exchangeOverSocket(socketPath: string, question: SocketQuestion): Promise<SocketAnswer> {
  const { method, path, body, timeoutMs = 2000, signal } = question;
  // Commands that ask no agent start without it.
  const { request } = await import("node:http");
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(signal?.aborted === true ? signal.reason : error);
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const options = { socketPath, method, path, headers, timeout: timeoutMs, agent: false, ...(signal && { signal }) };
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      let lengthBytes = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        lengthBytes += chunk.length;
        if (lengthBytes > maxAnswerBytes) call.destroy(tooLong(socketPath, question));
      });
      response.on("error", fail);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    call.on("timeout", () => {
      const message = `the agent on ${socketPath} did not answer ${method} ${path} within ${timeoutMs / 1000} s`;
      call.destroy(new TimeoutError("agent-silent", message));
    });
    call.on("error", fail);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

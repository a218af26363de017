import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { AgentError } from "../../lib/errors.js";
import type { Logger } from "../../lib/log.js";

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Parsed JSON of a POST; undefined for GET. */
  readonly body: unknown;
}

export type HttpAnswer = HttpBody | HttpStream;

export interface HttpBody {
  readonly status: number;
  /** An object becomes JSON, text stays text. */
  readonly body: unknown;
}

/** An answer that goes on until one of the two ends has enough. */
export interface HttpStream {
  /** Called when the head of the answer is out. */
  readonly stream: (out: Writable) => void;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpAnswer> | HttpAnswer;

export interface HttpServer extends AsyncDisposable {
  readonly socketPath: string;
}

/** A CNI request is some hundred bytes, a query for Services has a thousand addresses of up to 45 characters. */
const MAX_BODY_BYTES = 64 * 1024;

/** `sun_path` holds 108 bytes with its final zero (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * HTTP/1.1 on a unix socket that only root may use. The caller holds the lock of the run directory, so a socket file that
 * is there was left by a killed agent.
 * @throws AgentError `agent-socket`
 */
export async function openHttpServer(options: {
  readonly socketPath: string;
  readonly handle: HttpHandler;
  readonly log: Logger;
}): Promise<HttpServer> {
  const { socketPath, handle, log } = options;
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new AgentError(
      "agent-socket",
      `${socketPath} is too long for a unix socket (${MAX_SOCKET_PATH_BYTES} bytes)`,
      {
        nextSteps: ["Choose a shorter --run-dir."],
      },
    );
  }
  await rm(socketPath, { force: true });
  const streams = new Set<ServerResponse>();
  const server = createServer(async (message, response) => {
    const answer = await answerOf(message, handle, log);
    if ("stream" in answer) startStream(response, answer, streams);
    else sendBody(response, answer);
  });
  await listen(server, socketPath);
  return { socketPath, [Symbol.asyncDispose]: () => closeServer(server, streams) };
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new AgentError("agent-socket", `cannot listen on ${socketPath}: ${cause.message}`, { cause }));
    });
    // bind(2) happens within this call: there is no moment at which the socket is open to others.
    const umask = process.umask(0o177);
    server.listen(socketPath, resolve);
    process.umask(umask);
  });
}

/** An attachment takes some tens of milliseconds; who is not done by then will not be. */
const CLOSE_TIMEOUT_MS = 5000;
/** A subscriber that has not taken the end of its stream by then reads no more. */
const STREAM_END_MS = 500;

/** Stops listening, ends streams, lets running requests end, drops idle connections. The socket file goes with it. */
function closeServer(server: Server, streams: ReadonlySet<ServerResponse>): Promise<void> {
  return new Promise((resolve) => {
    const timers = [
      setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS),
      setTimeout(() => endStreams(streams, (stream) => stream.destroy()), STREAM_END_MS),
    ];
    server.close(() => {
      for (const timer of timers) clearTimeout(timer);
      resolve();
    });
    endStreams(streams, (stream) => stream.end());
    server.closeIdleConnections();
  });
}

function endStreams(streams: ReadonlySet<ServerResponse>, end: (stream: ServerResponse) => void): void {
  for (const stream of [...streams]) end(stream);
}

async function answerOf(message: IncomingMessage, handle: HttpHandler, log: Logger): Promise<HttpAnswer> {
  try {
    return await readAndHandle(message, handle);
  } catch (error) {
    log.error({ err: error, path: message.url }, "request failed");
    return { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

function startStream(response: ServerResponse, { stream }: HttpStream, streams: Set<ServerResponse>): void {
  streams.add(response);
  response.on("close", () => streams.delete(response));
  // A connection of a stream is not used again: its end is seen by whoever reads it.
  response.writeHead(200, { "content-type": "application/octet-stream", connection: "close" });
  response.flushHeaders();
  stream(response);
}

function sendBody(response: ServerResponse, answer: HttpBody): void {
  const isText = typeof answer.body === "string";
  const body = isText ? (answer.body as string) : `${JSON.stringify(answer.body)}\n`;
  response.writeHead(answer.status, {
    "content-type": isText ? "text/plain; version=0.0.4; charset=utf-8" : "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

async function readAndHandle(message: IncomingMessage, handle: HttpHandler): Promise<HttpAnswer> {
  const url = new URL(message.url ?? "/", "http://agent");
  const method = message.method ?? "GET";
  const text = method === "GET" || method === "HEAD" ? "" : await readBody(message);
  if (text === undefined) return { status: 413, body: { error: `a request body has at most ${MAX_BODY_BYTES} bytes` } };
  let body: unknown;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch {
    return { status: 400, body: { code: 6, msg: "the request body is not JSON", details: "" } };
  }
  return handle({ method, path: url.pathname, query: url.searchParams, body });
}

async function readBody(message: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

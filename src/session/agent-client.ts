import { AgentError, TimeoutError } from "../lib/errors.js";
import type { NamedService, NamesDocument } from "../model/names-document.js";
import type { ServiceQuery } from "../model/service-query.js";

/** Longest time an agent may take to answer; it answers from memory. */
const answerTimeoutMs = 2000;

/** Whether an agent was asked and could not be had: it is down, is starting, answers nonsense or not at all. */
export function isAgentFailure(error: unknown): error is AgentError | TimeoutError {
  return error instanceof AgentError || error instanceof TimeoutError;
}

/** Names of addresses as the agent knows them. @throws AgentError, TimeoutError as {@link getFromAgent} */
export async function fetchAgentNames(socketPath: string): Promise<NamesDocument> {
  const value = await getFromAgent(socketPath, "/v1/names");
  if (isNamesDocument(value)) return value;
  throw new AgentError("agent-answer", `the agent's answer to GET /v1/names on ${socketPath} is no list of names`);
}

/**
 * Services that the agent knows; one that is starting says so.
 * @throws AgentError, TimeoutError as {@link getFromAgent}
 */
export async function fetchAgentServices(
  socketPath: string,
  query: ServiceQuery,
  options: { readonly timeoutMs?: number } = {},
): Promise<readonly NamedService[]> {
  const value = await askAgent(socketPath, { method: "POST", path: "/v1/services", body: query, ...options });
  const items = typeof value === "object" && value !== null && "items" in value ? value.items : undefined;
  if (Array.isArray(items)) return items;
  throw new AgentError(
    "agent-answer",
    `the agent's answer to POST /v1/services on ${socketPath} is no list of Services`,
  );
}

/**
 * Asks the agent of a node on this machine over its socket.
 * @param path e.g. `/v1/status`
 * @throws AgentError `agent-down` when nothing listens, `agent-answer` when the answer is no JSON or a failure;
 *   TimeoutError `agent-silent`
 */
export async function getFromAgent(socketPath: string, path: string): Promise<unknown> {
  return askAgent(socketPath, { method: "GET", path });
}

interface AgentQuestion {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

async function askAgent(socketPath: string, question: AgentQuestion): Promise<unknown> {
  const words = `${question.method} ${question.path}`;
  const { status, text } = await exchange(socketPath, question).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof TimeoutError) throw error;
    throw new AgentError("agent-down", `the agent does not answer on ${socketPath} (${error.code ?? error.message})`, {
      nextSteps: [
        error.code === "EACCES"
          ? "run the command as root"
          : "kubectl cilium-ts status   (kernels are read without their agents)",
      ],
      details: { socketPath, errno: error.code },
      cause: error,
    });
  });
  if (status !== 200) {
    throw new AgentError("agent-answer", `the agent answered ${words} on ${socketPath} with HTTP ${status}`, {
      details: { status, body: text.slice(0, 500) },
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AgentError("agent-answer", `the agent's answer to ${words} on ${socketPath} is no JSON`, {
      cause: error,
    });
  }
}

async function exchange(
  socketPath: string,
  { method, path, body, timeoutMs = answerTimeoutMs }: AgentQuestion,
): Promise<{ readonly status: number; readonly text: string }> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    call.on("timeout", () => {
      const message = `the agent on ${socketPath} did not answer ${method} ${path} within ${timeoutMs / 1000} s`;
      call.destroy(new TimeoutError("agent-silent", message));
    });
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function isNamesDocument(value: unknown): value is NamesDocument {
  if (typeof value !== "object" || value === null) return false;
  const document: Partial<Record<keyof NamesDocument, unknown>> = value;
  return [document.pods, document.nodes, document.identities].every(Array.isArray);
}

import { AgentError, TimeoutError } from "../lib/errors.js";
import type { NamesDocument } from "../model/names-document.js";

/** Longest time an agent may take to answer; it answers from memory. */
const answerTimeoutMs = 2000;

/** Names of addresses as the agent knows them. @throws AgentError, TimeoutError as {@link getFromAgent} */
export async function fetchAgentNames(socketPath: string): Promise<NamesDocument> {
  const value = await getFromAgent(socketPath, "/v1/names");
  if (isNamesDocument(value)) return value;
  throw new AgentError("agent-answer", `the agent's answer to GET /v1/names on ${socketPath} is no list of names`);
}

/**
 * Asks the agent of a node on this machine over its socket.
 * @param path e.g. `/v1/status`
 * @throws AgentError `agent-down` when nothing listens, `agent-answer` when the answer is no JSON or a failure;
 *   TimeoutError `agent-silent`
 */
export async function getFromAgent(socketPath: string, path: string): Promise<unknown> {
  const { request } = await import("node:http");
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request({ socketPath, path, timeout: answerTimeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    call.on("timeout", () => {
      const message = `the agent on ${socketPath} did not answer GET ${path} within ${answerTimeoutMs / 1000} s`;
      call.destroy(new TimeoutError("agent-silent", message));
    });
    call.on("error", reject);
    call.end();
  }).catch((error: NodeJS.ErrnoException) => {
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
    throw new AgentError("agent-answer", `the agent answered GET ${path} on ${socketPath} with HTTP ${status}`, {
      details: { status, body: text.slice(0, 500) },
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AgentError("agent-answer", `the agent's answer to GET ${path} on ${socketPath} is no JSON`, {
      cause: error,
    });
  }
}

function isNamesDocument(value: unknown): value is NamesDocument {
  if (typeof value !== "object" || value === null) return false;
  const document: Partial<Record<keyof NamesDocument, unknown>> = value;
  return [document.pods, document.services, document.nodes, document.identities].every(Array.isArray);
}

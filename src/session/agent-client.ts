import { AgentError, TimeoutError } from "../lib/errors.js";
import { exchangeOverSocket, type SocketQuestion } from "../lib/socket-exchange.js";
import type { DropEvent } from "../model/datapath-port.js";
import type { EndpointOptionsAnswer, EndpointOptionsRequest } from "../model/event-options.js";
import type { NamedService, NamesDocument } from "../model/names-document.js";
import type { PolicyCookies, PolicyDocument } from "../model/policy/rule-rows.js";
import type { EndpointRow } from "../model/rows.js";
import type { ServiceQuery } from "../model/service-query.js";

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

/** The endpoints of the agent's node. @throws AgentError, TimeoutError as {@link getFromAgent} */
export async function fetchAgentEndpoints(socketPath: string): Promise<readonly EndpointRow[]> {
  const value = await getFromAgent(socketPath, "/v1/endpoints");
  const items = typeof value === "object" && value !== null && "items" in value ? value.items : undefined;
  if (Array.isArray(items)) return items;
  throw new AgentError("agent-answer", `the agent's answer to GET /v1/endpoints on ${socketPath} is no list`);
}

/**
 * Changes what is told of an endpoint's packets, or asks for it.
 * @throws AgentError, TimeoutError as {@link getFromAgent}
 */
export async function configureAgentEndpoint(
  socketPath: string,
  body: EndpointOptionsRequest,
): Promise<EndpointOptionsAnswer> {
  const value = await askAgent(socketPath, { method: "POST", path: "/v1/endpoint-options", body });
  const answer = value as Partial<EndpointOptionsAnswer> | null;
  if (typeof answer?.options === "object" && Array.isArray(answer.own)) return answer as EndpointOptionsAnswer;
  throw new AgentError(
    "agent-answer",
    `the agent's answer to POST /v1/endpoint-options on ${socketPath} names no options`,
  );
}

/** Policies as the agent has them in force. @throws AgentError, TimeoutError as {@link getFromAgent} */
export async function fetchAgentPolicies(socketPath: string): Promise<PolicyDocument> {
  const value = (await getFromAgent(socketPath, "/v1/policies")) as Partial<PolicyDocument> | null;
  if (typeof value?.revision === "number" && Array.isArray(value.policies)) return value as PolicyDocument;
  throw new AgentError(
    "agent-answer",
    `the agent's answer to GET /v1/policies on ${socketPath} is no list of policies`,
  );
}

/** Rules behind the cookies of policy entries. @throws AgentError, TimeoutError as {@link getFromAgent} */
export async function fetchAgentCookies(socketPath: string): Promise<PolicyCookies["items"]> {
  const value = (await getFromAgent(socketPath, "/v1/policy-cookies")) as Partial<PolicyCookies> | null;
  if (Array.isArray(value?.items)) return value.items;
  throw new AgentError("agent-answer", `the agent's answer to GET /v1/policy-cookies on ${socketPath} is no list`);
}

/** The last packets that the agent saw dropped. @throws AgentError, TimeoutError as {@link getFromAgent} */
export async function fetchAgentDrops(socketPath: string): Promise<readonly DropEvent<string>[]> {
  const value = (await getFromAgent(socketPath, "/v1/drops")) as { readonly items?: unknown } | null;
  if (Array.isArray(value?.items)) return value.items;
  throw new AgentError("agent-answer", `the agent's answer to GET /v1/drops on ${socketPath} is no list`);
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

async function askAgent(socketPath: string, question: SocketQuestion): Promise<unknown> {
  const words = `${question.method} ${question.path}`;
  const { status, text } = await exchangeOverSocket(socketPath, question).catch((error: NodeJS.ErrnoException) => {
    if (isAgentFailure(error)) throw error;
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

function isNamesDocument(value: unknown): value is NamesDocument {
  if (typeof value !== "object" || value === null) return false;
  const document: Partial<Record<keyof NamesDocument, unknown>> = value;
  return [document.pods, document.nodes, document.identities].every(Array.isArray);
}

import { AgentError, TimeoutError } from "../lib/errors.js";
import { exchangeOverSocket, type SocketAnswer, type SocketQuestion } from "../lib/socket-exchange.js";
import type { CniRequest } from "../model/cni.js";

/** Talks to one agent over its unix socket, as the CNI plugin does. */
export class AgentClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Attaches a pod; answers its addresses, one a family. @throws AgentError `agent-unreachable`, `cni-add`; TimeoutError `agent-silent` */
  async add(call: CniRequest, signal?: AbortSignal): Promise<readonly string[]> {
    const answer = await this.#ask({ method: "POST", path: "/v1/cni/add", body: call, timeoutMs: 60_000, signal });
    const addresses = parseAddresses(answer);
    if (addresses.length > 0) return addresses;
    throw cniError("add", call, answer);
  }

  /**
   * Releases address and endpoint; repeating it is fine, as CNI DEL demands.
   * @throws AgentError `agent-unreachable`, `cni-del`; TimeoutError `agent-silent`
   */
  async del(call: CniRequest, signal?: AbortSignal): Promise<void> {
    const answer = await this.#ask({ method: "POST", path: "/v1/cni/del", body: call, timeoutMs: 30_000, signal });
    if (answer.status >= 300) throw cniError("del", call, answer);
  }

  /** Undefined when healthy, else why not. */
  async healthProblem(signal?: AbortSignal): Promise<string | undefined> {
    try {
      const answer = await this.#ask({ method: "GET", path: "/v1/healthz", timeoutMs: 5_000, signal });
      return answer.status === 200
        ? undefined
        : `healthz answers ${answer.status}: ${answer.text.trim().slice(0, 300)}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #ask(question: SocketQuestion): Promise<SocketAnswer> {
    try {
      return await exchangeOverSocket(this.#socketPath, question);
    } catch (error) {
      if (question.signal?.aborted === true || error instanceof TimeoutError) throw error;
      const cause = error as NodeJS.ErrnoException;
      const why = cause.code ?? cause.message;
      throw new AgentError("agent-unreachable", `no answer from the agent at ${this.#socketPath}: ${why}`, { cause });
    }
  }
}

/** The addresses of a CNI result (1.0.0), which have their prefix lengths behind them. */
function parseAddresses(answer: SocketAnswer): readonly string[] {
  if (answer.status !== 200) return [];
  const value: unknown = JSON.parse(answer.text);
  const ips = typeof value === "object" && value !== null && "ips" in value ? value.ips : undefined;
  const addresses: readonly unknown[] = Array.isArray(ips) ? ips.map((ip) => ip?.address) : [];
  return addresses.flatMap((address) => (typeof address === "string" ? [address.split("/")[0]!] : []));
}

function cniError(operation: string, call: CniRequest, answer: SocketAnswer): AgentError {
  const said = answer.text.trim().slice(0, 500);
  return new AgentError(
    `cni-${operation}`,
    `CNI ${operation.toUpperCase()} of ${call.podNamespace}/${call.podName} was refused: ${said}`,
    {
      details: { status: answer.status },
    },
  );
}

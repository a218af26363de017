import { request } from "node:http";
import { AgentError } from "../lib/errors.js";

/** The CNI call as the agent's socket takes it. */
export interface CniRequest {
  readonly containerId: string;
  readonly netns: string;
  readonly ifName: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid: string;
  readonly mtu?: number;
}

/** What of a CNI result (1.0.0) the lab reads. */
export interface CniResult {
  readonly ips: readonly { readonly address: string }[];
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Talks to one agent over its unix socket, as the CNI plugin does. */
export class AgentClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** @throws AgentError `agent-unreachable`, `cni-add` */
  async add(call: CniRequest, signal?: AbortSignal): Promise<CniResult> {
    const answer = await this.#call("POST", "/v1/cni/add", {
      body: call,
      timeoutMs: 60_000,
      ...(signal && { signal }),
    });
    const result = parseResult(answer);
    if (result !== undefined) return result;
    throw cniError("add", call, answer);
  }

  /** Releases address and endpoint; repeating it is fine, as CNI DEL demands. @throws AgentError `agent-unreachable`, `cni-del` */
  async del(call: CniRequest, signal?: AbortSignal): Promise<void> {
    const answer = await this.#call("POST", "/v1/cni/del", {
      body: call,
      timeoutMs: 30_000,
      ...(signal && { signal }),
    });
    if (answer.status >= 300) throw cniError("del", call, answer);
  }

  /** Undefined when healthy, else why not. */
  async healthProblem(signal?: AbortSignal): Promise<string | undefined> {
    try {
      const answer = await this.#call("GET", "/v1/healthz", { timeoutMs: 5_000, ...(signal && { signal }) });
      return answer.status === 200
        ? undefined
        : `healthz answers ${answer.status}: ${answer.text.trim().slice(0, 300)}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #call(
    method: string,
    path: string,
    options: { readonly body?: unknown; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Answer> {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    return new Promise((resolve, reject) => {
      const headers =
        body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const call = request(
        { socketPath: this.#socketPath, method, path, headers, signal, agent: false },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => (text += part));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
          response.on("error", (cause) => reject(this.#unreachable(cause)));
        },
      );
      call.on("error", (cause) =>
        reject(options.signal?.aborted === true ? options.signal.reason : this.#unreachable(cause)),
      );
      call.end(body);
    });
  }

  #unreachable(cause: NodeJS.ErrnoException): AgentError {
    return new AgentError(
      "agent-unreachable",
      `no answer from the agent at ${this.#socketPath}: ${cause.code ?? cause.message}`,
      {
        cause,
      },
    );
  }
}

function parseResult(answer: Answer): CniResult | undefined {
  if (answer.status !== 200) return undefined;
  const value: unknown = JSON.parse(answer.text);
  const ips = typeof value === "object" && value !== null && "ips" in value ? value.ips : undefined;
  return Array.isArray(ips) && typeof ips[0]?.address === "string" ? { ips: ips as CniResult["ips"] } : undefined;
}

function cniError(operation: string, call: CniRequest, answer: Answer): AgentError {
  const said = answer.text.trim().slice(0, 500);
  return new AgentError(
    `cni-${operation}`,
    `CNI ${operation.toUpperCase()} of ${call.podNamespace}/${call.podName} was refused: ${said}`,
    {
      details: { status: answer.status },
    },
  );
}

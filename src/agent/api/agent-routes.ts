import type { Writable } from "node:stream";
import type { CniRequest, CniResult } from "../../model/cni.js";
import { type EventFilter, parseEventFilter } from "../../model/event-filter.js";
import {
  type EndpointOptionsAnswer,
  type EndpointOptionsRequest,
  parseEndpointOptionsRequest,
} from "../../model/event-options.js";
import { parseServiceQuery, type ServiceQuery } from "../../model/service-query.js";
import { CniError, CniErrorCode, formatCniError } from "../cni/cni-error.js";
import { parseCniRequest } from "../cni/cni-request.js";
import type { HttpAnswer, HttpHandler, HttpRequest } from "./http-server.js";

/** What the socket serves; each is asked anew for every request. */
export interface AgentApi {
  /** Waits until pods can be attached. @throws CniError 11 when that takes too long */
  readonly cni: {
    add(request: CniRequest): Promise<CniResult>;
    check(request: CniRequest): Promise<CniResult>;
    del(request: CniRequest): Promise<void>;
  };
  health(): { readonly status: string; readonly isHealthy: boolean; readonly problems: readonly string[] };
  status(): Promise<unknown>;
  /** Undefined while the agent does not know them yet. */
  endpoints(): readonly unknown[] | undefined;
  names(): unknown;
  /** Undefined while the agent does not know them yet. */
  services(query: ServiceQuery): unknown;
  /** Undefined while the agent does not know them yet, as are their cookies. */
  policies(): unknown;
  policyCookies(): unknown;
  /** Undefined for an endpoint that is not there. */
  configureEndpoint(request: EndpointOptionsRequest): Promise<EndpointOptionsAnswer | undefined>;
  drops(): unknown;
  /** Begins a stream of events, or says why there is none. */
  events(filter: EventFilter): ((out: Writable) => void) | { readonly refusal: string };
  metrics(): Promise<string>;
}

/** Routes of the agent's socket. */
export function createAgentRoutes(api: AgentApi): HttpHandler {
  const reads: Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>> = {
    "/v1/healthz": () => {
      const { isHealthy, ...body } = api.health();
      return { status: isHealthy ? 200 : 503, body };
    },
    "/v1/status": async () => ({ status: 200, body: await api.status() }),
    "/v1/endpoints": () => known(asItems(api.endpoints()), "its endpoints"),
    "/v1/names": () => ({ status: 200, body: api.names() }),
    "/v1/policies": () => known(api.policies(), "the policies"),
    "/v1/policy-cookies": () => known(api.policyCookies(), "the policies"),
    "/v1/drops": () => ({ status: 200, body: { items: api.drops() } }),
    "/metrics": async () => ({ status: 200, body: await api.metrics() }),
  };
  return (request) => {
    const verb = /^\/v1\/cni\/(add|del|check)$/.exec(request.path)?.[1] as CniVerb | undefined;
    const ask = questions[request.path];
    if (ask !== undefined) return request.method === "POST" ? ask(api, request) : wrongMethod("POST");
    if (verb !== undefined) return request.method === "POST" ? serveCni(api, verb, request) : wrongMethod("POST");
    const read = reads[request.path];
    if (read === undefined) return { status: 404, body: { error: `there is no ${request.path}` } };
    return request.method === "GET" ? read() : wrongMethod("GET");
  };
}

/** What is asked for stands in the body. */
const questions: Readonly<Record<string, (api: AgentApi, request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>>> = {
  "/v1/services": findServices,
  "/v1/endpoint-options": configureEndpoint,
  "/v1/events": streamEvents,
};

function streamEvents(api: AgentApi, { body }: HttpRequest): HttpAnswer {
  const filter = parseEventFilter(body);
  if (filter === undefined) return { status: 400, body: { error: "the body is no filter of events" } };
  const stream = api.events(filter);
  return "refusal" in stream ? { status: 503, body: { error: stream.refusal } } : { stream };
}

function findServices(api: AgentApi, { body }: HttpRequest): HttpAnswer {
  const query = parseServiceQuery(body);
  if (query === undefined) return { status: 400, body: { error: "the body is no query for Services" } };
  return known(asItems(api.services(query)), "the Services");
}

async function configureEndpoint(api: AgentApi, { body }: HttpRequest): Promise<HttpAnswer> {
  const request = parseEndpointOptionsRequest(body);
  if (request === undefined)
    return { status: 400, body: { error: "the body is no request for an endpoint's options" } };
  const answer = await api.configureEndpoint(request);
  return answer === undefined
    ? { status: 404, body: { error: `there is no endpoint ${request.endpointId}` } }
    : { status: 200, body: answer };
}

function asItems(items: unknown): { readonly items: unknown } | undefined {
  return items === undefined ? undefined : { items };
}

function known(body: unknown, what: string): HttpAnswer {
  return body === undefined
    ? { status: 503, body: { error: `the agent does not know ${what} yet` } }
    : { status: 200, body };
}

type CniVerb = "add" | "del" | "check";

function wrongMethod(right: string): HttpAnswer {
  return { status: 405, body: { error: `this path takes ${right} only` } };
}

async function serveCni(api: AgentApi, verb: CniVerb, request: HttpRequest): Promise<HttpAnswer> {
  try {
    const parsed = parseCniRequest(request.body, verb);
    const body = (await api.cni[verb](parsed)) ?? {};
    return { status: 200, body };
  } catch (error) {
    return formatCniError(error);
  }
}

/** Resolves with `value`, or fails with "try again later" when that takes longer than a runtime should wait. */
export async function waitForAttachments<T>(value: Promise<T>, timeoutMs: number, why: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new CniError(CniErrorCode.tryAgainLater, `the agent cannot attach pods yet: ${why()}`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

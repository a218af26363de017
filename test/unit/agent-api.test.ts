import { mkdtemp, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AgentApi, createAgentRoutes, waitForAttachments } from "../../src/agent/api/agent-routes.js";
import { type HttpServer, openHttpServer } from "../../src/agent/api/http-server.js";
import { CniError, CniErrorCode } from "../../src/agent/cni/cni-error.js";
import { parseCniRequest } from "../../src/agent/cni/cni-request.js";
import { AgentError } from "../../src/lib/errors.js";
import type { EventOptions } from "../../src/model/event-options.js";
import { cniRequest, silentLog } from "../support/agent-fixture.js";

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

let folder: string;
let server: HttpServer;
const asked: string[] = [];
let failure: Error | undefined;
let isHealthy = true;

const api: AgentApi = {
  cni: {
    add: async ({ containerId }) => {
      asked.push(`add ${containerId}`);
      if (failure !== undefined) throw failure;
      return { cniVersion: "1.0.0", interfaces: [], ips: [], routes: [] };
    },
    check: async () => {
      throw new CniError(CniErrorCode.unknownContainer, "no endpoint here");
    },
    del: async ({ containerId }) => {
      asked.push(`del ${containerId}`);
    },
  },
  health: () => ({ status: isHealthy ? "ok" : "starting", isHealthy, problems: [] }),
  status: async () => ({ node: "a" }),
  endpoints: () => [{ id: 1 }],
  names: () => ({ pods: [] }),
  services: (query) => (isHealthy ? [query] : undefined),
  policies: () => (isHealthy ? { revision: 1, policies: [] } : undefined),
  policyCookies: () => ({ items: [] }),
  configureEndpoint: async ({ endpointId, change }) => {
    if (endpointId !== 1) return undefined;
    const own = Object.keys(change) as (keyof EventOptions)[];
    return {
      endpointId,
      options: { drops: true, traces: true, verdicts: true, aggregation: "medium", ...change },
      own,
    };
  },
  drops: () => [],
  events: () => ({ refusal: "the agent is starting" }),
  metrics: async () => "cilium_x 1\n",
};

function call(method: string, path: string, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: server.socketPath, method, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers["content-type"] === "application/json";
        resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cts-t-api-"));
  server = await openHttpServer({ socketPath: join(folder, "a.sock"), handle: createAgentRoutes(api), log: silentLog });
  asked.length = 0;
  failure = undefined;
  isHealthy = true;
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe("the agent's socket", () => {
  it("is for its owner only", async () => {
    expect((await stat(server.socketPath)).mode & 0o777).toBe(0o600);
  });

  it("takes the place of a socket that a killed agent left", async () => {
    const again = await openHttpServer({
      socketPath: server.socketPath,
      handle: createAgentRoutes(api),
      log: silentLog,
    });
    expect((await call("GET", "/v1/healthz")).status).toBe(200);
    await again[Symbol.asyncDispose]();
  });

  it("refuses a path that does not fit into a socket address", async () => {
    const socketPath = join(folder, "x".repeat(120));
    await expect(openHttpServer({ socketPath, handle: createAgentRoutes(api), log: silentLog })).rejects.toMatchObject({
      code: "agent-socket",
    });
  });

  it("attaches, checks and detaches pods", async () => {
    const body = JSON.stringify(cniRequest("web"));
    expect(await call("POST", "/v1/cni/add", body)).toMatchObject({ status: 200, body: { cniVersion: "1.0.0" } });
    expect(await call("POST", "/v1/cni/del", body)).toEqual({ status: 200, body: {} });
    expect(await call("POST", "/v1/cni/check", body)).toMatchObject({ status: 500, body: { code: 3 } });
    expect(asked).toEqual(["add c-web", "del c-web"]);
  });

  it("tells failures in the CNI's error object, with what to do next", async () => {
    failure = new AgentError("no-free-address", "all addresses are in use", { nextSteps: ["Delete pods."] });
    expect(await call("POST", "/v1/cni/add", JSON.stringify(cniRequest("web")))).toEqual({
      status: 500,
      body: { code: 100, msg: "all addresses are in use", details: "Delete pods." },
    });
  });

  it.each([
    ["no JSON", "{", 400],
    ["an array", "[]", 400],
    ["too much", `"${"x".repeat(70_000)}"`, 413],
  ])("refuses %s", async (_what, body, status) => {
    expect((await call("POST", "/v1/cni/add", body)).status).toBe(status);
    expect(asked).toEqual([]);
  });

  it("serves what can be read", async () => {
    expect(await call("GET", "/v1/status")).toEqual({ status: 200, body: { node: "a" } });
    expect(await call("GET", "/v1/endpoints")).toEqual({ status: 200, body: { items: [{ id: 1 }] } });
    expect(await call("GET", "/v1/drops")).toEqual({ status: 200, body: { items: [] } });
    expect(await call("GET", "/v1/names")).toEqual({ status: 200, body: { pods: [] } });
    expect(await call("GET", "/metrics")).toEqual({ status: 200, body: "cilium_x 1\n" });
  });

  it("changes options of an endpoint that is there", async () => {
    const ask = (endpointId: unknown, change: unknown) =>
      call("POST", "/v1/endpoint-options", JSON.stringify({ endpointId, change }));
    expect(await ask(1, { drops: false })).toMatchObject({
      status: 200,
      body: { options: { drops: false }, own: ["drops"] },
    });
    expect((await ask(2, {})).status).toBe(404);
    expect((await ask(1, { colour: "red" })).status).toBe(400);
    expect((await call("GET", "/v1/endpoint-options")).status).toBe(405);
  });

  it("finds the Services of a query, and says 503 while it does not know them", async () => {
    const query = { addresses: ["10.96.0.1"] };
    expect(await call("POST", "/v1/services", JSON.stringify(query))).toEqual({
      status: 200,
      body: { items: [query] },
    });
    expect((await call("POST", "/v1/services", '{"names": [1]}')).status).toBe(400);
    expect((await call("GET", "/v1/services")).status).toBe(405);
    isHealthy = false;
    expect((await call("POST", "/v1/services", "{}")).status).toBe(503);
  });

  it("says 503 while it is not healthy", async () => {
    isHealthy = false;
    expect(await call("GET", "/v1/healthz")).toEqual({ status: 503, body: { status: "starting", problems: [] } });
  });

  it.each([
    ["GET", "/v1/cni/add", 405],
    ["POST", "/v1/status", 405],
    ["GET", "/v1/nothing", 404],
    ["GET", "/constructor", 404],
  ])("%s %s is %d", async (method, path, status) => {
    expect((await call(method, path)).status).toBe(status);
  });
});

describe("a CNI request", () => {
  it("names every field that is wrong at once", () => {
    expect(() => parseCniRequest({ containerId: "a b", netns: "relative", podName: "Web" }, "add")).toThrow(
      /containerId is "a b"; ifName is missing; netns is "relative"; podName is "Web"; podNamespace is missing/,
    );
  });

  it.each(["x\nlink delete eth0", "x link", "", "-x", "x;y"])("keeps %j out of iproute2's batch", (containerId) => {
    expect(() => parseCniRequest({ ...cniRequest("web"), containerId }, "add")).toThrow(/containerId/);
  });

  it.each(["eth0 up", "aaaaaaaaaaaaaaaa", "a/b", ".."])("keeps interface name %j out", (ifName) => {
    expect(() => parseCniRequest({ ...cniRequest("web"), ifName }, "add")).toThrow(/ifName/);
  });

  it("needs no namespace and no pod for DEL", () => {
    expect(parseCniRequest({ containerId: "c", ifName: "eth0", netns: "" }, "del")).toMatchObject({ containerId: "c" });
  });

  it.each([100, 70_000, 1500.5, "1500"])("refuses MTU %j", (mtu) => {
    expect(() => parseCniRequest({ ...cniRequest("web"), mtu }, "add")).toThrow(/mtu is/);
  });
});

describe("a request during the start", () => {
  it("waits, and is told to come again when that takes too long", async () => {
    expect(await waitForAttachments(Promise.resolve(1), 1000, () => "")).toBe(1);
    const never = new Promise<number>(() => {});
    await expect(waitForAttachments(never, 5, () => "Node a has no podCIDR")).rejects.toMatchObject({
      cniCode: 11,
      message: "the agent cannot attach pods yet: Node a has no podCIDR",
    });
  });
});

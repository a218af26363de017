import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AgentError, TimeoutError } from "../../src/lib/errors.js";
import { exchangeOverSocket } from "../../src/lib/socket-exchange.js";
import { emptyNames } from "../../src/model/names-document.js";
import { fetchAgentNames, getFromAgent } from "../../src/session/agent-client.js";

let folder: string;
let socketPath: string;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-agent-"));
  socketPath = join(folder, "agent.sock");
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<void> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(socketPath, resolve));
}

const failure = async (path = "/v1/status") => getFromAgent(socketPath, path).catch((error: unknown) => error);

describe("getFromAgent", () => {
  test("answers what the agent says", async () => {
    await serve((request, response) => response.end(JSON.stringify({ path: request.url })));
    expect(await getFromAgent(socketPath, "/v1/status")).toEqual({ path: "/v1/status" });
  });

  test("no socket: the agent is down", async () => {
    expect(await failure()).toMatchObject({ code: "agent-down", details: { errno: "ENOENT" } });
  });

  test("a socket that nobody listens on: the agent is down", async () => {
    writeFileSync(socketPath, "");
    const error = await failure();
    expect(error).toBeInstanceOf(AgentError);
    expect(error).toMatchObject({ code: "agent-down" });
  });

  test("an HTTP failure is the agent's answer", async () => {
    await serve((_, response) => response.writeHead(503).end("starting"));
    expect(await failure()).toMatchObject({ code: "agent-answer", details: { status: 503, body: "starting" } });
  });

  test("something else than JSON is no answer", async () => {
    await serve((_, response) => response.end("<html>"));
    expect(await failure()).toMatchObject({ code: "agent-answer" });
  });

  test("an agent that is stuck does not hold the caller", async () => {
    await serve(() => {});
    const startedAt = performance.now();
    const error = await failure();
    expect(error).toBeInstanceOf(TimeoutError);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test("a connection that breaks in the middle of the answer fails", async () => {
    await serve((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{");
      setImmediate(() => response.destroy());
    });
    expect(await failure()).toBeInstanceOf(AgentError);
  });
});

describe("fetchAgentNames", () => {
  test("takes a document of names", async () => {
    await serve((_, response) => response.end(JSON.stringify(emptyNames)));
    expect(await fetchAgentNames(socketPath)).toEqual(emptyNames);
  });

  test("refuses anything else", async () => {
    await serve((_, response) => response.end(JSON.stringify({ pods: [] })));
    await expect(fetchAgentNames(socketPath)).rejects.toThrow("no list of names");
  });
});

describe("exchangeOverSocket", () => {
  const breakOff: RequestListener = (_, response) => response.writeHead(200, { "content-length": "100" }).write("{");

  test.each([
    ["says nothing", () => {}],
    ["stops in the middle of its answer", breakOff],
  ] as const)("an agent that %s is told to be silent, not to be down", async (_, listener) => {
    await serve(listener);
    const asked = exchangeOverSocket(socketPath, { method: "GET", path: "/", timeoutMs: 100 });
    await expect(asked).rejects.toMatchObject({ code: "agent-silent" });
  });

  test.each(["before", "in the middle of the answer"])("a caller that ends it %s gets its own reason", async (when) => {
    const stop = new AbortController();
    const reason = new Error("enough");
    if (when === "before") stop.abort(reason);
    await serve((request, response) => {
      breakOff(request, response);
      setImmediate(() => stop.abort(reason));
    });
    const { signal } = stop;
    const asked = exchangeOverSocket(socketPath, { method: "GET", path: "/", timeoutMs: 60_000, signal });
    await expect(asked).rejects.toBe(reason);
  });
});

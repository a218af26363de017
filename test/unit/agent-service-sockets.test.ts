import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { HealthCheckServers } from "../../src/agent/services/health-check-servers.js";
import { parseSockets } from "../../src/agent/services/parse-sockets.js";
import { SocketTerminator } from "../../src/agent/services/socket-terminator.js";
import { silentLog } from "../support/agent-fixture.js";

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await vi.waitFor(() => expect(server.listening).toBe(true));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("health check ports", () => {
  const onProblems = vi.fn();
  let servers = new HealthCheckServers({ log: silentLog, onProblems });
  afterEach(async () => {
    await servers[Symbol.asyncDispose]();
    servers = new HealthCheckServers({ log: silentLog, onProblems });
  });
  const ask = (port: number) => fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });

  it("say in kube-proxy's words how many endpoints the node has", async () => {
    const port = await freePort();
    servers.set("shop/web", { port, localEndpoints: 2 });
    const answer = await vi.waitFor(() => ask(port));
    expect([answer.status, answer.headers.get("x-load-balancing-endpoint-weight")]).toEqual([200, "2"]);
    expect(await answer.json()).toEqual({
      service: { namespace: "shop", name: "web" },
      localEndpoints: 2,
      serviceProxyHealthy: true,
    });
    servers.set("shop/web", { port, localEndpoints: 0 });
    expect((await ask(port)).status).toBe(503);
  });

  it("close with their Service", async () => {
    const port = await freePort();
    servers.set("shop/web", { port, localEndpoints: 1 });
    await vi.waitFor(() => ask(port));
    servers.set("shop/web", undefined);
    await expect(ask(port)).rejects.toThrow();
  });

  it("that somebody else has are told", async () => {
    const other = createServer().listen(0);
    await vi.waitFor(() => expect(other.listening).toBe(true));
    const { port } = other.address() as AddressInfo;
    servers.set("shop/web", { port, localEndpoints: 1 });
    await vi.waitFor(() => expect(onProblems).toHaveBeenCalled());
    expect(servers.problems()).toEqual([
      expect.stringContaining(`Service shop/web: its health check port ${port} cannot be opened`),
    ]);
    other.close();
  });
});

describe("what ss prints", () => {
  it("gives both ends and the cookie of connected sockets", () => {
    const text = [
      "ESTAB 0      0      10.244.0.5:43813 10.244.1.7:53 ino:17626412 sk:432109 cgroup:unreachable:1 <->",
      "ESTAB 0 0 [fd00::5]:4000 [fd00::7]:53 uid:1000 ino:2 sk:a1 cgroup:/x <->",
      "ESTAB 0 0 [::ffff:10.244.0.5]:4000 [::ffff:10.244.1.7]:53 ino:2 sk:fff cgroup:/x v6only:0 <->",
      "ESTAB 0 0 10.0.0.1%eth0:68 10.0.0.2:67 ino:2 sk:100000001 cgroup:/x <->",
      "UNCONN 0 0 0.0.0.0:68 0.0.0.0:* ino:2 sk:1 <->",
      "nonsense",
    ].join("\n");
    expect(parseSockets(text)).toEqual([
      { local: "10.244.0.5:43813", peer: "10.244.1.7:53", cookie: 0x432109n },
      { local: "[fd00::5]:4000", peer: "[fd00::7]:53", cookie: 0xa1n },
      { local: "10.244.0.5:4000", peer: "10.244.1.7:53", cookie: 0xfffn },
      { local: "10.0.0.1:68", peer: "10.0.0.2:67", cookie: 0x100000001n },
    ]);
  });
});

describe("the probe for SOCK_DESTROY", () => {
  const path = process.env.PATH;
  const folder = mkdtempSync(join(tmpdir(), "cts-t-ss-"));
  afterEach(() => {
    process.env.PATH = path;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const probeWith = async (script: string): Promise<boolean> => {
    const ss = join(folder, "ss");
    writeFileSync(ss, `#!/bin/sh\n${script}\n`);
    chmodSync(ss, 0o755);
    process.env.PATH = `${folder}:${path}`;
    const services = { socketsOf: () => new Set<bigint>() };
    return new SocketTerminator({ services, podNamespaces: () => [], log: silentLog }).probe();
  };

  it("believes what ss closed, however late a busy machine tells the socket of it", async () => {
    expect(await probeWith('echo "ESTAB 0 0 127.0.0.1:4000 127.0.0.1:9"')).toBe(true);
  });

  it.each(["exit 0", "exit 1"])("finds a kernel or a machine that closes nothing: %s", async (script) => {
    expect(await probeWith(script)).toBe(false);
  });
});

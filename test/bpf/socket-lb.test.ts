import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, rmdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SOCKET_HOOKS } from "../../src/datapath/datapath.js";
import { Services } from "../../src/datapath/services.js";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { netnsCookie } from "../../src/kernel/net.js";
import { findCgroupMount } from "../../src/lab/cgroup.js";
import { labToolPath } from "../../src/lab/lab-tool.js";
import { IpAddress } from "../../src/lib/ip.js";
import type { AgentConfig } from "../../src/model/agent-config.js";
import type { LoadBalancerFrontend } from "../../src/model/datapath-port.js";
import { serviceFlag } from "../../src/model/service-flag.js";
import { ownPrefix } from "../support/own-names.js";
import { DatapathHarness, hostIp, ip6 } from "./harness.js";
import { proto } from "./packet-builder.js";

const vips = { 4: "10.96.0.10", 6: "fd00:10:96::10" } as const;
const loopbacks = { 4: "127.0.0.1", 6: "::1" } as const;
const { nodePort, sessionAffinity, twoScopes } = serviceFlag;

/** The socket LB's programs on a cgroup of their own; processes in it dial servers of this process. */
class SocketLb implements Disposable {
  readonly datapath: DatapathHarness;
  readonly #cgroup = `${findCgroupMount()}/${ownPrefix}-sock`;
  readonly #links: readonly BpfLink[];

  constructor(config: Partial<AgentConfig> = {}, cookie = netnsCookie()) {
    this.datapath = new DatapathHarness({ enableIpv6: true, ...config }, cookie);
    mkdirSync(this.#cgroup);
    this.#links = SOCKET_HOOKS.map(([key, attachType]) =>
      BpfLink.attachCgroup({ program: this.datapath.programs[key], cgroupPath: this.#cgroup, attachType }),
    );
  }

  [Symbol.dispose](): void {
    for (const link of this.#links) link.close();
    rmdirSync(this.#cgroup);
    this.datapath[Symbol.dispose]();
  }

  /** Runs a command in the cgroup: its exit code, and what it printed. */
  run(
    ...command: readonly string[]
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const enter = ["-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', this.#cgroup, ...command];
    return new Promise((resolve) => {
      execFile("sh", enter, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  http(host: string, ...options: readonly string[]) {
    return this.run(labToolPath, "http", "--timeout-ms", "2000", ...options, `http://${host}/`);
  }

  /** Frontends over backends at this process's ports. */
  serve(...frontends: readonly (Pick<LoadBalancerFrontend, "address" | "port"> & Given)[]): void {
    const ports = [...new Set(frontends.flatMap((one) => one.ports))];
    const backends = ([4, 6] as const).flatMap((family) =>
      ports.map((port, index) => ({
        backendId: 1 + index + (family === 6 ? 100 : 0),
        address: IpAddress.parse(loopbacks[family]),
        port,
        protocol: frontends[0]!.protocol ?? proto.tcp,
        state: "active" as const,
      })),
    );
    new Services(this.datapath, { tableSize: 251, seed: 1 }).write({
      backends,
      frontends: frontends.map(({ ports: wanted, ...rest }, index) => {
        const ids = wanted.map((port) => 1 + ports.indexOf(port) + (rest.address.family === 6 ? 100 : 0));
        const counts = { activeCount: ids.length, affineCount: ids.length };
        return { ...plain, serviceId: 5 + index, backendIds: ids, ...counts, ...rest };
      }),
    });
  }
}

type Given = Partial<LoadBalancerFrontend> & { readonly ports: readonly number[] };

const plain = {
  protocol: proto.tcp,
  scope: 0,
  flags: 0,
  affinityTimeoutSeconds: 0,
  algorithm: "default",
  hasMaglevTable: false,
  sourceRanges: [],
  ownsAddress: false,
} as const;

const at = (address: string, port: number) => ({ address: IpAddress.parse(address), port });

/** Two servers that tell which they are. */
const servers = ["first", "second"].map((name) => createServer((_request, response) => response.end(`${name}\n`)));
const portOf = (index: number): number => (servers[index]!.address() as AddressInfo).port;
const both = (): readonly number[] => [portOf(0), portOf(1)];

describe("the socket LB", () => {
  let lb: SocketLb;
  beforeAll(async () => {
    for (const server of servers) await once(server.listen(0), "listening");
    lb = new SocketLb();
  });
  beforeEach(() => lb.datapath.reset());
  afterAll(() => {
    lb[Symbol.dispose]();
    for (const server of servers) server.close();
  });

  const answers = async (host: string, count = 20, timeoutMs = "2000"): Promise<ReadonlySet<string>> => {
    const { stdout } = await lb.http(host, "--count", String(count), "--timeout-ms", timeoutMs);
    return new Set(stdout.match(/first|second/g));
  };

  it.each([
    ["IPv4", "10.96.0.10", at(vips[4], 80)],
    ["IPv6", "[fd00:10:96::10]", at(vips[6], 80)],
    ["IPv4 by an IPv6 socket", "[::ffff:10.96.0.10]", at(vips[4], 80)],
  ])("connects sockets of %s to all backends in turn", async (_name, host, frontend) => {
    lb.serve({ ...frontend, ports: both() });
    expect(await answers(host)).toEqual(new Set(["first", "second"]));
  });

  it("lets a client keep its backend", async () => {
    const affinity = { flags: sessionAffinity, affinityTimeoutSeconds: 60 };
    lb.serve({ ...at(vips[4], 80), ...affinity, ports: both() });
    expect((await answers(vips[4], 30)).size).toBe(1);
  });

  it("says at once that nobody is there", async () => {
    lb.serve({ ...at(vips[4], 80), ports: [] });
    expect((await lb.http(vips[4])).stderr).toContain("No route to host");
  });

  it("takes the internal entry where the traffic policies differ", async () => {
    const flags = nodePort | twoScopes;
    lb.serve(
      { ...at(vips[4], 80), flags, ports: [portOf(0)] },
      { ...at(vips[4], 80), flags, scope: 1, ports: [portOf(1)] },
    );
    expect(await answers(vips[4])).toEqual(new Set(["second"]));
  });

  it("finds node ports at the node's addresses, its loopback and other nodes, and nowhere else", async () => {
    lb.serve({ ...at("0.0.0.0", 30_080), flags: nodePort, ports: [portOf(0)] });
    lb.datapath.addIpcache("172.18.0.9/32", 6);
    for (const host of [hostIp, "127.0.0.1", "172.18.0.9"]) {
      expect([host, await answers(`${host}:30080`, 2)]).toEqual([host, new Set(["first"])]);
    }
    expect((await lb.http("127.0.0.1:30081")).code).not.toBe(0);
    const local = nodePort | serviceFlag.externalLocalScope | serviceFlag.internalLocalScope;
    lb.serve({ ...at("0.0.0.0", 30_080), flags: local, ports: [portOf(0)] });
    expect(await answers(`${hostIp}:30080`, 2)).toEqual(new Set(["first"]));
    // Another node chooses among its own.
    expect((await lb.http("172.18.0.9:30080", "--timeout-ms", "300")).code).not.toBe(0);
  });

  it("keeps a loopback host port from everybody but the node's loopback", async () => {
    const flags = serviceFlag.hostPort | serviceFlag.loopback;
    lb.serve({ ...at("0.0.0.0", 9080), flags, ports: [portOf(0)] });
    expect(await answers("127.0.0.1:9080", 2)).toEqual(new Set(["first"]));
    expect((await lb.http(`${hostIp}:9080`, "--timeout-ms", "300")).code).not.toBe(0);
  });

  it.each([
    ["external addresses", serviceFlag.externalIp],
    ["host ports", serviceFlag.hostPort],
  ])("leaves %s alone that are not the node's own, in both families", async (_name, flags) => {
    const refused = ["192.0.2.80", "2001:db8::80", "172.18.0.9"];
    lb.datapath.addIpcache("172.18.0.9/32", 6);
    lb.datapath.addIp6();
    lb.serve(...[...refused, hostIp, ip6.host].map((address) => ({ ...at(address, 80), flags, ports: [portOf(0)] })));
    for (const host of [hostIp, `[${ip6.host}]`])
      expect([host, await answers(host, 2)]).toEqual([host, new Set(["first"])]);
    for (const host of ["192.0.2.80", "[2001:db8::80]", "[::ffff:192.0.2.80]", "172.18.0.9"])
      expect([host, await answers(host, 1, "300")]).toEqual([host, new Set()]);
  });

  it("says at once that nobody is there at an external address either, as upstream", async () => {
    lb.serve({ ...at("192.0.2.80", 80), flags: serviceFlag.externalIp, ports: [] });
    expect((await lb.http("192.0.2.80")).stderr).toContain("No route to host");
  });

  it("shows a UDP socket the address that it dialled", async () => {
    const echo = createSocket("udp4");
    echo.on("message", (message, { port, address }) => echo.send(message, port, address));
    echo.bind(0, "127.0.0.1");
    await once(echo, "listening");
    lb.serve({ ...at(vips[4], 53), protocol: proto.udp, ports: [echo.address().port] });
    const script = `import socket
for connected in (True, False):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
    if connected: s.connect(("${vips[4]}", 53)); s.send(b"x")
    else: s.sendto(b"x", ("${vips[4]}", 53))
    print(s.recvfrom(10)[1][0], s.getpeername()[0] if connected else "")`;
    const { stdout, stderr } = await lb.run("python3", "-c", script);
    echo.close();
    expect([stdout.trim().split(/\s+/), stderr]).toEqual([[vips[4], vips[4], vips[4]], ""]);
  });

  it.each([
    ["node ports", "0.0.0.0", nodePort, true],
    ["external addresses", "127.0.0.1", serviceFlag.externalIp, true],
    ["host ports not", "0.0.0.0", serviceFlag.hostPort, false],
  ])("keeps the node's processes from binding %s", async (_name, address, flags, isRefused) => {
    lb.serve({ ...at(address, 30_080), flags, ports: [portOf(0)] });
    const bind = (family: string, host: string, port: number) =>
      lb.run("python3", "-c", `import socket; socket.socket(socket.${family}).bind(("${host}", ${port}))`);
    expect((await bind("AF_INET", "127.0.0.1", 30_080)).stderr.includes("Address already in use")).toBe(isRefused);
    expect((await bind("AF_INET6", "::ffff:127.0.0.1", 30_080)).stderr.includes("Address already in use")).toBe(
      isRefused,
    );
    expect((await bind("AF_INET", "127.0.0.1", 30_090)).stderr).toBe("");
  });
});

describe("the socket LB for the node alone", () => {
  it.each([
    ["serves the node's own namespace", () => netnsCookie(), 0],
    ["leaves others to the packets", () => netnsCookie() + 1n, 1],
  ])("%s", async (_name, cookie, code) => {
    const server = createServer((_request, response) => response.end("first\n"));
    await once(server.listen(0), "listening");
    const own = new SocketLb({ socketLbHostnsOnly: true }, cookie());
    try {
      own.serve({ ...at(vips[4], 80), ports: [(server.address() as AddressInfo).port] });
      expect((await own.http(vips[4], "--timeout-ms", "500")).code === 0 ? 0 : 1).toBe(code);
    } finally {
      own[Symbol.dispose]();
      server.close();
    }
  });
});

it("the socket LB translates everybody's external addresses where it is told to", async () => {
  const server = createServer((_request, response) => response.end("first\n"));
  await once(server.listen(0), "listening");
  const own = new SocketLb({ disableExternalIpMitigation: true });
  try {
    const ports = [(server.address() as AddressInfo).port];
    own.serve({ ...at("192.0.2.80", 80), flags: serviceFlag.externalIp, ports });
    expect((await own.http("192.0.2.80")).stdout).toContain("first");
  } finally {
    own[Symbol.dispose]();
    server.close();
  }
});

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { awaitLab } from "../../src/lab/await-lab.js";
import { fabricNetns } from "../../src/lab/lab-name.js";
import { labToolPath } from "../../src/lab/lab-tool.js";
import {
  dualStackSettings,
  eventually,
  nativeRouting,
  nodeAddresses,
  podManifest,
  TestLab,
} from "./support/lab-fixture.js";

/** Settings of the labs: pods of other nodes behind a tunnel, as they are on the nodes' network, and through the stack. */
const modes = {
  tunnel: {},
  native: nativeRouting,
  "tunnel through the node's stack": { "enable-host-legacy-routing": "true" },
  "native with direct server return": { ...nativeRouting, "bpf-lb-mode": "dsr" },
  "native with direct server return, packet in packet": {
    ...nativeRouting,
    "bpf-lb-mode": "dsr",
    "bpf-lb-dsr-dispatch": "ipip",
  },
  "native, TCP with direct server return": { ...nativeRouting, "bpf-lb-mode": "hybrid" },
} as const;

const manifests = (settings: Readonly<Record<string, string>>): string => `${dualStackSettings(settings)}---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  ipFamilyPolicy: PreferDualStack
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }, { name: udp, port: 9091, protocol: UDP, nodePort: 30091 }, { name: lines, port: 9090, nodePort: 30090 }]
---
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  nodeName: node-1
  containers:
    - { name: echo, image: echo, ports: [{ containerPort: 8080 }, { containerPort: 9090 }, { containerPort: 9091, protocol: UDP }] }
${podManifest("client-1", { node: "node-1" })}${podManifest("client-2", { node: "node-2" })}`;

const gateway = { 4: "172.18.0.1", 6: "fd00:172:18::1" } as const;
const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

/** Says who asks: the address that it sees, over UDP in a line, for which the lab's tool waits. */
const WHO = `
  const http = require("http");
  http.createServer((request, response) => response.end(request.socket.remoteAddress)).listen(8000, "::", () => {
    const udp = require("dgram").createSocket("udp6");
    udp.on("message", (_, from) => udp.send(from.address + "\\n", from.port, from.address));
    udp.bind(8001, () => console.log("ready"));
  });`;

/** Sends a datagram of so many bytes again and again until somebody answers. */
const ASK_LARGE = `
  const [host, bytes] = process.argv.slice(1);
  const socket = require("dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
  const ask = () => socket.send("x".repeat(Number(bytes)), 30091, host, () => undefined);
  socket.on("message", (answer) => { console.log(String(answer)); process.exit(); });
  ask();
  setInterval(ask, 200);`;

describe.each(Object.entries(modes))("the edge of a node, routing mode %s", (mode, settings) => {
  const lbMode = "bpf-lb-mode" in settings ? settings["bpf-lb-mode"] : "snat";
  let lab: TestLab;
  let outside: ChildProcess;
  const get = (url: string): string =>
    lab.fromOutside(
      process.execPath,
      "-e",
      `
    fetch("${url}", { signal: AbortSignal.timeout(8000) }).then((r) => r.text()).then((t) => process.stdout.write(t))`,
    );

  it("status tells it", () => {
    const { stdout } = lab.product("status");
    expect(stdout).toContain(
      mode.startsWith("native") ? "Network: Native   Host: " : "Network: Tunnel [vxlan]   Host: ",
    );
    expect(stdout).toContain(mode.includes("stack") ? "Host: Legacy" : "Host: BPF");
    expect(stdout).toMatch(/^NAT: +\d+ of \d+ entries$/m);
  });

  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests: manifests(settings) });
    outside = spawn("ip", ["netns", "exec", fabricNetns(lab.name), process.execPath, "-e", WHO], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => outside.stdout!.once("data", resolve));
  });
  afterAll(async () => {
    outside?.kill("SIGKILL");
    await lab?.[Symbol.asyncDispose]();
  });

  it("keeps translated connections while agents come and go", async () => {
    const lines: string[] = [];
    const script = `const s = require("net").connect(30090, "${nodeAddresses[4][1]}");
      s.on("data", (d) => process.stdout.write(d)); s.on("error", (e) => console.log(e.code));
      process.stdin.on("data", (d) => s.write(d));`;
    const talker = spawn("ip", ["netns", "exec", fabricNetns(lab.name), process.execPath, "-e", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      createInterface({ input: talker.stdout }).on("line", (line) => lines.push(line));
      talker.stdin.write("one\n");
      await eventually(
        () => lines.join(),
        () => lines.length >= 1,
        20_000,
      );
      expect(lab.cli("agent", "stop", "node-2").status).toBe(0);
      talker.stdin.write("two\n");
      await eventually(
        () => lines.join(),
        () => lines.length >= 2,
        20_000,
      );
      expect(lab.cli("agent", "start", "node-2").status).toBe(0);
      await awaitLab(lab.paths, {
        timeoutMs: 60_000,
        signal: new AbortController().signal,
        onProgress: () => undefined,
      });
      talker.stdin.write("three\n");
      await eventually(
        () => lines.join(),
        () => lines.length >= 3,
        20_000,
      );
    } finally {
      talker.kill("SIGKILL");
    }
  });

  for (const family of [4, 6] as const) {
    describe(`over IPv${family}`, () => {
      it("pods reach the world under their node's address", () => {
        const seen = lab.exec("client-1", "cts-lab", "http", `http://${inUrl(gateway[family])}:8000/`);
        expect(seen.replace("::ffff:", "")).toContain(nodeAddresses[family][0]);
        const udp = lab.exec("client-2", "cts-lab", "udp", gateway[family], "8001", "x");
        expect(udp.replace("::ffff:", "")).toContain(nodeAddresses[family][1]);
      });

      it("pods ping the world", () => {
        expect(lab.exec("client-1", "cts-lab", "ping", gateway[family])).toContain(gateway[family]);
      });

      it("pods reach pods of the other node under their own addresses", () => {
        const answer = lab.exec("client-2", "cts-lab", "http", "http://web/json");
        expect(answer).toContain("web");
      });

      it.each([
        ["with the backend", 0],
        ["without the backend", 1],
      ] as const)("a node port answers on the node %s", async (_name, index) => {
        const url = `http://${inUrl(nodeAddresses[family][index])}:30080/json`;
        const answer = await eventually(
          () => {
            try {
              return get(url);
            } catch (error) {
              return String(error);
            }
          },
          (text) => text.includes("web"),
          20_000,
        );
        expect(answer).toContain("web");
        expect(lab.fromOutside(labToolPath, "udp", nodeAddresses[family][index], "30091", "hello")).toContain("web");
      });

      it("a datagram as large as the path arrives, in pieces where the frontend has to go along", () => {
        const bytes = 1500 - (family === 4 ? 28 : 48);
        expect(lab.fromOutside(process.execPath, "-e", ASK_LARGE, nodeAddresses[family][1], `${bytes}`)).toContain(
          "web",
        );
      });

      it("the backend sees the client's own address where its node answers itself", () => {
        const isDirect = lbMode !== "snat";
        const seen = (JSON.parse(get(`http://${inUrl(nodeAddresses[family][1])}:30080/json`)) as { client: string })
          .client;
        expect(seen.includes(gateway[family])).toBe(isDirect);
        const list = lab.product("bpf", "ct", "list", "--node", "node-1", "--proto", "tcp", "-o", "json").stdout;
        expect(list.includes("DSRInternal")).toBe(isDirect);
        const frontends = lab.product("bpf", "lb", "list", "--node", "node-2").stdout.split("\n");
        expect(frontends.some((line) => line.includes(":30080") && line.includes("dsr"))).toBe(isDirect);
      });
    });
  }
});

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { awaitLab } from "../../src/lab/await-lab.js";
import { fabricNetns, nodeNetns } from "../../src/lab/lab-name.js";
import { dualStackSettings, eventually, nativeRouting, podManifest, TestLab } from "./support/lab-fixture.js";

const FAMILIES = { 4: "172.18.0.3", 6: "fd00:172:18::3" } as const;

/** The pod is on the first node, the outside dials the second: its packets leave the node again. */
const manifests = (acceleration: string): string => `
${dualStackSettings({ ...nativeRouting, "bpf-lb-acceleration": acceleration })}---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  ipFamilyPolicy: PreferDualStack
  selector: { app: web }
  ports: [{ name: lines, port: 9090, nodePort: 30090 }]
${podManifest("web", { node: "node-1", container: "image: echo\n      ports: [{ containerPort: 9090 }]" })}`;

/** Says each line that it reads, and prints each answer. */
const TALK = `
  const socket = require("net").connect(30090, process.argv[1]);
  socket.on("data", (answer) => process.stdout.write(answer));
  socket.on("error", (error) => console.log(error.code));
  process.stdin.on("data", (line) => socket.write(line));`;

/** A connection that stays open while other things happen. */
class Talk implements Disposable {
  readonly #child: ChildProcess;
  readonly answers: string[] = [];

  constructor(lab: TestLab, address: string) {
    const command = [process.execPath, "-e", TALK, address];
    this.#child = spawn("ip", ["netns", "exec", fabricNetns(lab.name), ...command], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.answers.push(line));
  }

  /** Each line after the answer to the one before. */
  async say(count: number): Promise<void> {
    for (let line = 0; line < count; line++) {
      const expected = this.answers.length + 1;
      this.#child.stdin!.write(`line ${expected}\n`);
      await eventually(
        () => this.answers.length,
        (seen) => seen >= expected,
        20_000,
      );
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

describe.each(["native", "testing-only"])("bpf-lb-acceleration %s", (acceleration) => {
  let lab: TestLab;
  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests: manifests(acceleration) });
  });
  afterAll(async () => await lab?.[Symbol.asyncDispose]());

  /** Packets that XDP has sent on, by the node's own counters. */
  const forwarded = (): number => {
    const { stdout } = lab.product("bpf", "metrics", "list", "-o", "json");
    const { items } = JSON.parse(stdout) as { readonly items: readonly { file?: string; packets: number | string }[] };
    return items.filter(({ file }) => file === "xdp.bpf.c").reduce((sum, { packets }) => sum + Number(packets), 0);
  };
  const programs = (node: string): string =>
    execFileSync("ip", ["-netns", nodeNetns(lab.name, node), "-details", "link", "show", "eth0"], { encoding: "utf8" });
  const ready = () =>
    awaitLab(lab.paths, { timeoutMs: 120_000, signal: new AbortController().signal, onProgress: () => undefined });

  it("is on the nodes' devices, and status says so", () => {
    const [flag, word] = acceleration === "native" ? ["xdp ", "Native"] : ["xdpgeneric ", "Generic"];
    for (const node of ["node-1", "node-2"]) expect(programs(node)).toContain(flag);
    expect(lab.product("status").stdout).toMatch(new RegExp(`^XDP Acceleration: +${word}$`, "m"));
  });

  it.each(Object.entries(FAMILIES))(
    "forwards a connection's packets in both directions: IPv%s",
    async (_f, address) => {
      using talk = new Talk(lab, address);
      await talk.say(1);
      const before = forwarded();
      await talk.say(20);
      // Each line, its answer, and no acknowledgement alone.
      expect(forwarded() - before).toBeGreaterThanOrEqual(40);
    },
  );

  it("goes on while the agent is away and after its next start", async () => {
    using talk = new Talk(lab, FAMILIES[4]);
    await talk.say(1);
    expect(lab.cli("agent", "stop", "node-2").status).toBe(0);
    const before = forwarded();
    await talk.say(5);
    expect(forwarded()).toBeGreaterThanOrEqual(before + 10);
    expect(lab.cli("agent", "start", "node-2").status).toBe(0);
    await ready();
    const after = forwarded();
    await talk.say(5);
    expect(forwarded()).toBeGreaterThanOrEqual(after + 10);
  });

  it("goes when it is switched off, and connections stay", async () => {
    using talk = new Talk(lab, FAMILIES[4]);
    await talk.say(2);
    lab.change(manifests("disabled"));
    for (const node of ["node-1", "node-2"]) {
      expect(lab.cli("agent", "stop", node).status).toBe(0);
      expect(lab.cli("agent", "start", node).status).toBe(0);
    }
    await ready();
    for (const node of ["node-1", "node-2"])
      await eventually(
        () => programs(node),
        (text) => !/\bxdp/.test(text),
        30_000,
      );
    const before = forwarded();
    await talk.say(5);
    expect(forwarded()).toBe(before);
    expect(lab.product("status").stdout).toMatch(/^XDP Acceleration: +Disabled$/m);
  });
});

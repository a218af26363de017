import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { awaitLab } from "../../../src/lab/await-lab.js";
import { findCgroupMount } from "../../../src/lab/cgroup.js";
import { applyManifests } from "../../../src/lab/change-objects.js";
import { execInLab } from "../../../src/lab/exec-in-lab.js";
import { openLab } from "../../../src/lab/lab-access.js";
import { fabricNetns } from "../../../src/lab/lab-name.js";
import { type LabPaths, labPaths } from "../../../src/lab/lab-paths.js";
import { isNothing, surveyRemains } from "../../../src/lab/lab-survey.js";
import { loadManifests } from "../../../src/lab/load-manifests.js";
import { startLab } from "../../../src/lab/start-lab.js";
import { stopLab } from "../../../src/lab/stop-lab.js";
import { sleep } from "../../../src/lib/time.js";
import type { KubeObject, ResourceType } from "../../../src/model/kube-object.js";
import { type KubePod, resourceTypes } from "../../../src/model/kubernetes.js";
import { FolderStateSource } from "../../../src/state/folder-state-source.js";
import { LabClaim } from "../../support/own-names.js";

const repository = new URL("../../..", import.meta.url).pathname;
export const commandLine = [process.execPath, join(repository, "bin/kubectl-cilium_ts")];
/** Attaches pods with plain veths: these tests are about the lab, not about the datapath. */
export const plainAgent = [
  process.execPath,
  "--import",
  join(repository, "node_modules/tsx/dist/esm/index.mjs"),
  join(repository, "test/netns/support/plain-agent.ts"),
];

// What the lab starts inherits this environment, and vitest's would make oclif look for TypeScript sources.
for (const name of ["NODE_ENV", "VITEST", "NODE_OPTIONS"]) delete process.env[name];

const never = new AbortController().signal;
let labCount = 0;

/** A name that no other run uses: tests of several helpers may share the machine. */
export function testLabName(suffix = ""): string {
  return `t${process.pid.toString(36)}-${(labCount++).toString(36)}${suffix}`;
}

export interface StartOptions {
  readonly name?: string;
  readonly manifests?: string;
  readonly nodes?: number;
  /** Default: the plain one. */
  readonly agentCommand?: readonly string[] | "own";
  /** Default: wait until all is ready. */
  readonly wait?: boolean;
}

/** A lab of one test; disposing it takes it away, whatever became of it. */
export class TestLab implements AsyncDisposable {
  readonly name: string;
  readonly paths: LabPaths;
  readonly #claim: LabClaim;

  constructor(name: string) {
    this.name = name;
    this.paths = labPaths(name, findCgroupMount());
    this.#claim = new LabClaim(name);
  }

  static async start(options: StartOptions = {}): Promise<TestLab> {
    const lab = new TestLab(options.name ?? testLabName());
    try {
      await lab.up(options);
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  async up(options: StartOptions = {}): Promise<void> {
    await startLab({
      name: this.name,
      manifests: parseText(options.manifests ?? ""),
      nodes: options.nodes,
      commandLine,
      agentCommand: options.agentCommand === "own" ? undefined : (options.agentCommand ?? plainAgent),
      signal: never,
      onProgress: () => undefined,
    });
    if (options.wait === false) return;
    await awaitLab(this.paths, { timeoutMs: 180_000, signal: never, onProgress: () => undefined });
  }

  /** Creates or changes objects, as `lab apply` does. */
  change(manifests: string): void {
    applyManifests(openLab(this.name), parseText(manifests));
  }

  async down(): Promise<void> {
    await stopLab(this.name, never);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    this.#claim[Symbol.dispose]();
  }

  async list<T extends KubeObject>(type: ResourceType<T>): Promise<readonly T[]> {
    await using state = await FolderStateSource.open(this.paths.stateDir);
    return (await state.list(type)).items;
  }

  async pod(name: string, namespace = "default"): Promise<KubePod | undefined> {
    await using state = await FolderStateSource.open(this.paths.stateDir);
    return await state.get(resourceTypes.pods, { namespace, name });
  }

  /** What a command in the nodes' network, but on none of them, prints. */
  fromOutside(...command: readonly string[]): string {
    const own = ["netns", "exec", fabricNetns(this.name), ...command];
    return execFileSync("ip", own, { encoding: "utf8", timeout: 20_000 });
  }

  /** Runs the product's command line on this lab, as a user would. */
  cli(...args: readonly string[]): {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  } {
    const [program = "", ...first] = commandLine;
    const end = args.indexOf("--");
    const words = end < 0 ? args : args.slice(0, end);
    const rest = end < 0 ? [] : args.slice(end);
    return spawnSync(program, [...first, "lab", ...words, "--name", this.name, ...rest], { encoding: "utf8" });
  }

  /** Runs any other of the product's commands on this lab. */
  product(...args: readonly string[]): {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  } {
    const [program = "", ...first] = commandLine;
    return spawnSync(program, [...first, ...args, "--lab", this.name], { encoding: "utf8" });
  }

  /** Output of a command in a pod; fails with what it said when it fails. */
  exec(pod: string, ...command: readonly string[]): string {
    const result = this.cli("exec", pod, "--", ...command);
    if (result.status !== 0) throw new Error(`${command.join(" ")} ended with ${result.status}: ${result.stderr}`);
    return result.stdout;
  }

  /** A command that runs on in a pod. */
  spawn(pod: string, ...command: readonly string[]): ChildProcessByStdio<null, Readable, null> {
    const [program = "", ...first] = commandLine;
    const args = ["lab", "exec", pod, "--name", this.name, "--", ...command];
    return spawn(program, [...first, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  }

  execStatus(pod: string, ...command: readonly string[]): Promise<number> {
    return execInLab(openLab(this.name), { target: pod, command });
  }

  isGone(): boolean {
    return isNothing(surveyRemains(this.paths));
  }
}

function parseText(text: string): ReturnType<typeof loadManifests> {
  if (text === "") return [];
  const folder = mkdtempSync(join(tmpdir(), "cts-lab-test-"));
  try {
    writeFileSync(join(folder, "test.yaml"), text);
    return loadManifests([folder], { knownNodes: ["node-1", "node-2"], onNote: () => undefined });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Waits for a condition; fails with the last value seen. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  isRight: (value: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (isRight(value)) return value;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms; last: ${JSON.stringify(value)}`);
    await sleep(30);
  }
}

/** What of the machine outside of all labs a lab could harm. */
export interface HostPicture {
  readonly links: readonly string[];
  readonly routes: string;
  readonly mounts: readonly string[];
  readonly netns: readonly string[];
}

/** Other tests' labs may come and go meanwhile: everything of labs but our own is left out. */
export function pictureHost(): HostPicture {
  const netns = readdirSync("/run", { encoding: "utf8" }).includes("netns") ? readdirSync("/run/netns") : [];
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => !point.startsWith("/run/netns"));
  return {
    links: execFileSync("ip", ["-brief", "link"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => !line.startsWith("cts-t")),
    routes: execFileSync("ip", ["route"], { encoding: "utf8" }),
    mounts: mounts.filter((point) => !point.includes("cts-t")),
    netns: netns.filter((name) => !name.startsWith("ctslab-") && !name.startsWith("cts-t")),
  };
}

/** Addresses of a lab's first two nodes. */
export const nodeAddresses = { 4: ["172.18.0.2", "172.18.0.3"], 6: ["fd00:172:18::2", "fd00:172:18::3"] } as const;

/** Settings of a lab whose pods know each other by their addresses on the nodes' network. */
export const nativeRouting = {
  "routing-mode": "native",
  "auto-direct-node-routes": "true",
  "ipv4-native-routing-cidr": "10.244.0.0/16",
  "ipv6-native-routing-cidr": "fd00:10:244::/48",
} as const;

/** Manifest of the agents' settings in a lab of both families. */
export function dualStackSettings(settings: Readonly<Record<string, string>> = {}): string {
  return `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data: ${JSON.stringify({ "enable-ipv6": "true", ...settings })}
`;
}

/** Manifest of a pod with one container of the built-in `client`, or with a command. */
export function podManifest(
  name: string,
  options: {
    readonly node?: string;
    readonly container?: string;
    readonly spec?: string;
    readonly labels?: string;
  } = {},
): string {
  const { node, container = "image: client", spec = "", labels = `app: ${name}` } = options;
  return `
---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  labels: { ${labels} }
spec:
  ${node === undefined ? "" : `nodeName: ${node}`}
  ${spec}
  containers:
    - name: main
      ${container}
`;
}

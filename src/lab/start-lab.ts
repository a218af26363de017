import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { SystemError, UsageError } from "../lib/errors.js";
import { formatTimestamp, sleep } from "../lib/time.js";
import type { KubeNode } from "../model/kubernetes.js";
import { resourceTypes } from "../model/kubernetes.js";
import { findCgroupMount, makeCgroup } from "./cgroup.js";
import { requireLabHost } from "./lab-access.js";
import { hasSupervisor, lockLab } from "./lab-lock.js";
import { checkNodeName, parseLabName } from "./lab-name.js";
import { type LabPaths, labPaths } from "./lab-paths.js";
import { type LabFile, readLabFile, writeLabFile } from "./lab-record-file.js";
import { isNothing, surveyRemains } from "./lab-survey.js";
import { sweepLab } from "./lab-sweep.js";
import { labToolPath } from "./lab-tool.js";
import { ManifestStore, type StoredManifest } from "./manifest-store.js";
import { isRunning, readProcessFile } from "./process-table.js";

export interface StartLabOptions {
  readonly name: string;
  readonly manifests: readonly StoredManifest[];
  /** Nodes in all; those that no manifest describes are called node-1, node-2 … */
  readonly nodes?: number | undefined;
  readonly mtuBytes?: number | undefined;
  /** Program and arguments of this product's command line: agents and the supervisor are started with it. */
  readonly commandLine: readonly string[];
  /** Instead of this product's own agent; the lab's tests attach pods with a plain one. */
  readonly agentCommand?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

const DEFAULT_NODES = 2;
const DEFAULT_MTU_BYTES = 1500;
/** Of a lab up or down that is under way. */
const LOCK_WAIT_MS = 60_000;

/**
 * Makes the lab, or carries on the one that is there: what an interrupted command left is swept first, a lab whose supervisor was
 * killed gets a new one that adopts it. Returns when the supervisor runs; {@link awaitLab} waits for the rest.
 * @throws UsageError `lab-mtu`, `node-name`; KernelError `lab-needs-root`
 */
export async function startLab(options: StartLabOptions): Promise<LabPaths> {
  requireLabHost();
  const mount = findCgroupMount();
  const paths = labPaths(parseLabName(options.name), mount);
  await using _lock = await lockLab(options.name, "change", { timeoutMs: LOCK_WAIT_MS, signal: options.signal });
  const known = readLabFile(paths.record);
  checkMtu(known, options);
  const nodes = missingNodes(options, known);
  if (known === undefined && !isNothing(surveyRemains(paths))) {
    options.onProgress(`removing what an interrupted run left of lab ${options.name}`);
    await sweepLab(paths, mount);
  }
  const file = known ?? newLabFile(paths, options);
  mkdirSync(paths.stateDir, { recursive: true });
  if (known === undefined) writeLabFile(paths.record, file);
  const store = new ManifestStore(paths.manifestsDir);
  for (const manifest of [...nodes, ...options.manifests]) store.put(manifest);
  makeCgroup(paths.supervisorCgroup);
  if (!(await hasSupervisor(options.name))) await startSupervisor(paths, file, options);
  return paths;
}

function newLabFile(paths: LabPaths, options: StartLabOptions): LabFile {
  return {
    version: 1,
    name: paths.lab,
    stateDir: paths.stateDir,
    nodes: [],
    instance: randomUUID(),
    createdAt: formatTimestamp(new Date()),
    mtuBytes: options.mtuBytes ?? DEFAULT_MTU_BYTES,
    agentCommand: options.agentCommand ?? [...options.commandLine, "agent", "run"],
  };
}

function checkMtu(known: LabFile | undefined, options: StartLabOptions): void {
  if (known === undefined || options.mtuBytes === undefined || known.mtuBytes === options.mtuBytes) return;
  throw new UsageError(
    "lab-mtu",
    `lab ${options.name} runs with MTU ${known.mtuBytes}; it cannot become ${options.mtuBytes}`,
    {
      nextSteps: [`kubectl cilium-ts lab down --name ${options.name}`],
    },
  );
}

/** Names that a lab's nodes may have before it runs: those of the running lab, and those that `--nodes` makes. */
export function expectedNodes(name: string, nodes: number | undefined): readonly string[] {
  const known = readLabFile(labPaths(parseLabName(name), findCgroupMount()).record);
  if (known !== undefined && nodes === undefined) return known.nodes.map((node) => node.name);
  const made = Array.from({ length: nodes ?? DEFAULT_NODES }, (_, index) => `node-${index + 1}`);
  return [...(known?.nodes ?? []).map((node) => node.name), ...made];
}

/** Nodes that are asked for and that no manifest brings. */
function missingNodes(options: StartLabOptions, known: LabFile | undefined): readonly StoredManifest[] {
  const given = options.manifests
    .filter((manifest) => manifest.object.kind === "Node")
    .map((manifest) => manifest.object.metadata.name);
  for (const name of given) checkNodeName(name);
  const names = new Set([...given, ...(known?.nodes ?? []).map((node) => node.name)]);
  const wanted = options.nodes ?? (names.size > 0 ? names.size : DEFAULT_NODES);
  if (wanted < names.size)
    throw new UsageError(
      "node-count",
      `${wanted} nodes are asked for, and ${names.size} are described or run already`,
      {
        hint: `they are ${[...names].join(", ")}`,
      },
    );
  const added: string[] = [];
  for (let i = 1; names.size + added.length < wanted; i++) if (!names.has(`node-${i}`)) added.push(`node-${i}`);
  return added.map((name) => {
    const object: KubeNode = { apiVersion: "v1", kind: "Node", metadata: { name } };
    return { type: resourceTypes.nodes, object };
  });
}

/** Starts the supervisor detached, and waits until it holds its lock or has ended. */
async function startSupervisor(paths: LabPaths, file: LabFile, options: StartLabOptions): Promise<void> {
  const log = openSync(paths.supervisorLog, "a");
  const command = [...options.commandLine, "lab", "supervise", "--name", paths.lab, "--instance", file.instance];
  const child = spawn(labToolPath, ["join", "--cgroup", paths.supervisorCgroup, "--", ...command], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: "/",
  });
  closeSync(log);
  child.unref();
  const ended = new Promise<"ended">((resolve) => {
    child.once("exit", () => resolve("ended"));
    child.once("error", () => resolve("ended"));
  });
  const running = awaitSupervisor(paths, options.signal);
  if ((await Promise.race([ended, running])) === "ended" && !(await hasSupervisor(paths.lab)))
    throw new SystemError(
      "supervisor-failed",
      `the supervisor of lab ${paths.lab} could not start: ${lastLine(paths.supervisorLog)}`,
      {
        nextSteps: [`kubectl cilium-ts lab logs supervisor --name ${paths.lab}`],
      },
    );
}

/** It holds the lock, and its pid file is its own. */
async function awaitSupervisor(paths: LabPaths, signal: AbortSignal): Promise<"running"> {
  for (;;) {
    const process = readProcessFile(paths.supervisorPid);
    if (process !== undefined && isRunning(process) && (await hasSupervisor(paths.lab))) return "running";
    await sleep(10, signal);
  }
}

function lastLine(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").at(-1) ?? "";
}

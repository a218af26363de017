import { spawn } from "node:child_process";
import { join } from "node:path";
import { NotFoundError } from "../lib/errors.js";
import { objectKey } from "../model/kube-object.js";
import { ContainerProcess } from "./container-process.js";
import { enterArgs } from "./exec-in-container.js";
import { findNode } from "./find-node.js";
import { findContainer, findPod } from "./find-pod.js";
import type { OpenLab } from "./lab-access.js";
import { nodePaths, podDir } from "./lab-paths.js";
import { labToolPath } from "./lab-tool.js";
import { findNodeInit } from "./node-init.js";
import { podRefOf } from "./pod-ref.js";

export interface ExecOptions {
  /** A pod, or `node/<name>` for the node itself. */
  readonly target: string;
  readonly namespace?: string | undefined;
  readonly container?: string | undefined;
  readonly command: readonly string[];
}

/**
 * Runs a command in a container with this process's own terminal; answers its exit code, 128 + signal when one ended it.
 * @throws NotFoundError `pod-unknown`, `node-unknown`, `container-not-running`
 */
export async function execInLab(lab: OpenLab, options: ExecOptions): Promise<number> {
  const args = options.target.startsWith("node/") ? nodeArgs(lab, options) : await podArgs(lab, options);
  const child = spawn(labToolPath, args, { stdio: "inherit" });
  // Ctrl-C reaches the child by the terminal; what is sent to this process alone is passed on.
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGTERM", forward);
  process.on("SIGHUP", forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 137)));
    });
  } finally {
    process.off("SIGTERM", forward);
    process.off("SIGHUP", forward);
  }
}

function nodeArgs(lab: OpenLab, { target, command }: ExecOptions): readonly string[] {
  const { paths } = lab;
  const name = target.slice("node/".length);
  const node = findNode(lab, name);
  const init = findNodeInit(node);
  if (init === undefined)
    throw new NotFoundError("node-not-running", `lab ${paths.lab} has no running node "${name}"`, {
      nextSteps: [`kubectl cilium-ts lab status --name ${paths.lab}`],
    });
  return enterArgs({ target: init, cgroup: node.kubeletCgroup, command });
}

async function podArgs({ paths }: OpenLab, options: ExecOptions): Promise<readonly string[]> {
  const pod = await findPod(paths, options.target, options.namespace);
  const container = findContainer(pod, options.container);
  const ref = podRefOf(pod);
  const podCgroup = join(nodePaths(paths, pod.spec.nodeName ?? "").podsCgroup, ref.uid);
  const process = new ContainerProcess(container.name, podDir(paths, ref), podCgroup);
  const facts = process.facts();
  if (facts.kind !== "running")
    throw new NotFoundError(
      "container-not-running",
      `container ${container.name} of pod ${objectKey(pod.metadata)} does not run`,
      {
        nextSteps: [
          `kubectl cilium-ts lab status --name ${paths.lab} -o wide`,
          `kubectl cilium-ts lab logs ${objectKey(pod.metadata)}`,
        ],
      },
    );
  const { workingDir } = container;
  return enterArgs({ target: facts.process, cgroup: process.cgroup, workingDir, command: options.command });
}

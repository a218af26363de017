import { mkdirSync, rmSync } from "node:fs";
import { writeFileAtomicSync } from "../lib/atomic-file.js";
import { NotFoundError } from "../lib/errors.js";
import type { Logger } from "../lib/log.js";
import { sleep } from "../lib/time.js";
import type { KubeObject } from "../model/kube-object.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import { findCgroupMount } from "./cgroup.js";
import { DeploymentsController } from "./deployments-controller.js";
import { Kubelet } from "./kubelet.js";
import { lockLab } from "./lab-lock.js";
import { labPaths } from "./lab-paths.js";
import { readLabFile } from "./lab-record-file.js";
import { ManifestsController } from "./manifests-controller.js";
import { NodesController } from "./nodes-controller.js";
import type { ObjectCache } from "./object-cache.js";
import { identifyProcess } from "./process-table.js";
import { Scheduler } from "./scheduler.js";
import { ServiceNames } from "./service-names.js";
import { ServicesController } from "./services-controller.js";
import { type Controller, createLabCaches, type SupervisorContext } from "./supervisor-context.js";

export interface SupervisorOptions {
  readonly lab: string;
  /** The lab that this supervisor was started for: one of the same name that came later is not its own. */
  readonly instance: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const INSTANCE_CHECK_MS = 500;
const LOCK_WAIT_MS = 5_000;

/**
 * The one process of a lab that keeps it going: node namespaces and agents, controllers, kubelets. Holds nothing that cannot be
 * found again in the state folder, the lab's folder and the kernel, so that it can be killed and started at any time.
 */
export async function runSupervisor(options: SupervisorOptions): Promise<void> {
  const { lab, log } = options;
  const paths = labPaths(lab, findCgroupMount());
  await using _lock = await lockLab(lab, "supervisor", { timeoutMs: LOCK_WAIT_MS, signal: options.signal });
  const file = readLabFile(paths.record);
  if (file?.instance !== options.instance)
    throw new NotFoundError("lab-gone", `lab ${lab} is not the one that this supervisor was started for`);
  mkdirSync(paths.nodesDir, { recursive: true });
  writeFileAtomicSync(paths.supervisorPid, `${JSON.stringify(identifyProcess(process.pid))}\n`);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  await using state = await FolderStateSource.open(paths.stateDir);
  const context: SupervisorContext = {
    paths,
    mtuBytes: file.mtuBytes,
    agentCommand: file.agentCommand,
    state,
    log,
    caches: createLabCaches(state),
  };
  const controllers = createControllers(context);
  const following = await followAll(context, signal);
  for (const controller of controllers) await controller.start();
  log.info({ lab, pid: process.pid }, "supervisor runs");
  await untilReplaced(paths.record, options.instance, signal);
  stop.abort();
  for (const controller of [...controllers].reverse()) await controller[Symbol.asyncDispose]();
  await following.ended;
  rmSync(paths.supervisorPid, { force: true });
  log.info({ lab }, "supervisor ends; the lab goes on without it");
}

function createControllers(context: SupervisorContext): readonly Controller[] {
  const names = new ServiceNames(context);
  // The two know each other: pods need nodes, and a node's turn wakes its pods.
  const nodes: NodesController = new NodesController(context, (node) => kubelet.onNodeChange(node));
  const kubelet = new Kubelet(context, { nodeOf: (name) => nodes.node(name), names });
  return [
    new ManifestsController(context),
    nodes,
    new Scheduler(context),
    new DeploymentsController(context),
    new ServicesController(context),
    names,
    kubelet,
  ];
}

type Followed = Pick<ObjectCache<KubeObject>, "run">;

interface Following {
  readonly ended: Promise<unknown>;
}

/** Resolves when every cache holds its first list. */
async function followAll({ caches, log }: SupervisorContext, signal: AbortSignal): Promise<Following> {
  const all: readonly Followed[] = Object.values(caches);
  const onError = (err: unknown): void => log.error({ err }, "the state cannot be followed, trying again");
  const runs: Promise<void>[] = [];
  await Promise.all(
    all.map((cache) => new Promise<void>((synced) => runs.push(cache.run({ signal, synced, onError })))),
  );
  return { ended: Promise.all(runs) };
}

/** A lab that is taken down loses its record first; one that was made anew has another instance. */
async function untilReplaced(record: string, instance: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && readLabFile(record)?.instance === instance)
    await sleep(INSTANCE_CHECK_MS, signal).catch(() => undefined);
}

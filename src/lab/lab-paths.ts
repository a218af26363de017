import { join } from "node:path";
import { labRecordFile, labsRoot } from "../model/lab-record.js";
import { formatPodRef, type PodRef } from "./pod-ref.js";

/** Where everything of one lab lies. All paths are absolute and as the machine outside of the nodes sees them. */
export interface LabPaths {
  readonly lab: string;
  readonly root: string;
  readonly record: string;
  readonly stateDir: string;
  readonly manifestsDir: string;
  readonly hostsDir: string;
  readonly supervisorLog: string;
  readonly supervisorPid: string;
  readonly podsDir: string;
  readonly nodesDir: string;
  /** The lab's branch of the cgroup2 tree: every process of the lab is in it. */
  readonly cgroup: string;
  readonly supervisorCgroup: string;
}

/** Labs' branch below the mount of cgroup2. */
export function labsCgroup(cgroupMount: string): string {
  return join(cgroupMount, "cts-lab");
}

export function labPaths(lab: string, cgroupMount: string): LabPaths {
  const root = join(labsRoot, lab);
  const cgroup = join(labsCgroup(cgroupMount), lab);
  return {
    lab,
    root,
    record: join(root, labRecordFile),
    stateDir: join(root, "state"),
    manifestsDir: join(root, "manifests"),
    hostsDir: join(root, "hosts"),
    supervisorLog: join(root, "supervisor.log"),
    supervisorPid: join(root, "supervisor.pid"),
    podsDir: join(root, "pods"),
    nodesDir: join(root, "nodes"),
    cgroup,
    // No node can have this name: node names begin with a letter or digit.
    supervisorCgroup: join(cgroup, "_supervisor"),
  };
}

/** Where everything of one node of a lab lies. */
export interface NodePaths {
  readonly root: string;
  /** The agent's `--run-dir`; inside the node it is /run/cilium-ts. */
  readonly runDir: string;
  readonly agentSocket: string;
  readonly agentLog: string;
  readonly agentPid: string;
  readonly agentExit: string;
  /** While this file exists, the supervisor does not start the node's agent. */
  readonly agentHold: string;
  readonly initPid: string;
  readonly cgroup: string;
  readonly agentCgroup: string;
  readonly kubeletCgroup: string;
  readonly podsCgroup: string;
}

export function nodePaths(paths: LabPaths, node: string): NodePaths {
  const root = join(paths.nodesDir, node);
  const runDir = join(root, "run");
  const cgroup = join(paths.cgroup, node);
  return {
    root,
    runDir,
    agentSocket: join(runDir, "agent.sock"),
    agentLog: join(root, "agent.log"),
    agentPid: join(root, "agent.pid"),
    agentExit: join(root, "agent-exit.json"),
    agentHold: join(root, "agent.hold"),
    initPid: join(root, "init.pid"),
    cgroup,
    agentCgroup: join(cgroup, "agent"),
    kubeletCgroup: join(cgroup, "kubelet"),
    podsCgroup: join(cgroup, "pods"),
  };
}

/** Where everything of one container lies; one folder a pod, as the kubelet's /var/log/pods has it. */
export interface ContainerPaths {
  readonly root: string;
  readonly log: string;
  readonly pid: string;
  readonly exit: string;
  /** What the supervisor knows of the container's history. */
  readonly record: string;
}

export function podDir(paths: LabPaths, pod: PodRef): string {
  return join(paths.podsDir, formatPodRef(pod));
}

export function containerPaths(podRoot: string, container: string): ContainerPaths {
  const root = join(podRoot, container);
  return {
    root,
    log: join(root, "log"),
    pid: join(root, "pid.json"),
    exit: join(root, "exit.json"),
    record: join(root, "record.json"),
  };
}

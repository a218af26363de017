/**
 * What a running lab writes about itself to `<labsRoot>/<name>/lab.json`, so that the commands that read a lab need
 * nothing but this file: the lab writes it (atomically, before the first node starts and after each node started),
 * sessions read it. Everything here stays true without the supervisor and the agents running.
 */
export interface LabRecord {
  readonly version: 1;
  readonly name: string;
  /** The folder of the lab's `FolderStateSource`, absolute. */
  readonly stateDir: string;
  /** In the order of the node addresses. */
  readonly nodes: readonly LabNodeRecord[];
}

export interface LabNodeRecord {
  readonly name: string;
  /** Text of the node's address on the lab's fabric, e.g. `172.18.0.2`. */
  readonly internalIp: string;
  /** Text of the node's pod prefix, e.g. `10.244.0.0/24`. */
  readonly podCidr: string;
  /** Pid, as seen by whoever started the lab, of the node's pid 1, which holds its namespaces. */
  readonly initPid: number;
  /**
   * Field 22 (`starttime`, in clock ticks since boot) of `/proc/<initPid>/stat`, as text: a pid alone may have been
   * given to a foreign process since, pid and start time together cannot. proc(5)
   */
  readonly initStartTime: string;
  /** The agent's `--run-dir` as seen from outside of the node, absolute: `agent.sock` is in it. */
  readonly runDir: string;
  /** The node's branch of the cgroup2 tree, absolute: socket programs are attached there. */
  readonly cgroupPath: string;
  /** Name of the node's network namespace, as `ip netns` lists it. */
  readonly netns: string;
}

/** Where the agent of a lab's node listens, as seen from outside of the node. */
export function labAgentSocket({ runDir }: Pick<LabNodeRecord, "runDir">): string {
  return `${runDir}/agent.sock`;
}

/** Where labs keep their folders; one folder a lab, named after it. */
export const labsRoot = "/run/cts-lab";

/** File name of the record within the lab's folder. */
export const labRecordFile = "lab.json";

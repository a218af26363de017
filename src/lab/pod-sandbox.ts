import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomicSync } from "../lib/atomic-file.js";
import type { CniRequest } from "../model/cni.js";
import { killCgroupTree, makeCgroup, removeCgroupTree } from "./cgroup.js";
import { netnsPath, nodeNetns, podNetns } from "./lab-name.js";
import { type LabPaths, nodePaths, podDir } from "./lab-paths.js";
import type { NetnsPool } from "./netns-batch.js";
import type { RunningNode } from "./nodes-controller.js";
import type { PodRef } from "./pod-ref.js";

/** What is on disk of a pod's sandbox: written before anything is made, so that every rest has its folder. */
interface SandboxRecord {
  readonly node: string;
  /** Start time of the node's pid 1: after the node died, its pods' sandboxes are worth nothing. */
  readonly nodeStartTime: string;
  readonly isHostNetwork: boolean;
  /** Once the agent has answered ADD. */
  readonly podIps?: readonly string[];
  /** In place of `podIps` where the lab knew one family. */
  readonly podIp?: string;
}

export interface SandboxOptions {
  readonly paths: LabPaths;
  readonly netns: NetnsPool;
  readonly pod: PodRef;
}

/** The pod's own part of a node: cgroup, network namespace, and the network that the agent puts into it. */
export class PodSandbox {
  readonly root: string;
  readonly #options: SandboxOptions;
  readonly #file: string;

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.root = podDir(options.paths, options.pod);
    this.#file = join(this.root, "sandbox.json");
  }

  cgroupOn(node: string): string {
    return join(nodePaths(this.#options.paths, node).podsCgroup, this.#options.pod.uid);
  }

  /** Path of the network namespace that the pod's containers join. */
  netnsPathOn(node: string, isHostNetwork: boolean): string {
    const { paths, pod } = this.#options;
    return netnsPath(isHostNetwork ? nodeNetns(paths.lab, node) : podNetns(paths.lab, pod.uid));
  }

  /** The pod's addresses, when the sandbox stands and the node is still the one it was made on. */
  addressesOn(node: RunningNode): readonly string[] | undefined {
    const record = this.#read();
    if (record?.nodeStartTime !== node.init.startTime) return undefined;
    return record.podIps ?? (record.podIp === undefined ? undefined : [record.podIp]);
  }

  /** The sandbox was made on this node before that died. */
  isOfEarlier(node: RunningNode): boolean {
    const record = this.#read();
    return record !== undefined && record.nodeStartTime !== node.init.startTime;
  }

  /** Makes what is missing; answers the pod's addresses. @throws AgentError when the agent does not attach the pod */
  async ensure(node: RunningNode, isHostNetwork: boolean, signal: AbortSignal): Promise<readonly string[]> {
    const known = this.addressesOn(node);
    if (known !== undefined) return known;
    if (this.isOfEarlier(node)) await this.#discard(node, signal);
    const record = { node: node.name, nodeStartTime: node.init.startTime, isHostNetwork };
    mkdirSync(this.root, { recursive: true });
    this.#write(record);
    makeCgroup(this.cgroupOn(node.name));
    const podIps = isHostNetwork ? node.addresses.internalIps : await this.#attach(node, signal);
    this.#write({ ...record, podIps });
    return podIps;
  }

  /** Takes network and cgroup away, keeps the logs. Repeating it is fine. */
  async remove(nodeOf: (name: string) => RunningNode | undefined, signal: AbortSignal): Promise<void> {
    const record = this.#read();
    if (record === undefined) return;
    const cgroup = this.cgroupOn(record.node);
    await killCgroupTree(cgroup);
    if (!record.isHostNetwork) {
      // A node that is gone took its agent and the addresses with it.
      const node = nodeOf(record.node);
      if (node !== undefined && node.init.startTime === record.nodeStartTime)
        await node.agent.client.del(this.#call(), signal);
      await this.#options.netns.remove.request(podNetns(this.#options.paths.lab, this.#options.pod.uid));
    }
    await removeCgroupTree(cgroup);
    rmSync(this.#file, { force: true });
  }

  /** Removes the last of the pod, its logs. */
  forget(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  get exists(): boolean {
    return this.#read() !== undefined;
  }

  async #attach(node: RunningNode, signal: AbortSignal): Promise<readonly string[]> {
    await this.#options.netns.add.request(podNetns(this.#options.paths.lab, this.#options.pod.uid));
    return node.agent.client.add(this.#call(), signal);
  }

  /** The node was started anew: release what its agent may remember, and begin again. */
  async #discard(node: RunningNode, signal: AbortSignal): Promise<void> {
    await node.agent.client.del(this.#call(), signal);
    await this.#options.netns.remove.request(podNetns(this.#options.paths.lab, this.#options.pod.uid));
    rmSync(this.#file, { force: true });
  }

  /** The call that a container runtime's CNI plugin would make for this pod. */
  #call(): CniRequest {
    const { paths, pod } = this.#options;
    return {
      containerId: pod.uid,
      netns: netnsPath(podNetns(paths.lab, pod.uid)),
      ifName: "eth0",
      podName: pod.name,
      podNamespace: pod.namespace,
      podUid: pod.uid,
    };
  }

  #read(): SandboxRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#file, "utf8")) as SandboxRecord;
    } catch {
      return undefined; // nothing was made yet
    }
  }

  #write(record: SandboxRecord): void {
    writeFileAtomicSync(this.#file, JSON.stringify(record));
  }
}

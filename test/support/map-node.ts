import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Release } from "../../src/abi/release.js";
import { BpfMap, type MapSpec } from "../../src/kernel/bpf-map.js";
import { type LabRecord, labRecordFile, labsRoot } from "../../src/model/lab-record.js";
import { readCapture } from "../unit/abi-capture-files.js";
import { createCapturedMap } from "./captured-map.js";
import { LabClaim } from "./own-names.js";

/**
 * A lab that consists of one process in a mount namespace of its own with a BPF file system: what a session needs to
 * find a node's maps, without agents, pods and network. Everything is gone after dispose.
 */
export class MapNode implements Disposable {
  readonly lab = `cts-t-${process.pid}-${Math.trunc(performance.now()).toString(36)}`;
  readonly nodeName = "node-1";
  readonly #folder = join(labsRoot, this.lab);
  readonly #claim = new LabClaim(this.lab);
  readonly #init: ChildProcess;
  readonly #maps: BpfMap[] = [];

  private constructor() {
    const script =
      "mount -t bpf bpf /sys/fs/bpf && mkdir -p /sys/fs/bpf/tc/globals && echo ready && exec sleep infinity";
    const inMounts = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script];
    // Ends with this process, even if that is killed.
    this.#init = spawn("setpriv", ["--pdeathsig", "KILL", ...inMounts], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  static async start(): Promise<MapNode> {
    const node = new MapNode();
    try {
      await node.#untilReady();
      node.#writeRecord();
      return node;
    } catch (error) {
      node[Symbol.dispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#init.pid!;
  }

  get bpffs(): string {
    return `/proc/${this.pid}/root/sys/fs/bpf`;
  }

  get stateDir(): string {
    return join(this.#folder, "state");
  }

  /** Where the node's agent would have its socket. */
  get runDir(): string {
    return join(this.#folder, "run");
  }

  /** Creates a map and pins it where the datapath would. */
  pin(name: string, spec: Omit<MapSpec, "name">): BpfMap {
    const map = BpfMap.create({ ...spec, name: name.slice(0, 15) });
    this.#maps.push(map);
    map.pin(this.pinPath(name));
    return map;
  }

  /** Creates and fills a map as upstream's was when it was captured, smaller where it was large. */
  pinCapture(name: string, release?: Release): BpfMap {
    const map = createCapturedMap(name, release);
    this.#maps.push(map);
    map.pin(this.pinPath(name));
    return map;
  }

  pinNames(): readonly string[] {
    return readdirSync(join(this.bpffs, "tc", "globals"));
  }

  pinPath(name: string): string {
    return join(this.bpffs, "tc", "globals", name);
  }

  /** What upstream's own tool printed of the same maps. */
  captureOutput(name: string, release?: Release): string {
    return readCapture(`out/${name}`, release);
  }

  /** Waits until the process that stands for the node's pid 1 has ended. */
  async untilGone(): Promise<void> {
    if (this.#init.exitCode === null && this.#init.signalCode === null) await once(this.#init, "exit");
  }

  #writeRecord(): void {
    mkdirSync(join(this.stateDir, ".drafts"), { recursive: true });
    const record: LabRecord = {
      version: 1,
      name: this.lab,
      stateDir: this.stateDir,
      nodes: [
        {
          name: this.nodeName,
          internalIp: "172.18.0.2",
          podCidr: "10.244.0.0/24",
          initPid: this.pid,
          initStartTime: readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19]!,
          runDir: this.runDir,
          cgroupPath: join(this.#folder, "no-cgroup"),
          netns: "none",
        },
      ],
    };
    writeFileSync(join(this.#folder, labRecordFile), JSON.stringify(record));
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + 60_000;
    let text = "";
    this.#init.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    while (!text.includes("ready")) {
      if (Date.now() > deadline || this.#init.exitCode !== null) throw new Error("the test node did not start");
      await delay(5);
    }
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps) map.close();
    this.#init.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
    this.#claim[Symbol.dispose]();
  }
}

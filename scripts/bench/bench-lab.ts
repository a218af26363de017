import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fabricNetns } from "../../src/lab/lab-name.js";
import { FABRIC } from "../../src/lab/network.js";
import type { IpFamily } from "../../src/lib/ip.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import {
  type LabNodeRecord,
  type LabRecord,
  labAgentSocket,
  labRecordFile,
  labsRoot,
} from "../../src/model/lab-record.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { Cleanup } from "./cleanup.js";
import { fillServices } from "./filler-objects.js";
import { benchNamespace, type LabExtras, labManifests, serviceAddresses } from "./lab-manifests.js";
import type { Evidence } from "./results.js";
import { type CommandResult, run } from "./shell.js";
import type { Topology } from "./topology.js";
import { drive, modes } from "./traffic.js";

export const cli = join(import.meta.dirname, "../../bin/kubectl-cilium_ts");

export type LoadBalancing = "socket LB" | "per-packet LB";

/** A frontend in the kernel for each mode and address of the two measured Services; filler Services have one each. */
const measuredFrontends = 2 * modes.length;

/** A lab of two nodes with a client and two servers beside it, and two servers on the other node. */
export class BenchLab implements AsyncDisposable {
  readonly name: string;
  readonly #loadBalancing: LoadBalancing;
  readonly #family: IpFamily;
  readonly #cleanup: Cleanup;
  #services = 1;

  private constructor(name: string, loadBalancing: LoadBalancing, family: IpFamily, cleanup: Cleanup) {
    this.name = name;
    this.#family = family;
    this.#loadBalancing = loadBalancing;
    this.#cleanup = cleanup;
  }

  static async open(name: string, loadBalancing: LoadBalancing, extras: LabExtras = {}): Promise<BenchLab> {
    return Cleanup.guard(async (cleanup) => {
      const folder = await mkdtemp(join(tmpdir(), "cts-b-"));
      cleanup.defer(() => rm(folder, { recursive: true, force: true }));
      const manifest = join(folder, "lab.yaml");
      await writeFile(manifest, labManifests(loadBalancing === "socket LB", extras));
      // A killed run may have left one.
      await run(cli, ["lab", "down", "--name", name]).catch(() => undefined);
      cleanup.defer(async () => void (await run(cli, ["lab", "down", "--name", name])));
      await run(cli, ["lab", "up", "--name", name, "-f", manifest], { timeoutMs: 180_000 });
      const lab = new BenchLab(name, loadBalancing, extras.family ?? 4, cleanup);
      await lab.#untilFrontends(measuredFrontends);
      return lab;
    });
  }

  get stateDir(): string {
    return join(labsRoot, this.name, "state");
  }

  #node(nodeName: string): LabNodeRecord {
    const record = JSON.parse(readFileSync(join(labsRoot, this.name, labRecordFile), "utf8")) as LabRecord;
    const node = record.nodes.find(({ name }) => name === nodeName);
    if (node === undefined) throw new Error(`lab ${this.name} has no node ${nodeName}`);
    return node;
  }

  /** Where a map of a node is pinned, as this process sees it. */
  pinPath(nodeName: string, map: string): string {
    return `/proc/${this.#node(nodeName).initPid}/root/sys/fs/bpf/tc/globals/${map}`;
  }

  /** On the network that all nodes share. */
  nodeAddress(nodeName: string): string {
    return this.#node(nodeName).internalIp;
  }

  /** A machine on the nodes' network that is none of them. */
  get outside(): { readonly netns: string; readonly address: string } {
    return { netns: fabricNetns(this.name), address: FABRIC[4].gateway.text };
  }

  /** Of the first node's agent. */
  get agentPid(): number {
    const path = join(labsRoot, this.name, "nodes/bench-1/agent.pid");
    return (JSON.parse(readFileSync(path, "utf8")) as { readonly pid: number }).pid;
  }

  get agentSocket(): string {
    return labAgentSocket(this.#node("bench-1"));
  }

  async podAddress(name: string): Promise<string> {
    await using state = await FolderStateSource.open(this.stateDir);
    const pod = await state.get(resourceTypes.pods, { namespace: benchNamespace, name });
    const address = pod?.status?.podIP;
    if (address === undefined) throw new Error(`pod ${name} has no address`);
    return address;
  }

  async read(...args: readonly string[]): Promise<CommandResult> {
    return run(cli, [...args, "--lab", this.name], { timeoutMs: 300_000 });
  }

  /** Rows of a read command's list. */
  async items(...args: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { stdout } = await this.read(...args, "-o", "json");
    return (JSON.parse(stdout) as { items: Record<string, unknown>[] }).items;
  }

  /** What runs a command in a pod, before its arguments. */
  execIn(pod: string): readonly string[] {
    return [cli, "lab", "exec", "--name", this.name, "-n", benchNamespace, pod, "--"];
  }

  /** From a pod to an address. */
  way(name: string, client: string, address: string): Topology {
    const prefix = this.execIn(client);
    return {
      name,
      measure: (how) => drive(prefix, address, how),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  /** The client through a Service to a server beside it. */
  get sameNode(): Topology {
    return this.way(`ours, ${this.#loadBalancing}`, "client", serviceAddresses[this.#family].local);
  }

  /** The client through a Service to a server on the other node. */
  get acrossNodes(): Topology {
    return this.way(`ours, ${this.#loadBalancing}`, "client", serviceAddresses[this.#family].remote);
  }

  /** Adds Services of one port and two endpoints each until there are so many, and waits until the kernel has them. */
  async growTo(services: number): Promise<void> {
    if (services <= this.#services) return;
    await fillServices(this.stateDir, this.#services, services);
    this.#services = services;
    await this.#untilFrontends(measuredFrontends + services - 1);
  }

  async #frontends(): Promise<number> {
    const rows = await this.items("bpf", "lb", "list", "--frontends", "--node", "bench-1");
    // Slot 0 is the frontend itself, the others are its backends; an address has a wildcard without reverse NAT beside it.
    return rows.filter((row) => row.slot === 0 && row.revNatId !== 0).length;
  }

  async #untilFrontends(count: number): Promise<void> {
    const deadlineMs = Date.now() + 600_000;
    let seen = -1;
    while (Date.now() < deadlineMs) {
      seen = await this.#frontends();
      if (seen >= count) return;
      await delay(2_000);
    }
    throw new Error(`lab ${this.name}: ${seen} of ${count} frontends in the kernel after 10 minutes`);
  }

  async evidence(): Promise<Evidence> {
    // The fill level, not the list: after minutes of new connections that is a million rows.
    const maps = await this.items("bpf", "map", "list", "cilium_ct4_global");
    const metrics = await this.items("bpf", "metrics", "list");
    const forwarded = metrics.filter((row) => row.drop === false);
    return {
      topology: `ours, ${this.#loadBalancing}`,
      services: this.#services,
      conntrackEntries: maps.reduce((sum, row) => sum + Number(row.entries), 0),
      forwardedPackets: forwarded.reduce((sum, row) => sum + Number(row.packets), 0),
      frontends: await this.#frontends(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup[Symbol.asyncDispose]();
  }
}

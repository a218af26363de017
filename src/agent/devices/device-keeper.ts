import type { Logger } from "../../lib/log.js";
import { createWorkQueue, type WorkQueue } from "../../lib/queue.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { DatapathPort, NodeDevice, UnacceleratedDevice } from "../../model/datapath-port.js";
import { readNonMasqueraded } from "../../state/non-masqueraded.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { StatusBoard } from "../status/status-board.js";
import { listLinks, listRoutes } from "../system/ip-batch.js";
import { detectDevices } from "./detect-devices.js";
import { FileWatch } from "./file-watch.js";
import { NetworkMonitor } from "./network-monitor.js";

export interface DeviceKeeperOptions {
  readonly datapath: Pick<DatapathPort, "writeDevices" | "writeNonMasqueraded">;
  readonly config: AgentConfig;
  readonly node: LocalNode;
  readonly status: StatusBoard;
  readonly log: Logger;
  /** After a refusal that stands in the status. Default {@link REFUSED_MS}. */
  readonly refusedMs?: number;
}

const DEVICES = "devices";
const LIST = "list";

/** A device that comes up is told in several lines. */
const COALESCE_MS = 100;
/** What a driver refuses XDP for, its queues for one, may change without any announcement. */
const REFUSED_MS = 30_000;

/** Keeps the programs on the node's devices, whichever these are at the moment, and what they leave unmasqueraded. */
export class DeviceKeeper implements AsyncDisposable {
  readonly #options: DeviceKeeperOptions;
  readonly #queue: WorkQueue;
  readonly #monitor: NetworkMonitor;
  #devices: readonly NodeDevice[] = [];
  #list: FileWatch | undefined;
  /** By what they are about. */
  readonly #problems = new Map<string, readonly string[]>();

  constructor(options: DeviceKeeperOptions) {
    this.#options = options;
    this.#queue = createWorkQueue({
      reconcile: (key) => this.#reconcile(key),
      onError: (key, error) => this.#fail(key, error),
    });
    this.#monitor = new NetworkMonitor({
      onChange: () => this.#queue.addAfter(DEVICES, COALESCE_MS),
      onProblem: (words) => this.#report("monitor", words === undefined ? [] : [words]),
    });
  }

  get devices(): readonly NodeDevice[] {
    return this.#devices;
  }

  /** Resolves when the programs are on the devices of now; a failure is tried again and stands in the status. */
  async start(): Promise<void> {
    // First: a change between the look and the monitor's start would be nobody's.
    this.#monitor.start();
    const { ipMasqAgent, ipMasqAgentConfigPath } = this.#options.config;
    if (ipMasqAgent) this.#list = new FileWatch(ipMasqAgentConfigPath, () => this.#queue.addAfter(LIST, COALESCE_MS));
    for (const key of [LIST, DEVICES]) {
      try {
        await this.#reconcile(key);
      } catch (error) {
        this.#fail(key, error);
        this.#queue.add(key);
      }
    }
  }

  #reconcile(key: string): Promise<void> {
    return key === DEVICES ? this.#syncDevices() : this.#syncList();
  }

  async #syncDevices(): Promise<void> {
    const { config, node, datapath, log } = this.#options;
    const [links, routes4, routes6] = await Promise.all([listLinks({ details: true }), listRoutes(4), listRoutes(6)]);
    const routes = [...routes4, ...routes6];
    const devices = detectDevices({ links, routes, nodeAddresses: node.internalIps, patterns: config.devices });
    const unaccelerated = await datapath.writeDevices(devices);
    if (namesOf(devices) !== namesOf(this.#devices)) log.info({ devices: namesOf(devices) }, "devices of the node");
    this.#devices = devices;
    const none = [`no device is ${config.devices || "the node's"}: see the setting devices`];
    const problems = this.#problemsOf(unaccelerated);
    this.#report(DEVICES, devices.length > 0 ? problems : none);
    if (problems.length > 0) this.#queue.addAfter(DEVICES, this.#options.refusedMs ?? REFUSED_MS);
  }

  /** With best-effort a device that takes no XDP program is no problem, and is named in the log. */
  #problemsOf(unaccelerated: readonly UnacceleratedDevice[]): readonly string[] {
    const { config, log } = this.#options;
    const words = unaccelerated.map(({ device, reason }) => `node ports are not accelerated on ${device}: ${reason}`);
    if (config.lbAcceleration !== "best-effort")
      return words.map((line) => `bpf-lb-acceleration ${config.lbAcceleration}: ${line}`);
    for (const line of words) log.info(`bpf-lb-acceleration best-effort: ${line}`);
    return [];
  }

  async #syncList(): Promise<void> {
    const { ipMasqAgent, ipMasqAgentConfigPath } = this.#options.config;
    if (!ipMasqAgent) return this.#options.datapath.writeNonMasqueraded([]);
    const { prefixes, problems } = await readNonMasqueraded(ipMasqAgentConfigPath);
    this.#options.datapath.writeNonMasqueraded(prefixes);
    this.#report(
      LIST,
      problems.map((problem) => `${ipMasqAgentConfigPath}: ${problem}`),
    );
  }

  #fail(key: string, error: unknown): void {
    this.#options.log.warn({ err: error, key }, "the node's devices cannot be set up");
    this.#report(key, [error instanceof Error ? error.message : String(error)]);
  }

  #report(key: string, problems: readonly string[]): void {
    this.#problems.set(key, problems);
    this.#options.status.report("devices", [...this.#problems.values()].flat());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#monitor[Symbol.dispose]();
    this.#list?.[Symbol.dispose]();
    await this.#queue.close();
  }
}

function namesOf(devices: readonly NodeDevice[]): string {
  return devices.map(({ name }) => name).join(" ");
}

import type { Logger } from "../../lib/log.js";
import { createWorkQueue, type WorkQueue } from "../../lib/queue.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { DatapathPort, NodeDevice } from "../../model/datapath-port.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { StatusBoard } from "../status/status-board.js";
import { listLinks, listRoutes } from "../system/ip-batch.js";
import { detectDevices } from "./detect-devices.js";
import { NetworkMonitor } from "./network-monitor.js";

export interface DeviceKeeperOptions {
  readonly datapath: Pick<DatapathPort, "writeDevices">;
  readonly config: AgentConfig;
  readonly node: LocalNode;
  readonly status: StatusBoard;
  readonly log: Logger;
}

const KEY = "devices";

/** A device that comes up is told in several lines. */
const COALESCE_MS = 100;

/** Keeps the programs on the node's devices, whichever these are at the moment. */
export class DeviceKeeper implements AsyncDisposable {
  readonly #options: DeviceKeeperOptions;
  readonly #queue: WorkQueue;
  readonly #monitor: NetworkMonitor;
  #devices: readonly NodeDevice[] = [];
  #monitorProblem: string | undefined;
  #problems: readonly string[] = [];

  constructor(options: DeviceKeeperOptions) {
    this.#options = options;
    this.#queue = createWorkQueue({
      reconcile: () => this.#reconcile(),
      onError: (_key, error) => this.#fail(error),
    });
    this.#monitor = new NetworkMonitor({
      onChange: () => this.#queue.addAfter(KEY, COALESCE_MS),
      onProblem: (words) => {
        this.#monitorProblem = words;
        this.#report(this.#problems);
      },
    });
  }

  get devices(): readonly NodeDevice[] {
    return this.#devices;
  }

  /** Resolves when the programs are on the devices of now; a failure is tried again and stands in the status. */
  async start(): Promise<void> {
    // First: a change between the look and the monitor's start would be nobody's.
    this.#monitor.start();
    try {
      await this.#reconcile();
    } catch (error) {
      this.#fail(error);
      this.#queue.add(KEY);
    }
  }

  async #reconcile(): Promise<void> {
    const { config, node, datapath, log } = this.#options;
    const [links, routes4, routes6] = await Promise.all([listLinks({ details: true }), listRoutes(4), listRoutes(6)]);
    const routes = [...routes4, ...routes6];
    const devices = detectDevices({ links, routes, nodeAddresses: [node.internalIp], patterns: config.devices });
    await datapath.writeDevices(devices);
    if (namesOf(devices) !== namesOf(this.#devices)) log.info({ devices: namesOf(devices) }, "devices of the node");
    this.#devices = devices;
    this.#report(devices.length > 0 ? [] : [`no device is ${config.devices || "the node's"}: see the setting devices`]);
  }

  #fail(error: unknown): void {
    this.#options.log.warn({ err: error }, "the node's devices cannot be set up");
    this.#report([error instanceof Error ? error.message : String(error)]);
  }

  #report(problems: readonly string[]): void {
    this.#problems = problems;
    const { status } = this.#options;
    status.report("devices", [...problems, ...(this.#monitorProblem === undefined ? [] : [this.#monitorProblem])]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#monitor[Symbol.dispose]();
    await this.#queue.close();
  }
}

function namesOf(devices: readonly NodeDevice[]): string {
  return devices.map(({ name }) => name).join(" ");
}

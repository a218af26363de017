import { waitForAll } from "../lib/wait-for-all.js";
import type { EndpointsPort } from "../model/datapath-port.js";
import type { DeviceHooks } from "./device-hooks.js";
import type { PolicyMaps } from "./policy-maps.js";
import type { Programs } from "./programs.js";

const DIRECTIONS = ["ingress", "egress"] as const;

/** Program on each side of the host end of a pod's veth; what the pod sends comes in there. */
const programOf = { ingress: "fromContainer", egress: "toContainer" } as const;

/** Hooks and policy maps of this node's endpoints. One program serves all: only hooks are per endpoint. */
export class EndpointPrograms implements EndpointsPort {
  readonly #hooks: DeviceHooks;
  readonly #policies: PolicyMaps;
  readonly #programs: Programs;

  constructor(options: { readonly hooks: DeviceHooks; readonly policies: PolicyMaps; readonly programs: Programs }) {
    this.#hooks = options.hooks;
    this.#policies = options.policies;
    this.#programs = options.programs;
  }

  list(): readonly number[] {
    const fromHooks = this.#hooks.names().flatMap((name) => endpointOfHook(name) ?? []);
    return [...new Set([...fromHooks, ...this.#policies.endpointIds()])].sort((a, b) => a - b);
  }

  async attach(endpoint: { readonly endpointId: number; readonly ifindex: number }): Promise<void> {
    await waitForAll(
      DIRECTIONS.map((direction) => {
        const hook = { ifindex: endpoint.ifindex, direction };
        const program = this.#programs[programOf[direction]];
        return this.#hooks.ensureDevice(hookName(endpoint.endpointId, direction), program, hook);
      }),
    );
  }

  /** Gives what is attached already its new programs, without waiting for the endpoints' records. */
  async replacePrograms(): Promise<void> {
    const places = new Map<number, number>();
    for (const { name, ifindex } of await this.#hooks.list()) {
      const endpointId = endpointOfHook(name);
      if (endpointId !== undefined && ifindex !== 0) places.set(endpointId, ifindex);
    }
    await waitForAll([...places].map(([endpointId, ifindex]) => this.attach({ endpointId, ifindex })));
  }

  async interfaceOf(endpointId: number): Promise<number | undefined> {
    const found = await waitForAll(DIRECTIONS.map((direction) => this.#hooks.find(hookName(endpointId, direction))));
    return found.map((hook) => hook?.ifindex).find((ifindex) => ifindex !== undefined && ifindex !== 0);
  }

  async detach(endpointId: number): Promise<void> {
    await waitForAll(DIRECTIONS.map((direction) => this.#hooks.remove(hookName(endpointId, direction))));
    await this.#policies.remove(endpointId);
  }
}

function hookName(endpointId: number, direction: "ingress" | "egress"): string {
  return `lxc_${endpointId}_${direction}`;
}

function endpointOfHook(name: string): number | undefined {
  const match = /^lxc_(\d+)_(?:ingress|egress)$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

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

  attach(endpoint: { readonly endpointId: number; readonly ifindex: number }): void {
    for (const direction of DIRECTIONS) {
      const hook = { ifindex: endpoint.ifindex, direction };
      this.#hooks.ensureDevice(hookName(endpoint.endpointId, direction), this.#programs[programOf[direction]], hook);
    }
  }

  /** Gives what is attached already its new programs, without waiting for the endpoints' records. */
  replacePrograms(): void {
    for (const { name, ifindex } of this.#hooks.list()) {
      const endpointId = endpointOfHook(name);
      if (endpointId !== undefined && ifindex !== 0) this.attach({ endpointId, ifindex });
    }
  }

  interfaceOf(endpointId: number): number | undefined {
    const indexes = DIRECTIONS.map((direction) => this.#hooks.find(hookName(endpointId, direction))?.ifindex);
    return indexes.find((ifindex) => ifindex !== undefined && ifindex !== 0);
  }

  detach(endpointId: number): void {
    for (const direction of DIRECTIONS) this.#hooks.remove(hookName(endpointId, direction));
    this.#policies.remove(endpointId);
  }
}

function hookName(endpointId: number, direction: "ingress" | "egress"): string {
  return `lxc_${endpointId}_${direction}`;
}

function endpointOfHook(name: string): number | undefined {
  const match = /^lxc_(\d+)_(?:ingress|egress)$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

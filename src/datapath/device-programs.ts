import { waitForAll } from "../lib/wait-for-all.js";
import type { NodeDevice, UnacceleratedDevice } from "../model/datapath-port.js";
import type { DeviceHooks } from "./device-hooks.js";
import { encodeDevice } from "./entries.js";
import type { MapSet } from "./map-set.js";
import type { Programs } from "./programs.js";
import { reconcileTable } from "./table.js";
import type { XdpPrograms } from "./xdp-programs.js";

const DIRECTIONS = ["ingress", "egress"] as const;

const programOf = { ingress: "fromNetdev", egress: "toNetdev" } as const;

/** Programs on the node's own devices. Those of others on the same devices stay. */
export class DevicePrograms {
  readonly #maps: Pick<MapSet, "get">;
  readonly #hooks: DeviceHooks;
  readonly #programs: Programs;
  readonly #xdp: XdpPrograms;

  constructor(options: {
    readonly maps: Pick<MapSet, "get">;
    readonly hooks: DeviceHooks;
    readonly programs: Programs;
    readonly xdp: XdpPrograms;
  }) {
    this.#maps = options.maps;
    this.#hooks = options.hooks;
    this.#programs = options.programs;
    this.#xdp = options.xdp;
  }

  /** The named devices have programs afterwards, and no others. */
  async write(desired: readonly NodeDevice[]): Promise<readonly UnacceleratedDevice[]> {
    // Before the programs that look there.
    await this.#describe(desired);
    const wanted = new Set(desired.map(({ ifindex }) => ifindex));
    await waitForAll([...wanted].map((ifindex) => this.#attach(ifindex)));
    const surplus = this.#hooks.names().filter((name) => {
      const ifindex = deviceOfHook(name);
      return ifindex !== undefined && !wanted.has(ifindex);
    });
    await waitForAll(surplus.map((name) => this.#hooks.remove(name)));
    const refusals = await this.#xdp.write(desired);
    await this.#describe(desired);
    return refusals;
  }

  /** What programs know of the devices. */
  async #describe(desired: readonly NodeDevice[]): Promise<void> {
    const accelerated = await this.#xdp.attached();
    const entries = desired.map((device) => encodeDevice(device, accelerated.has(device.ifindex)));
    reconcileTable(this.#maps.get("cts_devices"), entries);
  }

  /** Gives what is attached already its new programs. */
  async replacePrograms(): Promise<void> {
    const present = (await this.#hooks.list()).filter(({ name, ifindex }) => deviceOfHook(name) === ifindex);
    await waitForAll([...new Set(present.map(({ ifindex }) => ifindex))].map((ifindex) => this.#attach(ifindex)));
    await this.#xdp.replacePrograms();
  }

  async #attach(ifindex: number): Promise<void> {
    await waitForAll(
      DIRECTIONS.map((direction) =>
        this.#hooks.ensureDevice(hookName(ifindex, direction), this.#programs[programOf[direction]], {
          ifindex,
          direction,
        }),
      ),
    );
  }
}

/** By index: a BPF file system takes no names with dots, and VLAN devices have such. */
function hookName(ifindex: number, direction: "ingress" | "egress"): string {
  return `netdev_${ifindex}_${direction}`;
}

function deviceOfHook(name: string): number | undefined {
  const match = /^netdev_(\d+)_(?:ingress|egress)$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

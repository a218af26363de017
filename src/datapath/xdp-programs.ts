import type { XdpMode } from "../kernel/attachment.js";
import type { BpfProgram } from "../kernel/bpf-program.js";
import { KernelError } from "../lib/errors.js";
import { waitForAll } from "../lib/wait-for-all.js";
import type { Acceleration } from "../model/agent-config.js";
import type { NodeDevice, UnacceleratedDevice } from "../model/datapath-port.js";
import type { HookFacts } from "./device-hooks.js";
import type { LinkSet } from "./link-set.js";

/** Where the program runs; `testing-only` is upstream's word for the mode that every device has and that gains nothing. */
const modes: Readonly<Record<Acceleration, XdpMode | undefined>> = {
  disabled: undefined,
  native: "driver",
  "best-effort": "driver",
  "testing-only": "generic",
};

/** The XDP program on the node's own devices, one pinned link each. A device has one XDP program: others' stay, ours stays off. */
export class XdpPrograms {
  readonly #links: LinkSet;
  readonly #program: BpfProgram;
  readonly #mode: XdpMode | undefined;

  constructor(options: {
    readonly links: LinkSet;
    readonly program: BpfProgram;
    readonly acceleration: Acceleration;
  }) {
    this.#links = options.links;
    this.#program = options.program;
    this.#mode = modes[options.acceleration];
  }

  /** Interface indexes of the devices that have the program as it is wanted, whichever start attached it. */
  async attached(): Promise<ReadonlySet<number>> {
    return new Set((await this.#present()).map(({ ifindex }) => ifindex));
  }

  /** The named devices have the program afterwards, and no others; those that refuse it are told. */
  async write(devices: readonly NodeDevice[]): Promise<readonly UnacceleratedDevice[]> {
    const mode = this.#mode;
    const wanted = mode === undefined ? [] : devices;
    const names = new Set(wanted.map(({ ifindex }) => hookName(ifindex, mode!)));
    // First: a device takes no program in one mode while it has one in the other.
    await this.#removeAll((name) => !names.has(name));
    const refusals = await waitForAll(wanted.map((device) => this.#attach(device, mode!)));
    return refusals.flatMap((refusal) => refusal ?? []);
  }

  /** Gives what is attached its new program. */
  async replacePrograms(): Promise<void> {
    const mode = this.#mode;
    if (mode === undefined) return;
    const present = await this.#present();
    await waitForAll(present.map(({ name, ifindex }) => this.#links.ensureXdp(name, this.#program, { ifindex, mode })));
  }

  /** Links of the wanted mode that are on their device. */
  async #present(): Promise<readonly HookFacts[]> {
    const names = this.#links.names().filter((name) => this.#mode !== undefined && placeOf(name)?.mode === this.#mode);
    const found = (await waitForAll(names.map((name) => this.#links.find(name)))).flatMap((facts) => facts ?? []);
    return found.filter(({ name, ifindex }) => placeOf(name)!.ifindex === ifindex);
  }

  async #attach({ name, ifindex }: NodeDevice, mode: XdpMode): Promise<UnacceleratedDevice | undefined> {
    try {
      await this.#links.ensureXdp(hookName(ifindex, mode), this.#program, { ifindex, mode });
      return undefined;
    } catch (error) {
      // Anything else is a fault of ours or somebody's hand in our folder.
      if (!(error instanceof KernelError) || error.code !== "link-attach") throw error;
      return { device: name, reason: error.hint ?? error.message };
    }
  }

  async #removeAll(isUnwanted: (name: string) => boolean): Promise<void> {
    const ours = this.#links.names().filter((name) => placeOf(name) !== undefined);
    await waitForAll(ours.filter(isUnwanted).map((name) => this.#links.remove(name)));
  }
}

function hookName(ifindex: number, mode: XdpMode): string {
  return `xdp_${ifindex}_${mode}`;
}

function placeOf(name: string): { readonly ifindex: number; readonly mode: XdpMode } | undefined {
  const match = /^xdp_(\d+)_(driver|generic)$/.exec(name);
  return match === null ? undefined : { ifindex: Number(match[1]), mode: match[2] as XdpMode };
}

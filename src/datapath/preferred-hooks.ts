import type { BpfProgram } from "../kernel/bpf-program.js";
import { waitForAll } from "../lib/wait-for-all.js";
import type { DeviceHook, DeviceHooks, HookFacts } from "./device-hooks.js";

/**
 * Attaches in the preferred way and takes away what an earlier start attached in the other one (another kernel, another
 * `enable-tcx`), in this order: for a moment both run, never none.
 */
export class PreferredHooks implements DeviceHooks {
  readonly #preferred: DeviceHooks;
  readonly #other: DeviceHooks;

  constructor(preferred: DeviceHooks, other: DeviceHooks) {
    this.#preferred = preferred;
    this.#other = other;
  }

  async ensureDevice(name: string, program: BpfProgram, hook: DeviceHook): Promise<void> {
    await this.#preferred.ensureDevice(name, program, hook);
    await this.#other.remove(name);
  }

  find(name: string): Promise<HookFacts | undefined> {
    return this.#preferred.find(name);
  }

  names(): readonly string[] {
    return [...new Set([...this.#preferred.names(), ...this.#other.names()])].sort();
  }

  async list(): Promise<readonly HookFacts[]> {
    return (await waitForAll([this.#preferred.list(), this.#other.list()])).flat();
  }

  async remove(name: string): Promise<void> {
    await this.#preferred.remove(name);
    await this.#other.remove(name);
  }
}

import type { BpfProgram } from "../kernel/bpf-program.js";
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

  ensureDevice(name: string, program: BpfProgram, hook: DeviceHook): void {
    this.#preferred.ensureDevice(name, program, hook);
    this.#other.remove(name);
  }

  find(name: string): HookFacts | undefined {
    return this.#preferred.find(name);
  }

  names(): readonly string[] {
    return [...new Set([...this.#preferred.names(), ...this.#other.names()])].sort();
  }

  list(): readonly HookFacts[] {
    return [...this.#preferred.list(), ...this.#other.list()];
  }

  remove(name: string): void {
    this.#preferred.remove(name);
    this.#other.remove(name);
  }
}

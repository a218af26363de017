import type { IpFamily } from "../../lib/ip.js";
import type { FrontendKey, FrontendTraits } from "../../model/datapath-port.js";

/** Entries that the maps of each family take. */
export interface ServiceLimits {
  /** Masters, slots and wildcards. */
  readonly services: number;
  readonly backends: number;
}

type CountedFrontend = FrontendKey & Pick<FrontendTraits, "ownsAddress">;

/** Counts the entries of the service maps, so that what does not fit is refused by name before a map is full. */
export class ServiceCapacity {
  readonly #limit: number;
  readonly #used = { 4: 0, 6: 0 };
  /** Frontends that share the wildcard entry of their address. */
  readonly #owners = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False, and nothing is taken, when the frontend and its slots do not fit. */
  take(frontend: CountedFrontend, slots: number): boolean {
    const { family, text } = frontend.address;
    const owners = this.#owners.get(text) ?? 0;
    const needed = 1 + slots + (frontend.ownsAddress && owners === 0 ? 1 : 0);
    if (this.#used[family] + needed > this.#limit) return false;
    this.#used[family] += needed;
    if (frontend.ownsAddress) this.#owners.set(text, owners + 1);
    return true;
  }

  release(frontend: CountedFrontend, slots: number): void {
    const { family, text } = frontend.address;
    this.#used[family] -= 1 + slots;
    if (!frontend.ownsAddress) return;
    const left = this.#owners.get(text)! - 1;
    if (left > 0) this.#owners.set(text, left);
    else {
      this.#owners.delete(text);
      this.#used[family] -= 1;
    }
  }

  used(family: IpFamily): number {
    return this.#used[family];
  }
}

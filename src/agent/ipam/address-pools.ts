import type { IpAddress } from "../../lib/ip.js";
import type { AddressPool } from "./address-pool.js";

/** One pool for each family that pods have, IPv4 first. What is asked of them is done by all or by none. */
export class AddressPools {
  readonly pools: readonly AddressPool[];

  constructor(pools: readonly AddressPool[]) {
    this.pools = pools;
  }

  /** One address a family. @throws AgentError `no-free-address` */
  allocate(): readonly IpAddress[] {
    const addresses: IpAddress[] = [];
    try {
      for (const pool of this.pools) addresses.push(pool.allocate());
    } catch (error) {
      this.release(addresses);
      throw error;
    }
    return addresses;
  }

  /** Marks addresses that an existing endpoint owns. False = somebody else has one of them already. */
  claim(addresses: readonly IpAddress[]): boolean {
    const claimed: IpAddress[] = [];
    for (const address of addresses) {
      // No pool: its family was switched off, and nobody else gets it.
      if (this.#poolOf(address)?.claim(address) === false) {
        this.release(claimed);
        return false;
      }
      claimed.push(address);
    }
    return true;
  }

  release(addresses: readonly IpAddress[]): void {
    for (const address of addresses) this.#poolOf(address)?.release(address);
  }

  /** The pool that is used up first. */
  get tightest(): AddressPool {
    return this.pools.reduce((least, pool) => (freeIn(pool) < freeIn(least) ? pool : least));
  }

  #poolOf(address: IpAddress): AddressPool | undefined {
    return this.pools.find(({ prefix }) => prefix.address.family === address.family);
  }
}

function freeIn({ capacity, usedCount }: AddressPool): number {
  return capacity - usedCount;
}

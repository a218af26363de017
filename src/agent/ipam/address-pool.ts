import { AgentError } from "../../lib/errors.js";
import type { IpAddress, IpPrefix } from "../../lib/ip.js";

/**
 * Addresses of the node's podCIDR, handed out in a circle: an address that was given back comes round last, because
 * neighbours, conntrack entries and clients may remember its former owner. Kept back: the network's address, the first one
 * (`cilium_host`, every pod's gateway) and the broadcast address.
 */
export class AddressPool {
  readonly prefix: IpPrefix;
  readonly #firstOffset = 2;
  readonly #lastOffset: number;
  readonly #used = new Set<string>();
  #cursor: number;

  /** @param cursor offset that was handed out last, from a former run */
  constructor(prefix: IpPrefix, cursor = 1) {
    this.prefix = prefix;
    const hostBits = prefix.address.bitLength - prefix.length;
    // IPv6 prefixes are larger than anybody fills; 2^24 offsets keep the circle in plain numbers.
    this.#lastOffset = 2 ** Math.min(hostBits, 24) - 2;
    this.#cursor = cursor;
    if (this.#lastOffset < this.#firstOffset) {
      throw new AgentError("pod-cidr-too-small", `podCIDR ${prefix} has no address left for a pod`, {
        hint: "A podCIDR needs at least a /30: network, gateway, one pod, broadcast.",
      });
    }
  }

  static gatewayOf(prefix: IpPrefix): IpAddress {
    const gateway = prefix.at(1);
    if (gateway !== undefined) return gateway;
    throw new AgentError("pod-cidr-too-small", `podCIDR ${prefix} has no address for the gateway`);
  }

  get gateway(): IpAddress {
    return AddressPool.gatewayOf(this.prefix);
  }

  /** The offset handed out last; keep it over restarts. */
  get cursor(): number {
    return this.#cursor;
  }

  get usedCount(): number {
    return this.#used.size;
  }

  get capacity(): number {
    return this.#lastOffset - this.#firstOffset + 1;
  }

  /** @throws AgentError `no-free-address` */
  allocate(): IpAddress {
    for (let step = 0; step < this.capacity; step++) {
      this.#cursor =
        this.#cursor >= this.#lastOffset ? this.#firstOffset : Math.max(this.#cursor + 1, this.#firstOffset);
      const address = this.prefix.at(this.#cursor)!;
      if (this.#used.has(address.text)) continue;
      this.#used.add(address.text);
      return address;
    }
    throw new AgentError("no-free-address", `all ${this.capacity} addresses of podCIDR ${this.prefix} are in use`, {
      nextSteps: ["Delete pods of this node, or give the node a larger podCIDR."],
    });
  }

  /** Marks an address that an existing endpoint owns. False = somebody else has it already. */
  claim(address: IpAddress): boolean {
    if (this.#used.has(address.text)) return false;
    this.#used.add(address.text);
    return true;
  }

  release(address: IpAddress): void {
    this.#used.delete(address.text);
  }
}

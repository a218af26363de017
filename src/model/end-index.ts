import type { IpAddress } from "../lib/ip.js";

/** Numbers by transport address. Two steps, so that most look-ups end at the address without a new text. */
export class EndIndex {
  readonly #byAddress = new Map<IpAddress["key"], Map<number, number>>();

  /** @param protocol IP protocol number; 0 is a protocol like any other here */
  set(address: IpAddress["key"], port: number, protocol: number, number: number): void {
    const ports = this.#byAddress.get(address) ?? new Map<number, number>();
    ports.set(portKey(port, protocol), number);
    this.#byAddress.set(address, ports);
  }

  get(address: IpAddress["key"], port: number, protocol: number): number | undefined {
    return this.#byAddress.get(address)?.get(portKey(port, protocol));
  }
}

function portKey(port: number, protocol: number): number {
  return port * 256 + protocol;
}

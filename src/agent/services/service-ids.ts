import type { IpFamily } from "../../lib/ip.js";
import type { FrontendKey, LoadBalancerBackend, ServiceIds } from "../../model/datapath-port.js";

/** A backend without its number. */
export type BackendKey = Pick<LoadBalancerBackend, "address" | "port" | "protocol">;

/** Service ids are 16 bits in the maps (`rev_nat_index`), those of each family have maps of their own, and 0 means none. */
const MAX_SERVICE_ID = 65_535;
/** Backend ids are 32 bits, and 0 means none. */
const MAX_BACKEND_ID = 0xffff_ffff;

/**
 * Numbers of frontends and backends. Goes on with what the kernel's maps hold, so that a restart changes no entry; a free number
 * is used again only after all others had their turn, because conntrack entries remember numbers.
 */
export class ServiceIdAllocator {
  readonly #services: Readonly<Record<IpFamily, NumberPool>>;
  readonly #backends: NumberPool;

  constructor(restored: ServiceIds) {
    this.#services = { 4: new NumberPool(MAX_SERVICE_ID), 6: new NumberPool(MAX_SERVICE_ID) };
    this.#backends = new NumberPool(MAX_BACKEND_ID);
    for (const frontend of restored.frontends) {
      this.#services[frontend.address.family].claim(frontendKeyText(frontend), frontend.serviceId);
    }
    for (const backend of restored.backends) this.#backends.claim(backendKeyText(backend), backend.backendId);
  }

  /** Undefined when all 65,535 of the family are in use. While there are others, no number stands for two frontends. */
  serviceId(frontend: FrontendKey): number | undefined {
    const { family } = frontend.address;
    return this.#services[family].take(frontendKeyText(frontend), this.#services[family === 4 ? 6 : 4]);
  }

  releaseService(frontend: FrontendKey): void {
    this.#services[frontend.address.family].release(frontendKeyText(frontend));
  }

  backendId(backend: BackendKey): number {
    // 2^32 numbers cannot run out: the map ends long before.
    return this.#backends.take(backendKeyText(backend))!;
  }

  releaseBackend(backend: BackendKey): void {
    this.#backends.release(backendKeyText(backend));
  }
}

/** Joined, not a template: V8 keeps those as a tree of their parts, and these texts are kept in tens of thousands. */
export function frontendKeyText({ address, port, protocol, scope }: FrontendKey): string {
  return [address.text, port, protocol, scope].join(" ");
}

export function backendKeyText({ address, port, protocol }: BackendKey): string {
  return [address.text, port, protocol].join(" ");
}

const NONE: ReadonlySet<number> = new Set();

class NumberPool {
  readonly #numbers = new Map<string, number>();
  readonly #used = new Set<number>();
  readonly #max: number;
  #cursor = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Two keys with one number cannot both keep it: the second one gets another when it is asked for. */
  claim(key: string, number: number): void {
    if (number < 1 || number > this.#max || this.#used.has(number) || this.#numbers.has(key)) return;
    this.#numbers.set(key, number);
    this.#used.add(number);
    this.#cursor = Math.max(this.#cursor, number);
  }

  /** @param other its numbers come last */
  take(key: string, other?: NumberPool): number | undefined {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#used.size >= this.#max) return undefined;
    const avoided = other !== undefined && this.#used.size + other.#used.size < this.#max ? other.#used : NONE;
    do {
      this.#cursor = this.#cursor >= this.#max ? 1 : this.#cursor + 1;
    } while (this.#used.has(this.#cursor) || avoided.has(this.#cursor));
    this.#numbers.set(key, this.#cursor);
    this.#used.add(this.#cursor);
    return this.#cursor;
  }

  release(key: string): void {
    const number = this.#numbers.get(key);
    if (number === undefined) return;
    this.#numbers.delete(key);
    this.#used.delete(number);
  }
}

import type { EndpointLink, LinkPort } from "../../src/agent/endpoints/endpoint-link.js";

/** Interfaces of a node in memory: name → index. */
export class InMemoryLinks implements LinkPort {
  readonly links = new Map<string, number>();
  readonly configured = new Set<string>();
  failure: Error | undefined;
  configureFailure: Error | undefined;
  #nextIndex = 10;

  async create(link: EndpointLink): Promise<number> {
    if (this.failure !== undefined) throw this.failure;
    if (this.links.has(link.hostIfname)) throw new Error(`${link.hostIfname} exists`);
    this.links.set(link.hostIfname, ++this.#nextIndex);
    return this.#nextIndex;
  }

  async configure(link: EndpointLink): Promise<void> {
    if (this.configureFailure !== undefined) throw this.configureFailure;
    if (!this.links.has(link.hostIfname)) throw new Error(`${link.hostIfname} does not exist`);
    this.configured.add(link.hostIfname);
  }

  async remove(hostIfname: string): Promise<void> {
    this.links.delete(hostIfname);
    this.configured.delete(hostIfname);
  }

  async check(link: EndpointLink & { readonly ifindex: number }): Promise<readonly string[]> {
    return this.links.get(link.hostIfname) === link.ifindex ? [] : [`interface ${link.hostIfname} does not exist`];
  }

  async list(): Promise<ReadonlyMap<string, number>> {
    return this.links;
  }
}

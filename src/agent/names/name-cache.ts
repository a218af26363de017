import type { IpAddress } from "../../lib/ip.js";
import type { CiliumEndpoint, CiliumNode, KubeEndpointSlice } from "../../model/kubernetes.js";
import { nameService, nodeAddressesOf } from "../../model/named-service.js";
import type { NamedService, NamesDocument } from "../../model/names-document.js";
import { createServiceTest, type ServiceQuery } from "../../model/service-query.js";
import type { AgentCaches } from "../agent-caches.js";
import { collectNames } from "./agent-names.js";

/** The part of the service reconciler that knows names. */
export interface ServiceNames {
  /** EndpointSlices of a Service, by its key. */
  slicesOf(key: string): readonly KubeEndpointSlice[];
  ownerOf(address: IpAddress, port: number, protocol: number): string | undefined;
}

type NameCaches = Pick<AgentCaches, "ciliumEndpoints" | "ciliumNodes" | "nodes" | "services">;

/**
 * Names of addresses. Single ones are kept up to date change by change, because drops ask for them all the time; the whole
 * document is put together when somebody asks after something changed.
 */
export class NameCache implements Disposable {
  readonly #caches: NameCaches;
  readonly #services: ServiceNames;
  readonly #words = new Map<string, string>();
  readonly #stops: (() => void)[] = [];
  #document: NamesDocument | undefined;

  constructor(caches: NameCaches, services: ServiceNames) {
    this.#caches = caches;
    this.#services = services;
  }

  /** After the caches are ready. */
  start(): void {
    const { ciliumEndpoints, ciliumNodes } = this.#caches;
    for (const node of ciliumNodes.items().values()) this.#replace(undefined, nodeWords(node));
    for (const endpoint of ciliumEndpoints.items().values()) this.#replace(undefined, podWords(endpoint));
    this.#stops.push(
      ciliumNodes.onChange(({ before, after }) =>
        this.#replace(before && nodeWords(before), after && nodeWords(after)),
      ),
      ciliumEndpoints.onChange(({ before, after }) => {
        this.#replace(before && podWords(before), after && podWords(after));
      }),
    );
  }

  document(): NamesDocument {
    this.#document ??= collectNames({
      ciliumEndpoints: this.#caches.ciliumEndpoints.items().values(),
      ciliumNodes: this.#caches.ciliumNodes.items().values(),
    });
    return this.#document;
  }

  /** Looks every Service over: that takes milliseconds for tens of thousands, and no index that every change must keep. */
  findServices(query: ServiceQuery): readonly NamedService[] {
    const isWanted = createServiceTest(query);
    const nodeAddresses = nodeAddressesOf(this.#caches.nodes.items().values());
    const found: NamedService[] = [];
    for (const [key, service] of this.#caches.services.items()) {
      if (isWanted(service)) found.push(nameService(service, this.#services.slicesOf(key), nodeAddresses));
    }
    return found;
  }

  /** Words for one end of a packet: `shop/web`, `node b`, `service shop/cart`. */
  describe(address: IpAddress, port: number, protocol: number): string | undefined {
    const known = this.#words.get(address.text);
    if (known !== undefined) return known;
    const service = this.#services.ownerOf(address, port, protocol);
    return service === undefined ? undefined : `service ${service}`;
  }

  #replace(before: Words | undefined, after: Words | undefined): void {
    this.#forget();
    for (const address of before?.addresses ?? []) {
      // The address may be another one's by now.
      if (this.#words.get(address) === before!.text) this.#words.delete(address);
    }
    for (const address of after?.addresses ?? []) this.#words.set(address, after!.text);
  }

  #forget(): void {
    this.#document = undefined;
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
  }
}

interface Words {
  readonly text: string;
  readonly addresses: readonly string[];
}

function nodeWords(node: CiliumNode): Words {
  return { text: `node ${node.metadata.name}`, addresses: (node.spec.addresses ?? []).map(({ ip }) => ip) };
}

function podWords(endpoint: CiliumEndpoint): Words {
  const addressing = endpoint.status?.networking?.addressing ?? [];
  return {
    text: `${endpoint.metadata.namespace}/${endpoint.metadata.name}`,
    addresses: addressing.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((address) => address !== undefined),
  };
}

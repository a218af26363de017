import { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { NamedNode, NamedPod, NamedService, NamesDocument } from "../../model/names-document.js";
import type { AddressName } from "../../model/rows.js";

/**
 * Looks names up by address, transport address and identity. Built once per command from a {@link NamesDocument}; Services
 * come to it as they are asked for.
 */
export class NameIndex {
  readonly document: NamesDocument;
  /** Why there are no names; undefined when there are. */
  readonly missingReason: string | undefined;
  readonly #byAddress = new Map<string, AddressName>();
  readonly #nodeByAddress = new Map<string, string>();
  readonly #podByAddress = new Map<string, NamedPod>();
  /** Address → port and protocol → Service. Two steps, so that most look-ups end at the address without a new text. */
  readonly #servicesByAddress = new Map<string, Map<number, AddressName>>();
  readonly #labelsByIdentity = new Map<number, readonly string[]>();
  readonly #services = new Map<string, NamedService>();
  readonly #podCidrs: readonly { readonly prefix: IpPrefix; readonly node: string }[];

  constructor(document: NamesDocument, missingReason?: string) {
    this.document = document;
    this.missingReason = missingReason;
    for (const node of document.nodes) this.#addNode(node);
    for (const pod of document.pods) this.#addPod(pod);
    for (const identity of document.identities) this.#labelsByIdentity.set(identity.id, identity.labels);
    this.#podCidrs = document.nodes.flatMap((node) =>
      node.podCidrs.map((text) => ({ prefix: IpPrefix.parse(text), node: node.name })),
    );
  }

  /** Those that came so far. */
  get services(): readonly NamedService[] {
    return [...this.#services.values()];
  }

  addServices(services: readonly NamedService[]): void {
    for (const service of services) this.#addService(service);
  }

  /** Pod, node or Service whose address this is. */
  ofAddress(address: string): AddressName | undefined {
    return this.#byAddress.get(address);
  }

  /** The Service that has this frontend; with protocol 0 any protocol will do. */
  ofFrontend(address: string, port: number, protocol: number): AddressName | undefined {
    return this.#servicesByAddress.get(address)?.get(portKey(port, protocol));
  }

  /** The Service of a frontend, or else whoever has the address. */
  ofTransportAddress(address: string, port: number, protocol: number): AddressName | undefined {
    return this.ofFrontend(address, port, protocol) ?? this.ofAddress(address);
  }

  podOf(address: string): NamedPod | undefined {
    return this.#podByAddress.get(address);
  }

  /** The node that has the address or runs the pod that has it. */
  nodeOf(address: string): string | undefined {
    return this.#nodeByAddress.get(address);
  }

  /** The node whose pod prefix begins at, or holds, this prefix. */
  nodeOfPrefix(prefix: IpPrefix): string | undefined {
    return this.#podCidrs.find((candidate) => candidate.prefix.contains(prefix.address))?.node;
  }

  labelsOf(identity: number): readonly string[] | undefined {
    return this.#labelsByIdentity.get(identity);
  }

  #addNode(node: NamedNode): void {
    for (const address of node.addresses) {
      this.#byAddress.set(address, { kind: "node", name: node.name });
      this.#nodeByAddress.set(address, node.name);
    }
  }

  #addService(service: NamedService): void {
    const key = `${service.namespace}/${service.name}`;
    if (this.#services.has(key)) return;
    this.#services.set(key, service);
    const name: AddressName = { kind: "service", namespace: service.namespace, name: service.name };
    for (const { address, port, protocol } of service.frontends) {
      const ports = this.#servicesByAddress.get(address) ?? new Map<number, AddressName>();
      ports.set(portKey(port, protocol), name).set(portKey(port, 0), name);
      this.#servicesByAddress.set(address, ports);
      // Node ports are kept under the unspecified address, which is nobody's name.
      if (address !== "0.0.0.0" && address !== "::" && !this.#byAddress.has(address))
        this.#byAddress.set(address, name);
    }
  }

  #addPod(pod: NamedPod): void {
    for (const text of pod.addresses) {
      const address = IpAddress.tryParse(text)?.text ?? text;
      this.#byAddress.set(address, { kind: "pod", namespace: pod.namespace, name: pod.name });
      this.#podByAddress.set(address, pod);
      if (pod.node !== undefined) this.#nodeByAddress.set(address, pod.node);
    }
  }
}

function portKey(port: number, protocol: number): number {
  return port * 256 + protocol;
}

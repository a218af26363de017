import { IpAddress, IpPrefix } from "../../lib/ip.js";
import { EndIndex } from "../../model/end-index.js";
import { noName } from "../../model/name-column.js";
import type { NamedNode, NamedPod, NamedService, NamesDocument } from "../../model/names-document.js";
import type { AddressName } from "../../model/rows.js";

type AddressKey = IpAddress["key"];

/**
 * Looks names up by address, transport address and identity. Built once per command from a {@link NamesDocument}; Services
 * come to it as they are asked for.
 */
export class NameIndex {
  readonly document: NamesDocument;
  /** Why there are no names; undefined when there are. */
  readonly missingReason: string | undefined;
  /** Every name once; ids are places in it. */
  readonly names: AddressName[] = [];
  readonly #byAddress = new Map<AddressKey, number>();
  readonly #nodeByAddress = new Map<AddressKey, string>();
  readonly #podByAddress = new Map<AddressKey, NamedPod>();
  /** Frontends, with protocol 0 too. */
  readonly #servicesByFrontend = new EndIndex();
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
  ofAddress(address: IpAddress | string): AddressName | undefined {
    return this.names[this.idOfAddress(address)];
  }

  /** As {@link ofAddress}, the name's id; {@link noName} where there is none. */
  idOfAddress(address: IpAddress | string): number {
    return this.#byAddress.get(keyOf(address)) ?? noName;
  }

  /** The Service that has this frontend; with protocol 0 any protocol will do. */
  ofFrontend(address: IpAddress | string, port: number, protocol: number): AddressName | undefined {
    return this.names[this.#idOfFrontend(address, port, protocol)];
  }

  /** As {@link ofFrontend}, all that is known of the Service. */
  serviceOfFrontend(address: IpAddress | string, port: number, protocol: number): NamedService | undefined {
    const name = this.ofFrontend(address, port, protocol);
    return name && this.#services.get(`${name.namespace}/${name.name}`);
  }

  /** The Service of a frontend, or else whoever has the address. */
  ofTransportAddress(address: IpAddress | string, port: number, protocol: number): AddressName | undefined {
    return this.names[this.idOfTransportAddress(address, port, protocol)];
  }

  /** As {@link ofTransportAddress}, the name's id; {@link noName} where there is none. */
  idOfTransportAddress(address: IpAddress | string, port: number, protocol: number): number {
    const id = this.#idOfFrontend(address, port, protocol);
    return id === noName ? this.idOfAddress(address) : id;
  }

  #idOfFrontend(address: IpAddress | string, port: number, protocol: number): number {
    return this.#servicesByFrontend.get(keyOf(address), port, protocol) ?? noName;
  }

  podOf(address: IpAddress | string): NamedPod | undefined {
    return this.#podByAddress.get(keyOf(address));
  }

  /** The node that has the address or runs the pod that has it. */
  nodeOf(address: IpAddress | string): string | undefined {
    return this.#nodeByAddress.get(keyOf(address));
  }

  /** The node whose pod prefix begins at, or holds, this prefix. */
  nodeOfPrefix(prefix: IpPrefix): string | undefined {
    return this.#podCidrs.find((candidate) => candidate.prefix.contains(prefix.address))?.node;
  }

  labelsOf(identity: number): readonly string[] | undefined {
    return this.#labelsByIdentity.get(identity);
  }

  #addNode(node: NamedNode): void {
    for (const address of node.addresses.map(keyOf)) {
      this.#byAddress.set(address, this.#addName({ kind: "node", name: node.name }));
      this.#nodeByAddress.set(address, node.name);
    }
  }

  #addService(service: NamedService): void {
    const key = `${service.namespace}/${service.name}`;
    if (this.#services.has(key)) return;
    this.#services.set(key, service);
    const id = this.#addName({ kind: "service", namespace: service.namespace, name: service.name });
    for (const { address: text, port, protocol } of service.frontends) {
      const address = keyOf(text);
      for (const either of [protocol, 0]) this.#servicesByFrontend.set(address, port, either, id);
      // Node ports are kept under the unspecified address, which is nobody's name.
      if (text !== "0.0.0.0" && text !== "::" && !this.#byAddress.has(address)) this.#byAddress.set(address, id);
    }
  }

  #addName(name: AddressName): number {
    return this.names.push(name) - 1;
  }

  #addPod(pod: NamedPod): void {
    const id = this.#addName({ kind: "pod", namespace: pod.namespace, name: pod.name });
    for (const text of pod.addresses) {
      const address = keyOf(text);
      this.#byAddress.set(address, id);
      this.#podByAddress.set(address, pod);
      if (pod.node !== undefined) this.#nodeByAddress.set(address, pod.node);
    }
  }
}

function keyOf(address: IpAddress | string): AddressKey {
  return typeof address === "string" ? (IpAddress.tryParse(address)?.key ?? address) : address.key;
}

import { NotFoundError, UsageError } from "../../lib/errors.js";
import { IpAddress } from "../../lib/ip.js";
import { HOST_IDENTITY, parseIdentity, REMOTE_NODE_IDENTITY, reservedIdentity } from "../../model/identity.js";
import { objectKey } from "../../model/kube-object.js";
import type { CiliumEndpoint, KubeNode } from "../../model/kubernetes.js";
import { protocolNumber, protocolWords } from "../../model/protocol-names.js";
import type { NameIndex } from "../names/name-index.js";
import { type PolicyWorld, serviceOf } from "./policy-world.js";

/** One end of a connection that is asked for. */
export interface AskedEnd {
  readonly name: string;
  /** As other nodes than its own know it. */
  readonly identity: number;
  /** The node that a pod of the cluster runs on, or that it is. */
  readonly node?: string | undefined;
  /** Of a pod that the cluster has. */
  readonly endpoint?: CiliumEndpoint;
  /** It is a node itself: its processes, and pods in its network. */
  readonly host?: KubeNode | undefined;
}

/** What the policy of `peer` knows an end as: the own node is the host, all others are remote nodes. */
export function identityFor(end: AskedEnd, peer: AskedEnd): number {
  return end.host !== undefined && end.node === peer.node ? HOST_IDENTITY : end.identity;
}

/** Where a connection may arrive: behind a Service at each of its backends. */
export interface AskedTarget extends AskedEnd {
  readonly port: number;
}

export interface AskedPort {
  readonly protocol: number;
  readonly port: number;
}

/** `80/tcp`, `53/udp`, `8/icmp`, `icmp`; a number alone is a port of TCP, as in manifests. @throws UsageError `policy-port` */
export function parseAskedPort(text: string): AskedPort {
  const isPortAlone = /^\d{1,5}$/.test(text);
  const [, port, word] = /^(?:(\d{1,5})\/)?([a-z0-9]+)$/i.exec(isPortAlone ? `${text}/tcp` : text) ?? [];
  const protocol = word === undefined || /^\d+$/.test(word) ? undefined : protocolNumber(word);
  if (protocol === undefined || Number(port ?? 0) > 65_535) {
    throw new UsageError("policy-port", `"${text}" is no port: PORT[/PROTOCOL], as 80, 53/udp or 8/icmp`, {
      hint: `Protocols are ${protocolWords.join(", ")}; of ICMP the number is the type.`,
    });
  }
  return { protocol, port: Number(port ?? 0) };
}

export class ConnectionEnds {
  readonly #world: PolicyWorld;
  readonly #names: NameIndex;

  constructor(world: PolicyWorld, names: NameIndex) {
    this.#world = world;
    this.#names = names;
  }

  /** @throws NotFoundError for what is no pod, address or entity of the cluster */
  find(text: string): AskedEnd {
    const found = this.#pod(text) ?? this.#namedNode(text) ?? this.#address(text) ?? reservedEnd(text);
    if (found === undefined) throw notFound(text, "pod, node, address or entity");
    return found;
  }

  /** @throws NotFoundError as {@link find}, and for a Service without this port or without backends */
  findTargets(text: string, { protocol, port }: AskedPort): readonly AskedTarget[] {
    const slices = this.#world.slices.filter((slice) => serviceOf(slice) === withNamespace(text));
    if (this.#pod(text) !== undefined || slices.length === 0) return [{ ...this.find(text), port }];
    const service = this.#world.services.find(({ metadata }) => objectKey(metadata) === withNamespace(text));
    const wanted = service?.spec.ports?.find(
      (known) => known.port === port && protocolNumber(known.protocol ?? "TCP") === protocol,
    );
    const targets = slices.flatMap(({ endpoints, ports = [] }) => {
      const target = ports.find((known) => (known.name ?? "") === (wanted?.name ?? ""))?.port;
      if (wanted === undefined || target === undefined) return [];
      return endpoints.flatMap(({ addresses }) =>
        addresses.map((address) => ({ ...this.find(address), port: target })),
      );
    });
    if (targets.length === 0) throw notFound(`${text} port ${port}`, "Service with this port and backends");
    return targets;
  }

  #pod(text: string): AskedEnd | undefined {
    const endpoint = this.#world.endpoints.find(({ metadata }) => objectKey(metadata) === withNamespace(text));
    return endpoint === undefined ? undefined : this.#endOf(endpoint);
  }

  #namedNode(text: string): AskedEnd | undefined {
    const name = /^node\/(.+)$/.exec(text)?.[1];
    const isKnown = this.#world.nodes.some(({ metadata }) => metadata.name === name);
    return name === undefined || !isKnown ? undefined : this.#nodeEnd(name, this.#identityOfNode(name));
  }

  #nodeEnd(name: string, identity: number): AskedEnd {
    const host = this.#world.nodes.find(({ metadata }) => metadata.name === name);
    return { name: `node ${name}`, identity, node: name, host };
  }

  #identityOfNode(name: string): number {
    const own = this.#world.nodePrefixes.find(({ prefix }) => this.#names.nodeOf(prefix.address) === name);
    return own?.identity ?? REMOTE_NODE_IDENTITY;
  }

  #endOf(endpoint: CiliumEndpoint): AskedEnd {
    const { ipv4, ipv6 } = endpoint.status?.networking?.addressing[0] ?? {};
    const node = this.#names.nodeOf(ipv4 ?? ipv6 ?? "");
    return { name: objectKey(endpoint.metadata), identity: endpoint.status?.identity?.id ?? 0, node, endpoint };
  }

  #address(text: string): AskedEnd | undefined {
    const address = IpAddress.tryParse(text);
    if (address === undefined) return undefined;
    const endpoint = this.#world.endpoints.find(({ status }) =>
      status?.networking?.addressing.some(({ ipv4, ipv6 }) => ipv4 === address.text || ipv6 === address.text),
    );
    if (endpoint !== undefined) return this.#endOf(endpoint);
    const node = this.#names.nodeOf(address.text);
    const own = this.#world.nodePrefixes.find(({ prefix }) => prefix.contains(address));
    if (node !== undefined) return this.#nodeEnd(node, own?.identity ?? REMOTE_NODE_IDENTITY);
    const named = this.#world.prefixes.filter(({ prefix }) => prefix.contains(address));
    const nearest = named.sort((a, b) => b.prefix.length - a.prefix.length)[0];
    const { families } = this.#world.selectors;
    const world = families.ipv4 && families.ipv6 ? (address.family === 4 ? 9 : 10) : 2;
    return { name: `${address.text} (world)`, identity: nearest?.identity ?? world };
  }
}

function reservedEnd(text: string): AskedEnd | undefined {
  const identity = /^\d+$/.test(text) ? undefined : parseIdentity(text);
  const name = identity === undefined ? undefined : reservedIdentity(identity)?.name;
  return identity === undefined || name === undefined ? undefined : { name, identity };
}

function withNamespace(text: string): string {
  return text.includes("/") ? text : `default/${text}`;
}

function notFound(text: string, what: string): NotFoundError {
  return new NotFoundError("policy-end", `${text} is no ${what} of this cluster`, {
    hint: "Ends are NAMESPACE/POD, node/NAME, an address, or an entity such as world or host; the receiver also NAMESPACE/SERVICE.",
  });
}

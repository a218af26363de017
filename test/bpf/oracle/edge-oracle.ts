/** Both ends of a packet, as far as translation is concerned. */
export interface Ends {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

/** What must become of a packet; `sourcePort` and `destination` may be chosen by the program among some. */
export interface EdgeExpectation {
  /** `routed`: the routes of the machine say whether there is a way. */
  readonly verdict: "next" | "redirect" | "shot" | "routed";
  readonly ends?: Partial<Ends>;
  readonly mac?: string;
}

/** Who is who in one family. */
export interface EdgeWorld {
  readonly node: string;
  /** Address of `cilium_host`, under which the node forwards to other nodes' pods. */
  readonly host: string;
  readonly world: string;
  readonly outsider: string;
  readonly client: string;
  readonly server: string;
  readonly remote: string;
  readonly vip: string;
  /** What a pod sees that reaches itself. */
  readonly loopback: string;
  readonly macs: Readonly<Record<string, string>>;
}

export const NODE_PORT = 30_080;
export const BACKEND_PORT = 8080;
const FIRST_PORT = 32_768;

interface PodEnd {
  readonly address: string;
  readonly port: number;
}

/**
 * What a node owes to packets at its edge, told from what they were and what became of earlier ones: masquerading and its
 * answers, node ports by source NAT, answers of their backends, pods that reach themselves. It knows no map.
 */
export class EdgeOracle {
  readonly #world: EdgeWorld;
  /** Port of the node by `protocol pod:port > peer:port`. */
  readonly #ports = new Map<string, number>();
  /** Whose port of the node it is, by `protocol address:port < peer:port`. */
  readonly #owners = new Map<string, PodEnd>();
  /** Backend by the client's port. */
  readonly #chosen = new Map<number, string>();
  readonly #hairpins = new Set<number>();

  constructor(world: EdgeWorld) {
    this.#world = world;
  }

  /** Ports of the node that somebody owns towards this peer. */
  ownedPorts(
    protocol: number,
    address: string,
    peer: string,
  ): readonly { readonly port: number; readonly peerPort: number }[] {
    const pattern = new RegExp(`^${protocol} ${asPattern(address)}:(\\d+) < ${asPattern(peer)}:(\\d+)$`);
    return [...this.#owners.keys()].flatMap((key) => {
      const found = pattern.exec(key);
      return found === null ? [] : [{ port: Number(found[1]), peerPort: Number(found[2]) }];
    });
  }

  dialled(): readonly number[] {
    return [...this.#chosen.keys()];
  }

  /** What a pod sends to the world, where it leaves the node. */
  leaving(protocol: number, ends: Ends): EdgeExpectation {
    const { node } = this.#world;
    const known = this.#ports.get(flowKey(protocol, ends));
    const rest = { destination: ends.destination, destinationPort: ends.destinationPort, source: node };
    if (known !== undefined) return { verdict: "next", ends: { ...rest, sourcePort: known } };
    return { verdict: "next", ends: rest };
  }

  left(protocol: number, before: Ends, after: Ends): string | undefined {
    return this.#own(protocol, before, after, { address: before.source, port: before.sourcePort });
  }

  /** What the world answers to a port of the node. */
  arriving(protocol: number, ends: Ends): EdgeExpectation {
    const owner = this.#owners.get(
      ownerKey(protocol, ends.destination, ends.destinationPort, ends.source, ends.sourcePort),
    );
    if (owner === undefined) return { verdict: "next", ends };
    const { address, port } = owner;
    const mac = this.#world.macs[address];
    return {
      verdict: "redirect",
      ends: { ...ends, destination: address, destinationPort: port },
      ...(mac === undefined ? {} : { mac }),
    };
  }

  /** A client outside dials the node port: to the backend that its connection has, or to either. */
  dialling(ends: Ends, after: Ends): EdgeExpectation {
    const { client, remote, host, macs } = this.#world;
    const backend = this.#chosen.get(ends.sourcePort) ?? after.destination;
    if (backend !== client && backend !== remote) return { verdict: "redirect", ends: { destination: client } };
    const there = { destination: backend, destinationPort: BACKEND_PORT };
    if (backend === client) return { verdict: "redirect", ends: { ...ends, ...there }, mac: macs[client]! };
    const known = this.#ports.get(flowKey(6, { ...ends, ...there }));
    if (known !== undefined) return { verdict: "redirect", ends: { ...there, source: host, sourcePort: known } };
    return { verdict: "redirect", ends: { ...there, source: host } };
  }

  hasDialled(before: Ends, after: Ends): string | undefined {
    this.#chosen.set(before.sourcePort, after.destination);
    if (after.destination === this.#world.client) return undefined;
    const there = { ...before, destination: after.destination, destinationPort: after.destinationPort };
    return this.#own(6, there, after, { address: before.source, port: before.sourcePort });
  }

  isLocal(clientPort: number): boolean {
    return this.#chosen.get(clientPort) === this.#world.client;
  }

  /** A backend on this node answers a client outside. */
  answering(clientPort: number): EdgeExpectation {
    const { node, outsider } = this.#world;
    return { verdict: "routed", ends: { ...from(node, NODE_PORT), ...to(outsider, clientPort) } };
  }

  /** A backend on another node answers the node that forwarded. */
  forwardedAnswer(ends: Ends): EdgeExpectation | undefined {
    const owner = this.#owners.get(ownerKey(6, ends.destination, ends.destinationPort, ends.source, ends.sourcePort));
    const { node } = this.#world;
    return owner && { verdict: "routed", ends: { ...from(node, NODE_PORT), ...to(owner.address, owner.port) } };
  }

  /** A pod dials the Service whose only backend it is. */
  hairpin(port: number): EdgeExpectation {
    const { loopback, client, macs } = this.#world;
    this.#hairpins.add(port);
    return { verdict: "redirect", ends: { ...from(loopback, port), ...to(client, BACKEND_PORT) }, mac: macs[client]! };
  }

  hairpinAnswer(port: number): EdgeExpectation {
    const { vip, client, macs } = this.#world;
    if (!this.#hairpins.has(port)) return { verdict: "shot" };
    return { verdict: "redirect", ends: { ...from(vip, 80), ...to(client, port) }, mac: macs[client]! };
  }

  #own(protocol: number, before: Ends, after: Ends, owner: PodEnd): string | undefined {
    const flow = flowKey(protocol, before);
    if (this.#ports.has(flow)) return undefined;
    const key = ownerKey(protocol, after.source, after.sourcePort, after.destination, after.destinationPort);
    if (after.sourcePort < FIRST_PORT) return `port ${after.sourcePort} is not one for translated connections`;
    if (this.#owners.has(key)) return `${key} belongs to another connection`;
    this.#ports.set(flow, after.sourcePort);
    this.#owners.set(key, owner);
    return undefined;
  }
}

function from(source: string, sourcePort: number): Pick<Ends, "source" | "sourcePort"> {
  return { source, sourcePort };
}

function to(destination: string, destinationPort: number): Pick<Ends, "destination" | "destinationPort"> {
  return { destination, destinationPort };
}

function asPattern(address: string): string {
  return address.replaceAll(".", "\\.");
}

function flowKey(protocol: number, { source, sourcePort, destination, destinationPort }: Ends): string {
  return `${protocol} ${source}:${sourcePort} > ${destination}:${destinationPort}`;
}

function ownerKey(protocol: number, address: string, port: number, peer: string, peerPort: number): string {
  return `${protocol} ${address}:${port} < ${peer}:${peerPort}`;
}

import { flowOf, type Peer } from "./packet-oracle.js";

/** Hex of an address, and a port or an echo's identifier. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** Whose a port of the node is, towards one peer. */
export interface Owner extends End {
  /** Of a client outside: what it has dialled. */
  readonly frontend?: End | undefined;
}

export type Flow = Pick<Peer, "source" | "destination" | "protocol" | "ports">;

const FIRST_PORT = 32_768;

/** Swapped ends: the answers' direction. */
export function replyOf({ source, destination, protocol, ports }: Flow): Flow {
  const swapped = { source: ports.destination, destination: ports.source };
  return { source: destination, destination: source, protocol, ports: swapped };
}

export function sourceOf({ source, ports }: Flow): End {
  return { address: source, port: ports.source };
}

export function destinationOf({ destination, ports }: Flow): End {
  return { address: destination, port: ports.destination };
}

export function from(flow: Flow, { address, port }: End): Flow {
  return { ...flow, source: address, ports: { ...flow.ports, source: port } };
}

export function towards(flow: Flow, { address, port }: End): Flow {
  return { ...flow, destination: address, ports: { ...flow.ports, destination: port } };
}

/** What became of connections, told from the packets that were seen of them: it knows no map. */
export class ConnectionLedger {
  readonly #sources = new Map<string, End>();
  readonly #owners = new Map<string, { readonly answers: Flow; readonly owner: Owner }>();
  readonly #chosen = new Map<string, End>();
  readonly #frontends = new Map<string, End>();
  readonly #told = new Map<string, End>();
  readonly #everTold = new Set<string>();
  readonly #seen = new Set<string>();

  /** A connection that a packet may have begun. */
  see(flow: Flow): void {
    this.#seen.add(flowOf(flow));
  }

  hasSeen(flow: Flow): boolean {
    return this.#seen.has(flowOf(flow));
  }

  /** What a connection leaves with. */
  sourceOf(flow: Flow): End | undefined {
    return this.#sources.get(flowOf(flow));
  }

  /** Whose answers these are. */
  ownerOf(answer: Flow): Owner | undefined {
    return this.#owners.get(flowOf(answer))?.owner;
  }

  /** Answers that somebody waits for. */
  get awaited(): readonly Flow[] {
    return [...this.#owners.values()].map(({ answers }) => answers);
  }

  /** A connection leaves with another source. What is wrong with it: the port is somebody else's, or none for translations. */
  translate(flow: Flow, source: End, frontend?: End): string | undefined {
    const known = this.sourceOf(flow);
    if (known !== undefined && known.port === source.port && known.address === source.address) return undefined;
    const answers = replyOf(from(flow, source));
    const key = flowOf(answers);
    if (source.port !== flow.ports.source && source.port < FIRST_PORT)
      return `port ${source.port} is none for translations`;
    const owner = this.#owners.get(key)?.owner;
    const isOwn = owner?.address === flow.source && owner.port === flow.ports.source;
    if (owner !== undefined && !isOwn) return `${key} belongs to another connection`;
    this.#sources.set(flowOf(flow), source);
    this.#owners.set(key, { answers, owner: { ...sourceOf(flow), frontend } });
    return undefined;
  }

  /** A source that nobody gets answers by: a backend of the node's own network answers as its frontend. */
  answerAs(flow: Flow, source: End): void {
    this.#sources.set(flowOf(flow), source);
  }

  /** The backend that a client's connection to a frontend has. */
  backendOf(dialled: Flow): End | undefined {
    return this.#chosen.get(flowOf(dialled));
  }

  choose(dialled: Flow, backend: End): void {
    this.#chosen.set(flowOf(dialled), backend);
  }

  /** A new connection on the same ports may get another one. */
  forgetBackend(dialled: Flow): void {
    this.#chosen.delete(flowOf(dialled));
  }

  /** What the answers to a connection between client and backend come from; undefined: the backend. */
  frontendOf(flow: Flow): End | undefined {
    return this.#frontends.get(flowOf(flow));
  }

  deliver(flow: Flow, frontend: End | undefined): void {
    if (frontend === undefined) this.#frontends.delete(flowOf(flow));
    else this.#frontends.set(flowOf(flow), frontend);
  }

  /** A frontend that another node has told of. */
  tell(flow: Flow, frontend: End): void {
    this.#told.set(flowOf(flow), frontend);
    this.#everTold.add(`${flowOf(flow)} ${frontend.address}:${frontend.port}`);
  }

  /** Whether another node has ever told of this frontend. */
  wasTold(flow: Flow, { address, port }: End): boolean {
    return this.#everTold.has(`${flowOf(flow)} ${address}:${port}`);
  }

  toldOf(flow: Flow): End | undefined {
    return this.#told.get(flowOf(flow));
  }

  forgetTold(flow: Flow): void {
    this.#told.delete(flowOf(flow));
  }
}

import type { IpAddress } from "../../lib/ip.js";
import { type NodeClock, secondsUntil } from "../../model/node-clock.js";
import type { CtRow, L4Address, LbBackendRow, LbServiceRow, SockRevNatRow, WhichRow } from "../../model/rows.js";
import { podAddressOf, type SocketRow } from "../../model/sockets.js";

/** What one node's kernel knows of the connections of one source. */
export interface ConnectionFacts {
  /** Egress and service entries whose source is the wanted one. */
  readonly conntrack: readonly CtRow[];
  /** Of the source's network namespace; empty when it is no pod or its processes have ended. */
  readonly sockets: readonly SocketRow[];
  readonly socketReverseNat: readonly SockRevNatRow[];
  readonly services: readonly LbServiceRow[];
  readonly backends: readonly LbBackendRow[];
  readonly clock: NodeClock;
}

export type WhichVerdict = WhichRow["verdict"];

/** One connection, by evidence. */
export interface Connection {
  readonly protocol: number;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly frontend?: L4Address | undefined;
  readonly backend: L4Address;
  readonly verdict: WhichVerdict;
  readonly isLive: boolean;
  readonly evidence: readonly string[];
}

const udp = 17;
/** Sockets in these states carry no traffic any more. */
const endedStates: ReadonlySet<string> = new Set(["time-wait", "closed", "last-ack", "closing", "listen"]);

/**
 * Puts together what was dialled and where it went. Three witnesses, in the order of their weight: the socket LB's
 * reverse map says what a socket dialled; conntrack says where packets went, and for translation packet by packet also
 * from which frontend; the service maps say what could have been.
 */
export function findConnections(facts: ConnectionFacts): readonly Connection[] {
  const bySocket = facts.sockets.flatMap((socket) => connectionsOfSocket(socket, facts));
  const seen = new Set(bySocket.map(connectionKey));
  const byConntrack = facts.conntrack
    .filter((row) => row.direction === "out" && !row.isRelated)
    .map((row) => connectionOfEntry(row, facts))
    .filter((connection) => !seen.has(connectionKey(connection)));
  return [...bySocket, ...byConntrack];
}

function connectionKey({ protocol, source, sourcePort, backend }: Connection): string {
  return `${protocol} ${source.text} ${sourcePort} ${backend.address.text} ${backend.port}`;
}

function connectionsOfSocket(socket: SocketRow, facts: ConnectionFacts): readonly Connection[] {
  if (socket.state === "listen") return [];
  const translations = facts.socketReverseNat.filter((row) => row.cookie === socket.cookie);
  if (socket.protocol === udp && socket.peerPort === 0) {
    return translations.map((row) => connectionOfTranslation(socket, row, facts));
  }
  if (socket.peerPort === 0) return [];
  const exact = translations.find((row) => isAt(row.backend, row.backendPort, socket.peer, socket.peerPort));
  return [exact === undefined ? connectedDirectly(socket, facts) : connectionOfTranslation(socket, exact, facts)];
}

/** The socket LB translated this socket: its reverse map holds what was dialled. */
function connectionOfTranslation(socket: SocketRow, row: SockRevNatRow, facts: ConnectionFacts): Connection {
  const { protocol } = socket;
  const backend = { address: row.backend, port: row.backendPort, protocol };
  return {
    ...sourceOf(socket),
    backend,
    frontend: { address: row.frontend, port: row.frontendPort, protocol },
    verdict: "through-service",
    isLive: !endedStates.has(socket.state),
    evidence: [
      socketText(socket),
      `cilium_lb${row.backend.family}_reverse_sk: cookie ${row.cookie} and ${l4(backend)} were dialled as ${row.frontend}:${row.frontendPort}`,
      ...conntrackText(socket, backend, facts),
    ],
  };
}

/** The socket's peer is what it dialled, unless packets are translated one by one behind it. */
function connectedDirectly(socket: SocketRow, facts: ConnectionFacts): Connection {
  const dialled = { address: socket.peer, port: socket.peerPort, protocol: socket.protocol };
  const service = facts.conntrack.find((row) => row.direction === "service" && isEntryOf(row, socket, dialled));
  const translated = service === undefined ? undefined : backendOfService(service, facts);
  const isLive = !endedStates.has(socket.state);
  if (service !== undefined && translated !== undefined) {
    return {
      ...sourceOf(socket),
      backend: translated,
      frontend: dialled,
      verdict: "through-service",
      isLive,
      evidence: [socketText(socket), serviceText(service, translated), ...conntrackText(socket, translated, facts)],
    };
  }
  if (socket.cookie === undefined) {
    const known = frontendOfOtherSockets(dialled, facts);
    if (known !== undefined) {
      const why = `its cookie is not known; every socket on this node that was given ${l4(dialled)} had dialled ${l4(known)}`;
      const evidence = [`${socketText(socket)}; ${why}`, ...conntrackText(socket, dialled, facts)];
      return {
        ...sourceOf(socket),
        backend: dialled,
        frontend: known,
        verdict: "likely-through-service",
        isLive,
        evidence,
      };
    }
  }
  const isFrontend = facts.services.some((row) => isAt(row.address, row.port, dialled.address, dialled.port));
  const why = isFrontend
    ? "the frontend that it dialled has no backend for it in conntrack"
    : socket.cookie === undefined
      ? "its cookie is not known"
      : `cookie ${socket.cookie} has no entry in cilium_lb${socket.peer.family}_reverse_sk: dialled as it is`;
  return {
    ...sourceOf(socket),
    backend: dialled,
    frontend: isFrontend ? dialled : undefined,
    verdict: isFrontend || socket.cookie === undefined ? "undecided" : "direct",
    isLive,
    evidence: [`${socketText(socket)}; ${why}`, ...conntrackText(socket, dialled, facts)],
  };
}

/** No socket is left, or it is not a pod's: conntrack is the witness. */
function connectionOfEntry(row: CtRow, facts: ConnectionFacts): Connection {
  const backend = { address: row.destination, port: row.destinationPort, protocol: row.protocol };
  const base = {
    protocol: row.protocol,
    source: row.source,
    sourcePort: row.sourcePort,
    backend,
    isLive: (row.state === "new" || row.state === "established") && secondsUntil(facts.clock, row.expiresAtSeconds) > 0,
  };
  const service = facts.conntrack.find(
    (candidate) =>
      candidate.direction === "service" &&
      candidate.protocol === row.protocol &&
      candidate.sourcePort === row.sourcePort &&
      candidate.source.equals(row.source) &&
      isSameL4(backendOfService(candidate, facts), backend),
  );
  if (service !== undefined) {
    const frontend = { address: service.destination, port: service.destinationPort, protocol: row.protocol };
    const evidence = [entryText(row, facts), serviceText(service, backend)];
    return { ...base, frontend, verdict: "through-service", evidence };
  }
  const master = row.revNatId === 0 ? undefined : findMaster(row, facts);
  if (master !== undefined) {
    const frontend = { address: master.address, port: master.port, protocol: row.protocol };
    const evidence = [`${entryText(row, facts)}; its RevNAT ${row.revNatId} is ${l4(frontend)} in the service map`];
    return { ...base, frontend, verdict: "through-service", evidence };
  }
  const dialled = frontendOfOtherSockets(backend, facts);
  if (dialled !== undefined) {
    const why = `its socket is gone; every socket on this node that was given ${l4(backend)} had dialled ${l4(dialled)}`;
    const evidence = [entryText(row, facts), `cilium_lb${backend.address.family}_reverse_sk: ${why}`];
    return { ...base, frontend: dialled, verdict: "likely-through-service", evidence };
  }
  return { ...base, verdict: "undecided", evidence: [entryText(row, facts), possibleFrontends(backend, facts)] };
}

/** The reverse map forgets sockets late, but a closed one's cookie cannot be told any more: all must agree. */
function frontendOfOtherSockets(backend: L4Address, facts: ConnectionFacts): L4Address | undefined {
  const own = facts.socketReverseNat.filter((row) => isAt(row.backend, row.backendPort, backend.address, backend.port));
  const first = own[0];
  if (
    first === undefined ||
    !own.every((row) => isAt(row.frontend, row.frontendPort, first.frontend, first.frontendPort))
  ) {
    return undefined;
  }
  return { address: first.frontend, port: first.frontendPort, protocol: backend.protocol };
}

function findMaster(row: CtRow, facts: ConnectionFacts): LbServiceRow | undefined {
  return facts.services.find((service) => service.slot === 0 && service.revNatId === row.revNatId);
}

function possibleFrontends(backend: L4Address, facts: ConnectionFacts): string {
  const frontends = facts.services
    .filter((row) => row.slot > 0 && isSameL4(row.backend, backend))
    .map((row) => l4({ address: row.address, port: row.port, protocol: row.protocol }));
  const unique = [...new Set(frontends)];
  return unique.length === 0
    ? "no service has this backend: dialled as it is"
    : `its socket is gone, so whether ${unique.join(" or ")} or the backend itself was dialled is not known`;
}

function backendOfService(row: CtRow, facts: ConnectionFacts): L4Address | undefined {
  const id = Number(row.backendId ?? 0n);
  const found = facts.backends.find(
    (backend) => backend.backendId === id && backend.address.family === row.destination.family,
  );
  return found && { address: found.address, port: found.port, protocol: row.protocol };
}

function conntrackText(socket: SocketRow, backend: L4Address, facts: ConnectionFacts): readonly string[] {
  const row = facts.conntrack.find(
    (candidate) => candidate.direction === "out" && isEntryOf(candidate, socket, backend),
  );
  return row === undefined ? [] : [entryText(row, facts)];
}

function isEntryOf(row: CtRow, socket: SocketRow, to: L4Address): boolean {
  return (
    row.protocol === socket.protocol &&
    row.sourcePort === socket.localPort &&
    row.source.equals(podAddressOf(socket)) &&
    isAt(row.destination, row.destinationPort, to.address, to.port)
  );
}

function sourceOf(socket: SocketRow): Pick<Connection, "protocol" | "source" | "sourcePort"> {
  return { protocol: socket.protocol, source: podAddressOf(socket), sourcePort: socket.localPort };
}

function socketText({ state, pid, command }: SocketRow): string {
  return `socket ${state}${pid === undefined ? "" : ` of ${command}(${pid})`}`;
}

function entryText(row: CtRow, facts: ConnectionFacts): string {
  const rest = secondsUntil(facts.clock, row.expiresAtSeconds);
  const life = rest > 0 ? `${rest} s left` : "expired";
  return `conntrack OUT ${row.source}:${row.sourcePort} -> ${row.destination}:${row.destinationPort} ${row.state}, ${life}`;
}

function serviceText(row: CtRow, backend: L4Address): string {
  return `conntrack SVC ${row.destination}:${row.destinationPort} has backend ${row.backendId} = ${l4(backend)}`;
}

function isSameL4(a: L4Address | undefined, b: L4Address): boolean {
  return a !== undefined && isAt(a.address, a.port, b.address, b.port);
}

function isAt(address: IpAddress, port: number, otherAddress: IpAddress, otherPort: number): boolean {
  return port === otherPort && address.equals(otherAddress);
}

function l4({ address, port }: L4Address): string {
  return address.family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

import { NotFoundError } from "../../lib/errors.js";
import { IpAddress } from "../../lib/ip.js";
import { summarizeNodeStatuses } from "../../model/list-status.js";
import type { L4Address, WhichRow } from "../../model/rows.js";
import type { SocketRow } from "../../model/sockets.js";
import type { SessionNode } from "../../session/session.js";
import type { NameIndex } from "../names/name-index.js";
import type { Target } from "../open-target.js";
import { readNodes } from "../read-nodes.js";
import { collectRows, type RowList } from "../row-list.js";
import type { RowSelection } from "../row-selection.js";
import type { Connection } from "./connections.js";
import { readConnections } from "./read-connections.js";
import { dropText, findDrops, isOfConnection, type NodeDrop } from "./recorded-drops.js";
import { isWanted, resolveDestination, resolveSource, type WhichQuestion } from "./which-question.js";

interface ReadOptions {
  readonly signal: AbortSignal;
}

/**
 * Answers "which backend did my connection go to?" from the kernels of the client's and the servers' nodes.
 * @throws NotFoundError `which-none` when there is no such connection; those of unknown names
 */
export async function whichBackend(
  target: Target,
  question: WhichQuestion,
  options: ReadOptions,
): Promise<RowList<WhichRow>> {
  const names = await target.names(spokenOf(question));
  const sources = resolveSource(question, names);
  const isDestination = resolveDestination(question, names);
  const nodes = sourceNodes(target, sources, names);
  const readings = await Promise.all(nodes.map((node) => readConnections(node, sources, options)));
  const failed = readings.find((reading) => reading.failure !== undefined);
  if (failed?.failure !== undefined && readings.every((reading) => reading.failure !== undefined)) throw failed.failure;
  const connections = readings
    .flatMap(({ node, connections: own }) => own.map((connection) => ({ node, connection })))
    .filter(({ connection }) => isWanted(connection, question, isDestination))
    .sort((a, b) => Number(b.connection.isLive) - Number(a.connection.isLive));
  const statuses = readings.map((reading) => reading.status);
  // "None" may only be said by whoever has looked everywhere.
  const isWhole = statuses.every((status) => status.state === "complete");
  // Connections that stand do not say what became of the last try.
  const drops = await findDrops(target.resolved, { question, sources, isDestination });
  if (connections.length === 0 && isWhole) throw noConnection({ question, nodes, names, drops });
  const servers = await serverSockets(
    target,
    connections.map(({ connection }) => connection.backend),
    names,
    options,
  );
  const frontends = connections.flatMap(({ connection: { frontend } }) => frontend ?? []);
  await target.learnServices(frontends.map(({ address, port }) => ({ address, port })));
  const others = dropText(drops.filter((drop) => !connections.some((one) => isOfConnection(drop, one.connection))));
  const dropNotes = others === undefined ? [] : [`other packets were ${others}`];
  const notes = [...new Set([...target.notes, ...readings.flatMap((reading) => reading.notes), ...dropNotes])];
  const rows = connections.map(({ node, connection }) => {
    const fate = dropText(drops.filter((drop) => isOfConnection(drop, connection)));
    return toRow(
      node,
      { ...connection, evidence: fate === undefined ? connection.evidence : [fate, ...connection.evidence] },
      servers,
      names,
    );
  });
  return {
    rows: (async function* () {
      yield rows;
    })(),
    status: () => summarizeNodeStatuses(statuses, { notes }),
  };
}

/** A destination may be a Service, unless it says that it is none. */
function spokenOf({ destination, namespace }: WhichQuestion): Pick<RowSelection, "namespace" | "services"> {
  const isNone =
    destination === undefined || /^(po|pod|pods)\//.test(destination) || IpAddress.tryParse(destination) !== undefined;
  return isNone ? {} : { namespace, services: [destination] };
}

/** The nodes whose kernels saw the source's packets first: those that run it, or all when that is not known. */
function sourceNodes(target: Target, sources: readonly string[], names: NameIndex): readonly SessionNode[] {
  const wanted = new Set(sources.map((address) => names.nodeOf(address)));
  const nodes = target.nodes.filter((node) => wanted.has(node.name));
  return nodes.length > 0 ? nodes : target.nodes;
}

/** Sockets of the pods that serve, from the nodes that run them. A node that cannot be read costs only the process. */
async function serverSockets(
  target: Target,
  backends: readonly L4Address[],
  names: NameIndex,
  options: ReadOptions,
): Promise<readonly SocketRow[]> {
  const addresses = [...new Set(backends.map((backend) => backend.address.text))];
  const all = await Promise.all(
    target.resolved.nodes.map(async (node) => {
      const own = addresses.filter((address) => names.podOf(address)?.node === node.name);
      if (own.length === 0) return [];
      return collectRows(readNodes({ nodes: [node] }, "sockets", { addresses: own }, options)).catch(() => []);
    }),
  );
  return all.flat();
}

function toRow(node: SessionNode, connection: Connection, servers: readonly SocketRow[], names: NameIndex): WhichRow {
  const { source, backend, frontend, protocol } = connection;
  const server = findServer(connection, servers);
  return {
    node: node.name,
    protocol,
    source,
    sourcePort: connection.sourcePort,
    sourceName: names.ofAddress(source),
    frontend,
    frontendName: frontend && names.ofTransportAddress(frontend.address, frontend.port, protocol),
    backend,
    backendName: names.ofAddress(backend.address),
    backendNode: names.nodeOf(backend.address.text),
    process: server?.pid === undefined ? undefined : { pid: server.pid, command: server.command ?? "?" },
    isLive: connection.isLive,
    verdict: connection.verdict,
    evidence: server === undefined ? connection.evidence : [...connection.evidence, serverText(server)],
  };
}

/** The accepted socket of the connection if it is there, else whoever listens on the port. */
function findServer(
  { source, sourcePort, backend, protocol }: Connection,
  all: readonly SocketRow[],
): SocketRow | undefined {
  const own = all.filter(
    (socket) =>
      socket.protocol === protocol &&
      socket.localPort === backend.port &&
      socket.podAddresses.some((address) => address.equals(backend.address)),
  );
  return (
    own.find((socket) => socket.peerPort === sourcePort && socket.peer.equals(source)) ??
    own.find((socket) => socket.peerPort === 0)
  );
}

function serverText({ state, local, localPort, command, pid }: SocketRow): string {
  return `server socket ${state} on ${local}:${localPort}${pid === undefined ? "" : ` of ${command}(${pid})`}`;
}

/** The Service that was asked for, when nobody stands behind it: its connections fail before there is a packet. */
function closedService({ destination, namespace }: WhichQuestion, { services }: NameIndex): string | undefined {
  const words = destination?.replace(/^(service|services|svc)\//, "").split("/") ?? [];
  const wantedNamespace = words.length > 1 ? words[0] : namespace;
  const service = services.find(
    (candidate) =>
      candidate.name === words.at(-1) && (wantedNamespace === undefined || candidate.namespace === wantedNamespace),
  );
  return service?.backends.length === 0 ? `${service.namespace}/${service.name}` : undefined;
}

interface Nothing {
  readonly question: WhichQuestion;
  readonly nodes: readonly SessionNode[];
  readonly names: NameIndex;
  readonly drops: readonly NodeDrop[];
}

function noConnection({ question, nodes, names, drops }: Nothing): NotFoundError {
  const closed = closedService(question, names);
  const to = question.destination === undefined ? "" : ` to ${question.destination}`;
  const port = question.port === undefined ? "" : ` on port ${question.port}`;
  const where = nodes.map((node) => node.name).join(", ");
  const fate = dropText(drops);
  return new NotFoundError(
    "which-none",
    `${question.source} has no connection${to}${port}, live or recent, on ${where}${fate === undefined ? "" : `; it reached nobody: ${fate}`}`,
    {
      hint:
        closed === undefined
          ? "Looked at its sockets, the socket load balancer's reverse map, conntrack and the last drops that agents know."
          : `Service ${closed} has no backends: connect() to it fails at once (EHOSTUNREACH, or EPERM before Linux 5.18), without a packet.`,
      nextSteps: [
        ...(closed === undefined ? [] : [`kubectl cilium-ts service list --service ${closed}`]),
        ...verdictStep(question, drops),
        `kubectl cilium-ts bpf ct list --pod ${question.source}`,
        "kubectl cilium-ts bpf metrics list --drops   (was it dropped?)",
      ],
      ...(fate === undefined ? {} : { details: { drops: drops.length, lastDrop: drops.at(-1) } }),
    },
  );
}

/** Which rule it was can be asked. */
function verdictStep({ source, destination, port }: WhichQuestion, drops: readonly NodeDrop[]): readonly string[] {
  const last = drops.at(-1);
  if (last === undefined || !/^policy/i.test(last.reasonText) || destination === undefined) return [];
  const wantedPort = port ?? last.packet?.destinationPort;
  return [`kubectl cilium-ts policy verdict --from ${source} --to ${destination} --port ${wantedPort}`];
}

import { CtsError, UsageError } from "../../lib/errors.js";
import type { NodeListStatus } from "../../model/list-status.js";
import type { Completeness, ReaderName, ReaderRequest, ReaderRow } from "../../model/readers.js";
import type { Session, SessionNode } from "../../session/session.js";
import { type Connection, findConnections } from "./connections.js";

interface ReadOptions {
  readonly signal: AbortSignal;
}

/** What one node knows of the connections of one source. */
export interface NodeConnections {
  readonly node: SessionNode;
  readonly connections: readonly Connection[];
  readonly status: NodeListStatus;
  readonly notes: readonly string[];
  /** Why the node could not be read at all. */
  readonly failure?: CtsError;
}

/**
 * Reads a node's witnesses through one session. A node that cannot be read is missing from the answer, which says so.
 * @param sources canonical addresses
 */
export async function readConnections(
  node: SessionNode,
  sources: readonly string[],
  options: ReadOptions,
): Promise<NodeConnections> {
  const { name } = node;
  try {
    await using session = await node.open(options);
    const witness = new WitnessReader(session, options);
    const filter = { addresses: sources, directions: ["out", "service"] };
    const conntrack = await witness.read("conntrack", { filter });
    const sockets = await witness.read("sockets", { addresses: sources });
    const socketReverseNat = await witness.readIfThere("socket-reverse-nat", {});
    const services = await witness.read("lb-services", {});
    const backends = await witness.read("lb-backends", {});
    const own = conntrack.filter((row) => sources.includes(row.source.text));
    const facts = { conntrack: own, sockets, socketReverseNat, services, backends, clock: session.node.clock };
    const connections = findConnections(facts);
    return { node, connections, status: { name, ...witness.end() }, notes: witness.notes() };
  } catch (failure) {
    if (!(failure instanceof CtsError) || failure instanceof UsageError) throw failure;
    const status = { name, state: "missing" as const, reason: failure.message, rowsRead: 0, restarts: 0 };
    return { node, connections: [], status, notes: [], failure };
  }
}

/** Reads whole readers and remembers whether each came to its end: half a witness may have missed a connection. */
class WitnessReader {
  readonly #session: Session;
  readonly #options: ReadOptions;
  readonly #ends: Completeness[] = [];

  constructor(session: Session, options: ReadOptions) {
    this.#session = session;
    this.#options = options;
  }

  async read<Name extends ReaderName>(name: Name, request: ReaderRequest<Name>): Promise<ReaderRow<Name>[]> {
    const rows: ReaderRow<Name>[] = [];
    const stream = this.#session.read(name, request, this.#options);
    while (true) {
      const step = await stream.next();
      if (step.done === true) {
        this.#ends.push(step.value);
        return rows;
      }
      rows.push(...step.value);
    }
  }

  /** A datapath without a socket load balancer has no reverse map, and that is no failure. */
  async readIfThere<Name extends ReaderName>(name: Name, request: ReaderRequest<Name>): Promise<ReaderRow<Name>[]> {
    try {
      return await this.read(name, request);
    } catch (error) {
      if (error instanceof CtsError && error.code === "map-missing") return [];
      throw error;
    }
  }

  notes(): readonly string[] {
    return this.#ends.flatMap((end) => end.notes ?? []);
  }

  end(): Omit<NodeListStatus, "name"> {
    const reasons = this.#ends.flatMap((end) => (end.state === "partial" ? [end.reason ?? "cut short"] : []));
    const sum = (value: (end: Completeness) => number): number => this.#ends.reduce((all, end) => all + value(end), 0);
    return {
      state: reasons.length === 0 ? "complete" : "partial",
      reason: reasons.length === 0 ? undefined : [...new Set(reasons)].join("; "),
      rowsRead: sum((end) => end.rowsRead),
      restarts: sum((end) => end.restarts),
    };
  }
}

import { KernelError } from "../../lib/errors.js";
import type { CtColumns } from "../../model/conntrack-columns.js";
import { EndIndex } from "../../model/end-index.js";
import type { L4Address, LbServiceRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { readLbServices } from "./load-balancing.js";

/** Twice what the service maps of both families can hold by default. */
const maxFrontends = 262_144;

/** The number of a connection that belongs to no Service. */
export const noService = 0;

/**
 * Which Service a conntrack entry belongs to, as the node's service maps have them: the one whose id the entry holds, or
 * else those that have its destination as a frontend or backend.
 */
export class ServiceFinder {
  /** By number; entries whose destination several frontends share stand for all of them. */
  readonly frontends: (readonly L4Address[])[] = [[]];
  readonly #byId = new Map<number, number>();
  readonly #byEnd = new EndIndex();

  private constructor(rows: readonly LbServiceRow[]) {
    // What catches the other ports of an address has no id and no backends.
    const masters = new Map(
      rows.filter((row) => row.slot === 0 && row.revNatId !== 0).map((row) => [row.revNatId, row]),
    );
    for (const [id, master] of masters) {
      this.#byId.set(id, this.frontends.push([l4Of(master)]) - 1);
      this.#addEnd(master, this.frontends.length - 1);
    }
    for (const [backend, owners] of ownersOfBackends(rows, masters)) {
      const [only, ...others] = owners;
      const number =
        others.length === 0 && only !== undefined
          ? this.#byId.get(only.revNatId)!
          : this.frontends.push(owners.map(l4Of)) - 1;
      this.#addEnd(backend, number);
    }
  }

  /** @throws KernelError as {@link readLbServices}, but for missing maps: then there are no Services */
  static async read(context: NodeContext, signal: AbortSignal): Promise<ServiceFinder> {
    const rows: LbServiceRow[] = [];
    try {
      for await (const batch of readLbServices(context, {}, signal)) rows.push(...batch);
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== "map-missing") throw error;
    }
    return new ServiceFinder(rows);
  }

  numberOf(columns: CtColumns, index: number): number {
    const { revNatId, destinationPort, protocol } = columns.values;
    const named = revNatId[index] === 0 ? undefined : this.#byId.get(revNatId[index]!);
    if (named !== undefined) return named;
    const address = columns.destination(index);
    const end = { address, port: destinationPort[index]!, protocol: protocol[index]! };
    return this.#numberOfEnd(end) ?? (columns.direction(index) === "service" ? this.#addGone(end) : noService);
  }

  #numberOfEnd({ address, port, protocol }: L4Address): number | undefined {
    return this.#byEnd.get(address.key, port, protocol) ?? this.#byEnd.get(address.key, port, 0);
  }

  /** What was dialled as a frontend and is none any more. */
  #addGone(frontend: L4Address): number {
    if (this.frontends.length >= maxFrontends) return noService;
    this.#addEnd(frontend, this.frontends.push([frontend]) - 1);
    return this.frontends.length - 1;
  }

  #addEnd({ address, port, protocol }: L4Address, number: number): void {
    this.#byEnd.set(address.key, port, protocol, number);
  }
}

/** Backends with the masters of the frontends that lead to them: cluster addresses where there are any. */
function* ownersOfBackends(
  rows: readonly LbServiceRow[],
  masters: ReadonlyMap<number, LbServiceRow>,
): Generator<readonly [L4Address, readonly LbServiceRow[]]> {
  const owners = new Map<string, { readonly backend: L4Address; readonly ids: Set<number> }>();
  for (const { backend, revNatId } of rows) {
    if (backend === undefined || !masters.has(revNatId)) continue;
    const key = `${backend.address.key} ${backend.port} ${backend.protocol}`;
    const known = owners.get(key) ?? { backend, ids: new Set() };
    known.ids.add(revNatId);
    owners.set(key, known);
  }
  for (const { backend, ids } of owners.values()) {
    const all = [...ids].map((id) => masters.get(id)!);
    const inCluster = all.filter(({ serviceType }) => serviceType === "ClusterIP");
    yield [backend, inCluster.length > 0 ? inCluster : all];
  }
}

function l4Of({ address, port, protocol }: L4Address): L4Address {
  return { address, port, protocol };
}

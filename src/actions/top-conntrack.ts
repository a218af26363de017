import type { CtCounts, CtDimension, CtGroupKey, CtGroupRow, CtTopGroup, CtTopRow } from "../model/conntrack-groups.js";
import type { AddressName, L4Address } from "../model/rows.js";
import { type ConntrackSelection, conntrackRequest, nodesAtOnce } from "./list-conntrack.js";
import { identityLabels } from "./names/identity-labels.js";
import type { NameIndex } from "./names/name-index.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { collectRows, compareBy, type RowList } from "./row-list.js";

export interface ConntrackTopOptions {
  readonly by: readonly CtDimension[];
  /** Groups that each node counts apart. */
  readonly maxGroups?: number | undefined;
}

/**
 * How many conntrack entries there are of each kind, most first. Nodes count while they read; names are looked up for each
 * group, and groups of one name are added up.
 */
export class ConntrackTop {
  readonly #target: Target;
  readonly #selection: ConntrackSelection;
  readonly #options: ConntrackTopOptions;
  /** Entries of the groups at the reading before, by their key. */
  #before: ReadonlyMap<string, number> | undefined;

  constructor(target: Target, selection: ConntrackSelection, options: ConntrackTopOptions) {
    this.#target = target;
    this.#selection = selection;
    this.#options = options;
  }

  async read({ signal }: { readonly signal: AbortSignal }): Promise<RowList<CtTopRow>> {
    const names = await this.#target.names(this.#selection);
    const request = { ...conntrackRequest(this.#selection, names), ...this.#options };
    const concurrency = nodesAtOnce(request, this.#target);
    const list = readNodes(this.#target, "conntrack-groups", request, { signal, concurrency });
    return { rows: this.#rows(list, names), status: list.status };
  }

  async *#rows(list: RowList<CtGroupRow>, names: NameIndex): AsyncGenerator<readonly CtTopRow[]> {
    const counted = await collectRows(list);
    await this.#target.learnServices(counted.flatMap(({ key }) => key?.frontends ?? []));
    const sums = this.#addUp(counted, names);
    const total = counted.reduce((sum, { entries }) => sum + entries, 0);
    const before = this.#before;
    this.#before = new Map(Array.from(sums, ([key, { entries }]) => [key, entries]));
    const rows = Array.from(sums, ([key, sum]): [string, CtTopRow] => [
      key,
      { ...sum, share: sum.entries / total, change: before && sum.entries - (before.get(key) ?? 0) },
    ]);
    rows.sort(
      compareBy(
        ([, row]) => -row.entries,
        ([key]) => key,
      ),
    );
    if (rows.length > 0) yield rows.map(([, row]) => row);
  }

  #addUp(counted: readonly CtGroupRow[], names: NameIndex): ReadonlyMap<string, CtCounts & Pick<CtTopRow, "group">> {
    const sums = new Map<string, CtCounts & Pick<CtTopRow, "group">>();
    for (const row of counted) {
      const group = row.key && this.#nameGroup(row.key, row.node, names);
      const key = JSON.stringify(group ?? null);
      const sum = sums.get(key);
      const { entries, packets, bytes } = row;
      sums.set(key, sum === undefined ? { group, entries, packets, bytes } : addCounts(sum, row));
    }
    return sums;
  }

  /** In the order of the dimensions, so that groups which are the same have one text. */
  #nameGroup({ frontends, pod, ...key }: CtGroupKey, node: string | undefined, names: NameIndex): CtTopGroup {
    return {
      ...(frontends === undefined ? {} : { services: namesOfFrontends(frontends, names) }),
      ...(pod === undefined ? {} : { pod: names.ofAddress(pod) ?? pod }),
      ...(this.#options.by.includes("node") && node !== undefined ? { node } : {}),
      ...key,
      ...(key.identity === undefined ? {} : { labels: identityLabels(key.identity, names) }),
    };
  }
}

function addCounts<Sum extends CtCounts>(sum: Sum, { entries, packets, bytes }: CtCounts): Sum {
  return {
    ...sum,
    entries: sum.entries + entries,
    packets: addKnown(sum.packets, packets),
    bytes: addKnown(sum.bytes, bytes),
  };
}

function addKnown(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

/** Each once; frontends of one Service are one. */
function namesOfFrontends(frontends: readonly L4Address[], names: NameIndex): readonly (AddressName | L4Address)[] {
  const found = new Map<string, AddressName | L4Address>();
  for (const frontend of frontends) {
    const { address, port, protocol } = frontend;
    const name = names.ofFrontend(address, port, protocol);
    found.set(JSON.stringify(name ?? frontend), name ?? frontend);
  }
  return Array.from(found.entries(), ([key, service]) => ({ key, service }))
    .sort(compareBy(({ key }) => key))
    .map(({ service }) => service);
}

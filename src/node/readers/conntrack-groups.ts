import { IpAddress } from "../../lib/ip.js";
import { type CtColumns, ctDirections } from "../../model/conntrack-columns.js";
import { ctColumnsOf } from "../../model/conntrack-from-rows.js";
import { type CtDimension, type CtGroupKey, type CtGroupRow, defaultMaxGroups } from "../../model/conntrack-groups.js";
import type { Completeness, ConntrackGroupsRequest, RowStream } from "../../model/readers.js";
import { type CtRow, ctStates } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { readConntrack } from "./conntrack-entries.js";
import { GroupTable, restGroup } from "./group-table.js";
import { ServiceFinder } from "./service-finder.js";

/** Counts conntrack entries by what they have in common, while their maps are read; the groups come at the end. */
export async function* readConntrackGroups(
  context: NodeContext,
  request: ConntrackGroupsRequest,
  signal: AbortSignal,
): RowStream<CtGroupRow> {
  const services = request.by.includes("service") ? await ServiceFinder.read(context, signal) : undefined;
  const groups = new ConntrackGroups(request, services);
  const end = await countAll(readConntrack(context, request, signal), groups);
  const rows = groups.rows(context.facts.name);
  if (rows.length > 0) yield rows;
  return { ...end, notes: [...(end.notes ?? []), ...groups.notes()] };
}

async function countAll(entries: RowStream<CtRow>, groups: ConntrackGroups): Promise<Completeness> {
  try {
    while (true) {
      const step = await entries.next();
      if (step.done === true) return step.value;
      for (const columns of ctColumnsOf(step.value)) groups.add(columns);
    }
  } finally {
    await entries.return(undefined as never);
  }
}

/** One of the things that entries are counted by, as some words of the groups' keys. */
interface KeyPart {
  readonly words: number;
  write(columns: CtColumns, index: number, key: Int32Array, at: number): void;
  read(key: Int32Array, at: number): CtGroupKey;
}

/** A part of one word. */
function wordPart(of: (columns: CtColumns, index: number) => number, read: (word: number) => CtGroupKey): KeyPart {
  return {
    words: 1,
    write: (columns, index, key, at) => {
      key[at] = of(columns, index);
    },
    read: (key, at) => read(key[at]!),
  };
}

const incoming = ctDirections.indexOf("in");

/** The local end's address: four words, and a fifth that says the family. */
const podPart: KeyPart = {
  words: 5,
  write: ({ values, isV6 }, index, key, at) => {
    const words = values.direction[index] === incoming ? values.destination : values.source;
    const width = isV6 ? 4 : 1;
    for (let word = 0; word < width; word++) key[at + word] = words[index * width + word]!;
    for (let word = width; word < 4; word++) key[at + word] = 0;
    key[at + 4] = isV6 ? 6 : 4;
  },
  read: (key, at) => {
    const [word0, word1, word2, word3, family] = key.subarray(at, at + 5);
    return { pod: family === 6 ? IpAddress.ofV6(word0!, word1!, word2!, word3!) : IpAddress.ofV4(word0!) };
  },
};

const parts: Readonly<Record<Exclude<CtDimension, "service">, KeyPart>> = {
  pod: podPart,
  // All rows of this reader are of one node.
  node: { words: 0, write: () => undefined, read: () => ({}) },
  identity: wordPart(
    ({ values }, index) => values.sourceIdentity[index]!,
    (word) => ({ identity: word >>> 0 }),
  ),
  proto: wordPart(
    ({ values }, index) => values.protocol[index]!,
    (protocol) => ({ protocol }),
  ),
  state: wordPart(
    (columns, index) => ctStates.indexOf(columns.state(index)),
    (word) => ({ state: ctStates[word]! }),
  ),
  direction: wordPart(
    ({ values }, index) => values.direction[index]!,
    (word) => ({ direction: ctDirections[word]! }),
  ),
};

function servicePart(services: ServiceFinder): KeyPart {
  return wordPart(
    (columns, index) => services.numberOf(columns, index),
    (word) => ({ frontends: services.frontends[word]! }),
  );
}

/** The groups of one node. */
class ConntrackGroups {
  readonly #parts: readonly { readonly part: KeyPart; readonly at: number }[];
  readonly #key: Int32Array;
  readonly #table: GroupTable;
  readonly #maxGroups: number;
  #areCountersKnown = true;

  constructor({ by, maxGroups = defaultMaxGroups }: ConntrackGroupsRequest, services: ServiceFinder | undefined) {
    let at = 0;
    this.#parts = by.map((dimension) => {
      const part = dimension === "service" ? servicePart(services!) : parts[dimension];
      at += part.words;
      return { part, at: at - part.words };
    });
    this.#key = new Int32Array(at);
    this.#maxGroups = maxGroups;
    this.#table = new GroupTable(at, maxGroups);
  }

  add(columns: CtColumns): void {
    const { packets, bytes, union0, union1 } = columns.values;
    const { hasRxCounters, unknownFields } = columns.head.layout;
    this.#areCountersKnown &&= !unknownFields.includes("rxPackets");
    const table = this.#table;
    for (let index = 0; index < columns.length; index++) {
      for (const { part, at } of this.#parts) part.write(columns, index, this.#key, at);
      const group = table.count(this.#key);
      table.addPackets(group, packets, index);
      table.addBytes(group, bytes, index);
      if (!hasRxCounters) continue;
      table.addPackets(group, union0, index);
      // Service entries have the backend's id in its place.
      if (columns.direction(index) !== "service") table.addBytes(group, union1, index);
    }
  }

  rows(node: string): readonly CtGroupRow[] {
    const table = this.#table;
    const groups = Array.from({ length: table.length }, (_, group) => group);
    return groups
      .filter((group) => table.entries(group) > 0)
      .map((group) => ({
        node,
        key: group === restGroup ? undefined : this.#keyOf(table.key(group)),
        entries: table.entries(group),
        packets: this.#areCountersKnown ? table.packets(group) : undefined,
        bytes: this.#areCountersKnown ? table.bytes(group) : undefined,
      }));
  }

  notes(): readonly string[] {
    const rest = this.#table.entries(restGroup);
    if (rest === 0) return [];
    return [`there are more than ${this.#maxGroups} groups: ${rest} entries of those that came later are one, (other)`];
  }

  #keyOf(words: Int32Array): CtGroupKey {
    return Object.assign({}, ...this.#parts.map(({ part, at }) => part.read(words, at)));
  }
}

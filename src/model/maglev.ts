import { addressPort } from "../lib/ip.js";
import { murmur3Hash128 } from "../lib/murmur3.js";
import type { LoadBalancerBackend } from "./datapath-port.js";
import { protocolName } from "./protocol-names.js";

/** A backend with its share of the slots. */
export interface MaglevBackend extends Pick<LoadBalancerBackend, "backendId" | "address" | "port" | "protocol"> {
  /** Relative to the others'; all alike is the usual case. */
  readonly weight: number;
}

export interface MaglevOptions {
  /** A prime. */
  readonly tableSize: number;
  /** Seed of the hash of backends. */
  readonly seed: number;
}

/** The three seeds in upstream's option: 12 bytes in base64, the first for backends, the others for connections. */
export function maglevSeeds(base64: string): {
  readonly backends: number;
  readonly connections: readonly [number, number];
} {
  const bytes = Buffer.from(base64, "base64");
  return { backends: bytes.readUInt32BE(0), connections: [bytes.readUInt32BE(4), bytes.readUInt32BE(8)] };
}

const EMPTY = 0xffff_ffff;

/**
 * The look-up table of Maglev (Eisenbud et al., NSDI 2016), with upstream's permutations: every node that knows the same
 * backends makes the same table, whatever numbers it gives them, and a backend that comes or goes moves little more than its
 * own share of the slots.
 *
 * @returns a backend id for each slot; empty without backends
 */
export function createMaglevTable(backends: readonly MaglevBackend[], options: MaglevOptions): Uint32Array {
  if (backends.length === 0) return new Uint32Array(0);
  const { tableSize } = options;
  const turns = backends
    .map((backend) => ({ backend, name: hashName(backend) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ backend, name }) => ({ backend, ...permutation(name, options) }));
  const positions = Uint32Array.from(turns, ({ offset }) => offset);
  const table = new Uint32Array(tableSize).fill(EMPTY);
  const nextTurn = createTurns(backends.length, (index) => turns[index]!.backend.weight);
  for (let filled = 0; filled < tableSize; filled++) {
    const index = nextTurn(filled);
    const { backend, skip } = turns[index]!;
    let slot = positions[index]!;
    while (table[slot] !== EMPTY) slot = (slot + skip) % tableSize;
    table[slot] = backend.backendId;
    positions[index] = (slot + skip) % tableSize;
  }
  return table;
}

/** Upstream's text of an active backend: tables differ from node to node as soon as it does. */
function hashName({ address, port, protocol }: MaglevBackend): string {
  return `[${addressPort(address, port)}/${protocolName(protocol)},State:active]`;
}

function permutation(
  name: string,
  { tableSize, seed }: MaglevOptions,
): { readonly offset: number; readonly skip: number } {
  const [first, second] = murmur3Hash128(Buffer.from(name), seed);
  const size = BigInt(tableSize);
  return { offset: Number(first % size), skip: Number(second % (size - 1n)) + 1 };
}

/** Whose turn it is: round robin, in which a backend is passed over until its weight has earned it the turn. */
function createTurns(count: number, weightOf: (index: number) => number): (filled: number) => number {
  const weights = Array.from({ length: count }, (_, index) => weightOf(index));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (Math.floor(sum / count) <= 1) return (filled) => filled % count;
  const due = weights.map((weight) => weight / count);
  return (filled) => {
    let index = filled % count;
    while ((filled + 1) * weights[index]! < Math.floor(due[index]!)) index = (index + 1) % count;
    due[index]! += sum;
    return index;
  };
}
